// Blocks of the dialect as nodes of the editor.

import { read } from "./dialect/document.js";
import { atomsOf, nodesOf, tidied } from "./leaf.js";
import { schema } from "./schema.js";

const { nodes: n, marks: m } = schema;

/** The blocks of a text, each as what it says; null for what the editor has no node for. */
export const nodesIn = (markdown, depth) => read(markdown, depth).blocks.map(toNode);

export function toNode(block) {
  switch (block.type) {
    case "paragraph":
      return n.paragraph.create(null, leafNodes(block.leaf.parts));
    case "heading":
      return valid(n.heading.create({ level: block.level }, leafNodes(block.leaf.parts)));
    case "quote":
      return withBlocks(n.quote, block.blocks);
    case "list": {
      const items = block.items.map((item) => withBlocks(n.item, item));
      if (items.includes(null)) return null;
      const { first, isTight } = block;
      return first === null ? n.bullet_list.create({ isTight }, items) : n.ordered_list.create({ first, isTight }, items);
    }
    case "table":
      return table(block);
    case "code":
      return n.code.create(null, block.text ? [schema.text(block.text)] : []);
    case "rule":
      return n.rule.create();
    default:
      return null;
  }
}

function withBlocks(type, blocks) {
  const inner = blocks.map(toNode);
  return inner.includes(null) ? null : valid(type.create(null, inner));
}

const valid = (node) => (node.type.validContent(node.content) ? node : null);

function table({ alignments, rows }) {
  if (rows.some((row) => row.length !== alignments.length)) return null;
  const cells = (type, row) => row.map(({ parts }, column) => type.create({ align: alignments[column] }, leafNodes(parts)));
  return n.table.create(null, rows.map((row, number) => n.table_row.create(null, cells(number ? n.table_cell : n.table_header, row))));
}

const KINDS = { em: m.em, strong: m.strong, strike: m.strike };

/** The parts of a leaf as inline nodes. An address that was typed as it is stays text. */
export const leafNodes = (parts) => nodesOf(tidied(atomsOf(inline(parts, []))));

function inline(parts, around) {
  const out = [];
  const open = [...around];
  const add = (node, more = []) => out.push(node.mark([...open, ...more].reduce((set, mark) => mark.addToSet(set), [])));
  for (const part of parts) {
    if (part.begin) open.push(KINDS[part.begin].create());
    else if (part.end) open.splice(open.findLastIndex(({ type }) => type === KINDS[part.end]), 1);
    else if (part.type === "break") add(n.hard_break.create());
    else if (part.type === "image") add(n.image.create({ src: part.address, alt: part.alt }));
    else if (part.type === "link") out.push(...inline(part.inner, part.isBare ? open : [...open, m.link.create({ href: part.address })]));
    else if (part.text) add(schema.text(part.text), part.type === "code" ? [m.code_text.create()] : []);
  }
  return out;
}
