// What is put right after each change, so that what is seen can be written as Markdown.

import { Plugin } from "prosemirror-state";
import { Decoration, DecorationSet } from "prosemirror-view";
import { nodes as partsOf } from "./dialect/inline.js";
import { atomsOf, nodesOf, wholeWords } from "./leaf.js";
import { schema } from "./schema.js";
import { isList } from "./tidy.js";
import { isWritable } from "./write_block.js";

const { nodes: n, marks: m } = schema;

export const normalizing = new Plugin({
  appendTransaction(transactions, old, state) {
    if (!transactions.some((tr) => tr.docChanged)) return null;
    const tr = state.tr;
    const isComposing = transactions.some((tr) => tr.getMeta("composition") !== undefined);
    if (!isComposing) wordsAreWhole(tr, old.doc);
    tablesAreWhole(tr);
    listsAreJoined(tr, old.doc);
    if (tr.doc.lastChild.type !== n.paragraph) tr.insert(tr.doc.content.size, n.paragraph.create());
    return tr.docChanged ? tr.setStoredMarks(state.storedMarks) : null;
  },
});

/** Within a word most signs of Markdown are none: what is bold there is bold over the whole word. */
function wordsAreWhole(tr, old) {
  const before = new Set();
  old.descendants((node) => void (node.isTextblock && before.add(node)));
  const places = [];
  tr.doc.descendants((node, pos, parent) => {
    if (!node.isTextblock || node.type.spec.code || before.has(node)) return;
    const isCell = node.type === n.table_cell || node.type === n.table_header;
    const place = isCell ? "cell" : node.type === n.heading ? "heading" : parent.type === n.doc ? "outer" : "inner";
    if (!isWritable(node, place)) places.push({ node, pos });
  });
  for (const { node, pos } of places) {
    let at = pos + 1;
    for (const inner of nodesOf(wholeWords(atomsOf(node.children)))) {
      for (const mark of inner.marks) if (mark.type !== m.link) tr.addMark(at, at + inner.nodeSize, mark);
      at += inner.nodeSize;
    }
  }
}

/** The first row is the head, every row has as many cells, and a column has one alignment: that of its head. */
function tablesAreWhole(tr) {
  const tables = [];
  tr.doc.descendants((node, pos) => {
    if (node.type === n.table) tables.push({ node, pos });
    return !node.isTextblock;
  });
  for (const { node, pos } of tables.reverse()) {
    const columns = Math.max(...node.children.map((row) => row.childCount));
    const rows = node.children.map((row, number) => {
      const type = number ? n.table_cell : n.table_header;
      const cell = (column) => type.create({ align: node.firstChild.maybeChild(column)?.attrs.align ?? null }, row.maybeChild(column)?.content);
      return n.table_row.create(null, Array.from({ length: columns }, (_, column) => cell(column)));
    });
    const whole = n.table.create(null, rows);
    if (!whole.eq(node)) replaceSame(tr, pos, node, whole);
  }
}

/** Replaces only the cells that differ, so that the cursor stays where it is. */
function replaceSame(tr, pos, table, whole) {
  const isSameShape = table.children.every((row, at) => row.childCount === whole.child(at).childCount);
  if (!isSameShape) return tr.replaceWith(pos, pos + table.nodeSize, whole);
  table.descendants((cell, offset, row, column) => {
    if (row.type !== n.table_row) return true;
    const wanted = whole.child(table.children.indexOf(row)).child(column);
    if (!cell.hasMarkup(wanted.type, wanted.attrs, cell.marks)) tr.setNodeMarkup(pos + 1 + offset, wanted.type, wanted.attrs);
    return false;
  });
}

/** Two numbered lists that come to stand behind each other would be read as one, or as none. */
function listsAreJoined(tr, old) {
  const places = [];
  const stood = new Set();
  old.descendants((node) => void (isList(node) && stood.add(node)));
  tr.doc.descendants((node, pos, parent, index) => {
    const before = index ? parent.child(index - 1) : null;
    if (isList(node) && before?.type === node.type && !(stood.has(node) && stood.has(before))) places.push(pos);
    return !node.isTextblock;
  });
  for (const pos of places.reverse()) tr.join(pos);
}

/** Addresses that are links by themselves look like some; an empty text says what to do. */
export function looks(placeholder) {
  return new Plugin({
    props: {
      decorations: ({ doc }) => {
        const out = [];
        if (doc.childCount === 1 && doc.firstChild.type === n.paragraph && !doc.firstChild.childCount) {
          out.push(Decoration.node(0, doc.firstChild.nodeSize, { class: "empty", "data-placeholder": placeholder }));
        }
        doc.descendants((node, pos) => {
          if (!node.isText) return !node.type.spec.code;
          if (/www\.|https?:|@/i.test(node.text) && !m.link.isInSet(node.marks) && !m.code_text.isInSet(node.marks)) out.push(...bareLinks(node.text, pos));
          return false;
        });
        return DecorationSet.create(doc, out);
      },
    },
  });
}

function bareLinks(text, pos) {
  const out = [];
  let at = 0;
  for (const part of partsOf(text, false)) {
    if (part.type !== "link" || !part.isBare) continue;
    const [{ text: shown }] = part.inner;
    at = text.indexOf(shown, at);
    out.push(Decoration.inline(pos + at, pos + at + shown.length, { class: "bare-link" }));
    at += shown.length;
  }
  return out;
}
