// What the buttons, the keys and the menu of blocks do.

import { chainCommands, exitCode, lift, setBlockType, splitBlock, toggleMark, wrapIn } from "prosemirror-commands";
import { closeHistory } from "prosemirror-history";
import { liftListItem, wrapInList } from "prosemirror-schema-list";
import { NodeSelection, TextSelection } from "prosemirror-state";
import { addRowAfter, goToNextCell, isInTable } from "prosemirror-tables";
import { changeCard } from "./card.js";
import { isList } from "./tidy.js";
import { schema } from "./schema.js";

const { nodes: n, marks: m } = schema;

/** The innermost block around the selection that is one of these: { node, pos, depth }, or null. */
export function around(state, is) {
  const { $from } = state.selection;
  for (let depth = $from.depth; depth > 0; depth--) {
    if (is($from.node(depth))) return { node: $from.node(depth), pos: $from.before(depth), depth };
  }
  return null;
}

const isIn = (type) => (state) => around(state, (node) => node.type === type) !== null;

function hasMark(type) {
  return ({ selection: { empty, from, to, $from }, doc, storedMarks }) =>
    empty ? type.isInSet(storedMarks ?? $from.marks()) !== undefined : doc.rangeHasMark(from, to, type);
}

/** A block type, or a paragraph where it is that already. Neither stands in a list. */
const block = (type, attrs) => (state, dispatch, view) => {
  const found = around(state, (node) => node.type === type);
  if (found && (!attrs || found.node.attrs.level === attrs.level)) return setBlockType(n.paragraph)(state, dispatch);
  if (around(state, isList)) {
    if (!liftListItem(n.item)(state, dispatch)) return false;
    return !view || block(type, attrs)(view.state, dispatch, view);
  }
  return setBlockType(type, attrs)(state, dispatch);
};

/** A list of this kind; where it is one of the other kind, that becomes this one; where it is this one, its text is none. */
const list = (type) => (state, dispatch) => {
  const found = around(state, isList);
  if (!found) return wrapInList(type)(state, dispatch);
  if (found.node.type === type) return liftListItem(n.item)(state, dispatch);
  if (dispatch) dispatch(state.tr.setNodeMarkup(found.pos, type, { isTight: found.node.attrs.isTight }));
  return true;
};

const quote = (state, dispatch) => (isIn(n.quote)(state) ? lift(state, dispatch) : wrapIn(n.quote)(state, dispatch));

/** Puts a block of its own where the cursor is; into an empty paragraph's place. */
function insertBlock(node, place) {
  return (state, dispatch) => {
    if (isInTable(state)) return false;
    if (dispatch) {
      const { $from, $to } = state.selection;
      const isEmpty = $from.depth === 1 && !$from.parent.childCount;
      const from = isEmpty ? $from.before() : $to.depth ? $to.after(1) : $to.pos;
      const tr = state.tr.replaceWith(from, isEmpty ? $from.after() : from, node);
      // Behind it there is always a place to go on.
      if (from + node.nodeSize === tr.doc.content.size) tr.insert(from + node.nodeSize, n.paragraph.create());
      dispatch(tr.setSelection(TextSelection.near(tr.doc.resolve(from + place))).scrollIntoView());
    }
    return true;
  };
}

function newTable() {
  const row = (type) => n.table_row.create(null, [type.create(), type.create()]);
  return n.table.create(null, [row(n.table_header), row(n.table_cell), row(n.table_cell)]);
}

/** A second break behind the first one is a new paragraph: Markdown has no other way to write it. */
function splitAtBreak(state, dispatch) {
  const { $from, empty } = state.selection;
  if (!empty || $from.nodeBefore?.type !== n.hard_break || isInTable(state)) return false;
  if (dispatch) dispatch(state.tr.delete($from.pos - 1, $from.pos).split($from.pos - 1).scrollIntoView());
  return true;
}

/** A line break, which in a cell of a table is what the Enter key makes. */
export const lineBreak = chainCommands(exitCode, splitAtBreak, (state, dispatch) => {
  const { $from } = state.selection;
  if (!$from.parent.type.contentMatch.matchType(n.hard_break)) return splitBlock(state, dispatch);
  if (dispatch) dispatch(state.tr.replaceSelectionWith(n.hard_break.create()).scrollIntoView());
  return true;
});

