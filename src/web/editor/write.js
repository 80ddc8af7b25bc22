// The document as Markdown. What was not edited is written back as it was, character by character.

import { nodesIn } from "./nodes.js";
import { schema } from "./schema.js";
import { tidyBlock } from "./tidy.js";
import { blockMarkdown, isMarkdown, markdownOf, withOtherBullet } from "./write_block.js";

/** `loaded` is what `readMarkdown` gave for the text that the document was at first. */
export function writeMarkdown(doc, loaded) {
  const blocks = kept(doc.children, loaded.originals);
  const isWhole = blocks.length === loaded.originals.length && blocks.every(({ at }, number) => at === number);
  if (isWhole) return loaded.markdown;
  const allAnew = blocks.map((block) => ({ ...block, at: null }));
  const ways = [
    () => written(blocks, loaded, { keepsGaps: true }),
    () => written(blocks, loaded, {}),
    () => written(blocks, loaded, { care: 1 }),
    () => written(blocks, loaded, { care: 2 }),
    () => written(allAnew, loaded, {}),
    () => written(allAnew, loaded, { care: 1 }),
    () => written(allAnew, loaded, { care: 2 }),
  ];
  for (const way of ways) {
    const markdown = way();
    if (isReadAs(blocks, loaded.originals, markdown)) return markdown;
  }
  // Some of it cannot be written at all, such as a list of one number. The rest stays as it was.
  return ways[1]();
}

/** The blocks that are written: each tidy, and with its place among the originals where it is one. */
function kept(nodes, originals) {
  const places = new Map(originals.map(({ node }, at) => [node, at]));
  const blocks = [];
  for (const node of nodes) {
    const next = (blocks.at(-1)?.at ?? -1) + 1;
    let at = places.get(node) ?? null;
    // What was changed and changed back is another node that says the same.
    if (at === null && originals[next]?.node.eq(node)) at = next;
    if (at === null) at = originals.findIndex((original) => original.node.eq(node));
    if (at >= 0) blocks.push({ node, at });
    else if (tidyBlock(node)) blocks.push({ node: tidyBlock(node), at: null });
  }
  return blocks.map((block, number) => (isTornApart(blocks, number, originals) ? { ...block, at: null } : block));
}

/** Whether bold begins in an original and ends in another one, and one of those between is not there any more. */
function isTornApart(blocks, number, originals) {
  const { at } = blocks[number];
  const bound = at === null ? null : originals[at].bound;
  if (bound === null) return false;
  const start = number - (at - bound);
  return originals.some((original, place) => original.bound === bound && blocks[start + place - bound]?.at !== place);
}

function written(blocks, { originals, end }, { keepsGaps = false, care = 0 }) {
  let out = "";
  let isOther = false;
  blocks.forEach(({ node, at }, number) => {
    const before = blocks[number - 1];
    out += before ? gap(before.at, at, originals, keepsGaps) : (originals[0]?.gap ?? "");
    // Two lists with the same bullet would be one.
    isOther = !isOther && [before?.node, node].every((list) => list?.type === schema.nodes.bullet_list);
    if (at !== null) out += originals[at].source;
    else out += isOther ? withOtherBullet(node, care) : blockMarkdown(node, care);
  });
  return blocks.length ? out + end : out;
}

/** What stands between two blocks: as it was where it can be known. */
function gap(before, at, originals, keepsGaps) {
  if (before !== null && at === before + 1) return originals[at].gap;
  if (keepsGaps && before === null && at > 0) return originals[at].gap;
  if (keepsGaps && at === null && originals[before + 1] && before !== null) return originals[before + 1].gap;
  return "\n\n";
}

/** Whether the Markdown has these blocks, and no others. An original says what it said among the blocks that it was read with. */
function isReadAs(blocks, originals, markdown) {
  const meant = ({ node, at }) => (at !== null ? [originals[at].meant] : isMarkdown(node) ? nodesIn(markdownOf(node)) : [node]);
  const expected = blocks.flatMap(meant);
  const found = nodesIn(markdown);
  return found.length === expected.length && found.every((node, at) => (node ? expected[at]?.eq(node) : expected[at] === null));
}
