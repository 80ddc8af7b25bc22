// A document as it can be written: what a reader would not get anyway, such as an empty paragraph, is left out.

import { Fragment } from "prosemirror-model";
import { atomsOf, nodesOf, tidied } from "./leaf.js";
import { schema } from "./schema.js";

const { nodes: n } = schema;
const tidy = new WeakMap();

/** The block without what cannot be written; null where nothing is left. */
export function tidyBlock(node) {
  if (!tidy.has(node)) tidy.set(node, tidyOnce(node));
  return tidy.get(node);
}

function tidyOnce(node) {
  switch (node.type) {
    case n.paragraph:
    case n.heading: {
      const inner = leaf(node);
      return inner.childCount ? inner : null;
    }
    case n.quote:
      return filled(node, tidyAll(node.children));
    case n.bullet_list:
    case n.ordered_list:
      return list(node);
    case n.table:
      return node.copy(Fragment.from(node.children.map((row) => row.copy(Fragment.from(row.children.map(leaf))))));
    case n.source:
      return node.textContent.trim() ? node : null;
    default:
      return node;
  }
}

const tidyAll = (nodes) => nodes.map(tidyBlock).filter(Boolean);

const filled = (node, children) => (children.length ? node.copy(Fragment.from(children)) : null);

const leaf = (node) => node.copy(Fragment.from(nodesOf(tidied(atomsOf(node.children)))));

function list(node) {
  const items = [];
  for (const item of node.children) {
    const children = tidyAll(item.children);
    // An item without words of its own is none: what is below it stands in its place.
    if (children[0]?.type === n.paragraph) items.push(item.copy(Fragment.from(children)));
    else if (children.length && isList(children[0])) items.push(...children[0].children);
    else if (children.length) items.push(n.item.create(null, [n.paragraph.create(), ...children]));
  }
  if (!items.length) return null;
  // Two paragraphs in an item need an empty line between them, and an empty line needs something to stand between.
  const isApart = items.some((item) => item.children.some((child, at) => at > 0 && child.type === n.paragraph));
  const canBeLoose = items.length > 1 || items[0].childCount > 1;
  const isTight = canBeLoose ? node.attrs.isTight && !isApart : true;
  return node.type.create({ ...node.attrs, isTight }, items);
}

export const isList = (node) => node.type === n.bullet_list || node.type === n.ordered_list;