export const breakInCell = (state, dispatch) => isInTable(state) && lineBreak(state, dispatch);

/** The next cell; behind the last one of all, a new row. */
export const nextCell = chainCommands(goToNextCell(1), (state, dispatch, view) => {
  if (!isInTable(state)) return false;
  addRowAfter(state, dispatch);
  return !view || goToNextCell(1)(view.state, dispatch);
});

/** What the buttons with `data-do` do here: { run, isOn }. Those that are not among them write Markdown. */
export const doing = {
  bold: { run: toggleMark(m.strong), isOn: hasMark(m.strong) },
  italic: { run: toggleMark(m.em), isOn: hasMark(m.em) },
  strike: { run: toggleMark(m.strike), isOn: hasMark(m.strike) },
  heading: { run: block(n.heading, { level: 2 }), isOn: isIn(n.heading) },
  subheading: { run: block(n.heading, { level: 3 }) },
  list: { run: list(n.bullet_list), isOn: (state) => around(state, isList)?.node.type === n.bullet_list },
  numbers: { run: list(n.ordered_list), isOn: (state) => around(state, isList)?.node.type === n.ordered_list },
  quote: { run: quote, isOn: isIn(n.quote) },
  link: { run: link, isOn: hasMark(m.link) },
  table: { run: (state, dispatch) => insertBlock(newTable(), 3)(state, dispatch) },
  rule: { run: insertBlock(n.rule.create(), 1) },
};

/** An address as people write it, with what it is; and without what would end it in Markdown. */
function whole(address) {
  const plain = address.replace(/[\s<>()]/g, (c) => encodeURIComponent(c).replace(/[()]/g, (c) => `%${c.charCodeAt(0).toString(16)}`));
  if (/^[a-z][a-z0-9+.-]*:/i.test(plain)) return plain;
  return (/^[^\s@/]+@[^\s@/]+$/.test(plain) ? "mailto:" : "https://") + plain;
}

/** Asks where a link leads, and sets or changes it; without an address it takes it away. */
function link(state, dispatch, view) {
  const { selection } = state;
  if (!selection.$from.parent.type.allowsMarkType(m.link)) return false;
  if (!dispatch) return true;
  const { from, to, old } = linkedRange(state);
  const text = state.doc.textBetween(from, to, " ");
  globalThis.rundbriefDialogs.link(text, old).then((said) => {
    view.focus();
    if (said) view.dispatch(closeHistory(linked(view.state.tr, [from, to], text, said)).scrollIntoView());
  });
  return true;
}

function linked(tr, [from, to], old, { text, address }) {
  const mark = address && m.link.create({ href: whole(address) });
  const words = text || address.replace(/^(https?:\/\/|mailto:)/, "");
  if (words !== old) return tr.replaceWith(from, to, words ? schema.text(words, mark ? [mark] : []) : []);
  tr.removeMark(from, to, m.link);
  return mark ? tr.addMark(from, to, mark) : tr;
}

/** What is selected, or the whole link that the cursor stands in. */
function linkedRange({ selection, doc }) {
  const { from, to, $from } = selection;
  const mark = m.link.isInSet($from.marks()) ?? m.link.isInSet($from.nodeAfter?.marks ?? []);
  if (!mark || from !== to) return { from, to, old: mark?.attrs.href };
  let [start, end] = [from, to];
  doc.nodesBetween($from.start(), $from.end(), (node, pos) => {
    if (mark.isInSet(node.marks) && pos <= from && pos + node.nodeSize >= from) [start, end] = [pos, pos + node.nodeSize];
  });
  return { from: start, to: end, old: mark.attrs.href };
}

/** Asks for the description of a picture that is selected, or for the fields of a card. */
export function describe(state, dispatch, view) {
  const { selection } = state;
  if (!(selection instanceof NodeSelection) || ![n.image, n.card].includes(selection.node.type)) return false;
  if (!dispatch) return true;
  if (selection.node.type === n.card) {
    changeCard(view, selection.from);
    return true;
  }
  const { from, node } = selection;
  globalThis.rundbriefDialogs.alt(node.attrs.alt).then((told) => {
    view.focus();
    // Meanwhile something else may stand there.
    if (told && view.state.doc.nodeAt(from)?.eq(node)) view.dispatch(view.state.tr.setNodeAttribute(from, "alt", told.alt));
  });
  return true;
}
