// A text as a tree of blocks whose leaves hold what is written in them. As in src/mail/markdown/document.rs.

import { blocks } from "./blocks.js";
import { paired } from "./emphasis.js";
import { nodes } from "./inline.js";

const BOLD_BLOCKS = 12;

/**
 * { lines, blocks }: the lines of the text, and its blocks. Each leaf gets `parts`: nodes, { begin: kind } and { end: kind }.
 * A block at the top knows by `bound` the first block that its bold begins in, where that goes over several.
 */
export function read(markdown, depth = 0) {
  const text = markdown.replace(/\r\n/g, "\n").replace(/[\r\v\f\u0085\u2028\u2029]/g, "\n");
  const lines = text.split("\n");
  if (lines.at(-1) === "") lines.pop();
  const tree = blocks(lines, depth);
  const leaves = [];
  tree.forEach((block, number) => {
    for (const leaf of leavesOf(block)) {
      leaf.parts = paired(nodes(leaf.text, leaf.isCell ?? false)).map(withinLink);
      if (!leaf.isCell) leaves.push({ leaf, number });
    }
  });
  boldOverBlocks(leaves, tree);
  for (const block of tree) for (const leaf of leavesOf(block)) leaf.parts = leaf.parts.map(looseAsText);
  return { lines, blocks: tree };
}

/** The parts of a text that stands by itself, as in the cell of a table. */
export const readCell = (text) => paired(nodes(text, true)).map(withinLink).map(looseAsText);

/** What stands within a block as text, in its order. */
export function leavesOf(block) {
  if (block.leaf) return [block.leaf];
  if (block.type === "quote") return block.blocks.flatMap(leavesOf);
  if (block.type === "list") return block.items.flat().flatMap(leavesOf);
  return block.type === "table" ? block.rows.flat() : [];
}

function withinLink(part) {
  return part.type === "link" ? { ...part, inner: paired(part.inner).map(looseAsText).map(withinLink) } : part;
}

const looseAsText = (part) => (part.loose ? { type: "text", text: part.loose.sign.repeat(part.loose.length) } : part);

/** Where bold begins and ends that somebody put around several blocks at once, or with a blank before its end. */
function boldOverBlocks(leaves, tree) {
  const pairs = [];
  let open = null;
  leaves.forEach(({ leaf }, number) => {
    let depth = 0;
    leaf.parts.forEach((part, at) => {
      depth += part.begin ? 1 : part.end ? -1 : 0;
      const { loose } = part;
      if (!loose || depth > 0 || loose.sign !== "*" || loose.length !== 2) return;
      if (open && isEndedBy(open, number, loose, at === leaf.parts.length - 1)) {
        pairs.push({ begin: open, end: { leaf: number, at } });
        open = null;
      } else {
        open = { leaf: number, at, beginsLeaf: at === 0, canOpen: loose.canOpen, canClose: loose.canClose };
      }
    });
  });
  // Behind the first, so that the places before it stay.
  for (const { begin, end } of pairs.reverse()) {
    leaves[end.leaf].leaf.parts[end.at] = { end: "strong" };
    for (let number = end.leaf; number > begin.leaf; number--) {
      leaves[number].leaf.parts.unshift({ begin: "strong" });
      leaves[number - 1].leaf.parts.push({ end: "strong" });
    }
    const place = leaves[begin.leaf].leaf.parts;
    place[begin.at] = { begin: "strong" };
    const [first, last] = [leaves[begin.leaf].number, leaves[end.leaf].number];
    for (let number = first; number <= last && first !== last; number++) tree[number].bound = first;
  }
}

function isEndedBy(open, leaf, { canClose }, endsLeaf) {
  if (open.leaf === leaf) return open.canOpen || (canClose && !open.canClose);
  return open.canOpen && canClose && (open.beginsLeaf || endsLeaf) && leaf - open.leaf <= BOLD_BLOCKS;
}
