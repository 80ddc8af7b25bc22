// Markdown that something else brings (a paste, a picture, a button of the toolbar), put where the cursor is.

import { Fragment, Slice } from "prosemirror-model";
import { closeHistory } from "prosemirror-history";
import { Selection, TextSelection } from "prosemirror-state";
import { isInTable } from "prosemirror-tables";
import { readMarkdown } from "./read.js";
import { schema } from "./schema.js";

const { paragraph, source, card, hard_break: lineBreak } = schema.nodes;

/** Puts a text in the place of what is selected, as what it says. */
export function insertMarkdown(view, markdown) {
  const { state } = view;
  const tr = state.tr;
  const { from, to, $from } = state.selection;
  const blocks = readMarkdown(markdown).originals.map(({ node }) => node);
  const [first] = blocks;
  const put = (nodes) => tr.replaceSelection(new Slice(Fragment.from(nodes), 0, 0));
  const isForm = blocks.length === 1 && (first.type === card || first.type === source);
  if ($from.parent.type.spec.code) tr.insertText(markdown);
  else if (!first) return;
  else if (isForm && isInTable(state)) putBehind(tr, $from.after(1), first);
  else if (isInTable(state)) put(oneLine(blocks));
  else if (blocks.length === 1 && first.type === paragraph && !isOwnLine(markdown)) {
    // Blanks at its edges belong to what is pasted between two words.
    put([...blanks(/^ +/.exec(markdown)?.[0]), ...first.children, ...blanks(/ +$/.exec(markdown)?.[0])]);
  } else {
    // What is selected stays beside a block of fields: nothing in it is that text.
    tr.replaceRange(isForm ? to : from, to, new Slice(Fragment.from(blocks), 0, 0));
    goOnBehind(tr, markdown.endsWith("\n\n"));
  }
  if (first?.type === source) toFirstGap(tr, first);
  view.dispatch(closeHistory(tr).scrollIntoView());
}

/** A block of its own, with a place to go on behind it. */
function putBehind(tr, pos, block) {
  goOnAt(tr.insert(pos, block), pos + block.nodeSize);
}

/** To the place behind a block that ends there, which there always is. */
export function goOnAt(tr, end) {
  if (end === tr.doc.content.size) tr.insert(end, paragraph.create());
  return tr.setSelection(Selection.near(tr.doc.resolve(end), 1));
}

/** To the end of what was put there, or to the paragraph behind it. */
function goOnBehind(tr, isOver) {
  let end = tr.selection.to;
  tr.mapping.maps.at(-1)?.forEach((_, __, ___, behind) => (end = behind));
  if (isOver && end >= tr.doc.content.size) tr.insert(tr.doc.content.size, paragraph.create());
  tr.setSelection(Selection.near(tr.doc.resolve(Math.min(end, tr.doc.content.size)), isOver ? 1 : -1));
}

/** To the first field of a form that is still empty. */
function toFirstGap(tr, form) {
  const gap = /:[ \t]*$/m.exec(form.textContent.replace(/^.*/, (line) => " ".repeat(line.length)));
  tr.doc.forEach((node, pos) => {
    if (gap && node === form) tr.setSelection(TextSelection.create(tr.doc, pos + 1 + gap.index + gap[0].length));
  });
}

// What stands on lines of its own is a block of its own.
const isOwnLine = (markdown) => /^\n|\n\n$/.test(markdown);

const blanks = (text) => (text ? [schema.text(text)] : []);

/** The words of blocks with breaks between them, for the cell of a table. */
function oneLine(blocks) {
  const out = [];
  const add = (node) => {
    if (!node.isTextblock) return node.children.forEach(add);
    if (out.length && node.childCount) out.push(lineBreak.create());
    out.push(...(node.type.spec.code ? blanks(node.textContent.replace(/\n/g, " ")) : node.children));
  };
  blocks.forEach(add);
  return out;
}
