// What buttons and keys make of a text, and what is put right behind them.

import assert from "node:assert/strict";
import { test } from "node:test";
import { EditorState, TextSelection } from "prosemirror-state";
import { addColumnAfter, addRowBefore, deleteRow } from "prosemirror-tables";

import { doing, lineBreak } from "../commands.js";
import { readMarkdown } from "../read.js";
import { normalizing } from "../normalize.js";
import { writeMarkdown } from "../write.js";

/** A text with a selection from the first "‹" to the "›", or the cursor at the first "‹". */
function opened(markdown) {
  const loaded = readMarkdown(markdown);
  let state = EditorState.create({ doc: loaded.doc, plugins: [normalizing] });
  const places = [];
  state.doc.descendants((node, pos) => {
    for (const { index } of (node.isText ? node.text : "").matchAll(/[‹›]/g)) places.push(pos + index);
  });
  const [from, to = from] = places;
  const tr = state.tr;
  if (to !== from) tr.delete(to, to + 1);
  tr.delete(from, from + 1);
  state = state.apply(tr.setSelection(TextSelection.create(tr.doc, from, to === from ? from : to - 1)));
  const does = (command) => {
    command(state, (tr) => (state = state.apply(tr)), { get state() { return state; } });
    return self;
  };
  const self = { does, types: (text) => does((state, dispatch) => dispatch(state.tr.insertText(text))), get markdown() { return writeMarkdown(state.doc, loaded); } };
  return self;
}

test("bold within a word is bold over the word, and at its beginning it may be a part", () => {
  const bold = (text) => opened(text).does(doing.bold.run).markdown;
  assert.equal(bold("Die Werk‹statt› kommt."), "Die **Werkstatt** kommt.");
  assert.equal(bold("Die ‹Werk›statt kommt."), "Die **Werk**statt kommt.");
  assert.equal(bold("Die ‹Werkstatt› kommt."), "Die **Werkstatt** kommt.");
  assert.equal(opened("Die **Werkstatt**‹ kommt.").types("en").markdown, "Die **Werkstatten** kommt.");
});

test("a heading, a list and a quote are made and taken away again", () => {
  const twice = (text, name) => [1, 2].map((times) => Array(times).fill(doing[name].run).reduce((text, run) => text.does(run), opened(text)).markdown);
  assert.deepEqual(twice("Ein‹s", "heading"), ["## Eins", "Eins"]);
  assert.deepEqual(twice("Ein‹s", "list"), ["- Eins", "Eins"]);
  assert.deepEqual(twice("Ein‹s", "quote"), ["> Eins", "Eins"]);
  assert.equal(opened("- ei‹ns\n- zwei").does(doing.numbers.run).markdown, "1. eins\n2. zwei");
  assert.equal(opened("- ei‹ns\n- zwei").does(doing.heading.run).markdown, "## eins\n\n- zwei");
});

test("lists that come to stand behind each other are one", () => {
  assert.equal(opened("1. eins\n2. zwei\n\nDrei‹\n\n1. vier\n2. fünf").does(doing.numbers.run).markdown, "1. eins\n2. zwei\n3. Drei\n4. vier\n5. fünf");
});

test("a second line break in a row is a new paragraph", () => {
  const once = opened("Eins‹zwei").does(lineBreak);
  assert.equal(once.markdown, "Eins\nzwei");
  assert.equal(once.does(lineBreak).markdown, "Eins\n\nzwei");
});

test("a table keeps its head, its shape and its alignments", () => {
  const table = "| a | b |\n| --- | --: |\n| 1‹ | 2 |";
  assert.equal(opened(table).does(addColumnAfter).markdown, "| a |  | b |\n| --- | --- | --: |\n| 1 |  | 2 |");
  assert.equal(opened(table).does(addRowBefore).markdown, "| a | b |\n| --- | --: |\n|  |  |\n| 1 | 2 |");
  assert.equal(opened("| a‹ | b |\n| --- | --: |\n| 1 | 2 |").does(deleteRow).markdown, "| 1 | 2 |\n| --- | --: |");
  assert.equal(opened("Davor.‹").does(doing.table.run).types("Ort").markdown, "Davor.\n\n| Ort |  |\n| --- | --- |\n|  |  |\n|  |  |");
});
