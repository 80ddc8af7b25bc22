// Markdown → editor → Markdown changes nothing, and what was not edited stays as it was.

import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { test } from "node:test";

import { Fragment } from "prosemirror-model";
import { nodesIn } from "../nodes.js";
import { readMarkdown } from "../read.js";
import { schema } from "../schema.js";
import { writeMarkdown } from "../write.js";
import { anything, dice, wellFormed } from "./generator.mjs";

/** Of texts in a run; `COUNT=20000 npm test` looks longer. */
const COUNT = Number(process.env.COUNT ?? 400);

const paragraph = (text) => schema.nodes.paragraph.create(null, [schema.text(text)]);
const withFirst = (doc, node) => doc.copy(doc.content.addToStart(node));

function texts() {
  const roll = dice(20261130);
  return Array.from({ length: COUNT }, (_, number) => (number % 2 ? anything(roll) : wellFormed(roll)));
}

/** The sample updates of the demo. */
async function samples() {
  const folder = new URL("../../../commands/demo/updates/", import.meta.url);
  return Promise.all((await readdir(folder)).map((name) => readFile(new URL(name, folder), "utf8")));
}

test("a text that is not edited stays as it is, to the last character", async () => {
  for (const text of [...texts(), ...(await samples()), "", "\n", " \n\n", "a\r\nb\r\n\r\nc\u2028d"]) {
    const loaded = readMarkdown(text);
    loaded.doc.check();
    assert.equal(writeMarkdown(loaded.doc, loaded), text);
    const parts = loaded.originals.map(({ gap, source }) => gap + source).join("") + loaded.end;
    assert.equal(parts, text, "the blocks and what stands between them are the whole text");
  }
});

test("what is not edited stays as it was when something else is", async () => {
  for (const text of [...texts(), ...(await samples())]) {
    const loaded = readMarkdown(text);
    const written = writeMarkdown(withFirst(loaded.doc, paragraph("Davor.")), loaded);
    const before = loaded.originals[0]?.gap ?? "";
    const expected = loaded.originals.length ? `${before}Davor.\n\n${text.slice(before.length)}` : `Davor.${text}`;
    assert.equal(written, expected);
  }
});

test("blocks that are shown as themselves can be written anew, and say the same", () => {
  let shown = 0;
  let all = 0;
  for (const text of texts()) {
    const { originals } = readMarkdown(text);
    const isShown = ({ node }) => node.type !== schema.nodes.source;
    all += originals.length;
    shown += originals.filter(isShown).length;
    // Two numbered lists beside each other are one: the editor joins them (normalize.js).
    const isNumbered = (node) => node?.type === schema.nodes.ordered_list;
    const nodes = originals.filter(isShown).map(({ node }) => node);
    const apart = nodes.filter((node, at) => !(isNumbered(node) && isNumbered(nodes[at - 1])));
    if (!apart.length) continue;
    // Without the originals everything is written anew.
    const anew = writeMarkdown(schema.nodes.doc.create(null, apart), { ...readMarkdown(""), originals: [] });
    // A block of fields has no node of its own in what is read.
    assert.deepEqual(nodesIn(anew).map((node) => String(node ?? "card")), apart.map(String), `${JSON.stringify(text)}\n${JSON.stringify(anew)}`);
  }
  assert.ok(shown / all > 0.9, `only ${shown} of ${all} blocks are shown as what they are`);
});

test("what is typed as text is read as that text, whatever signs are in it", () => {
  const roll = dice(7);
  for (let number = 0; number < COUNT; number++) {
    const typed = anything(roll).replace(/[\n\t]|:::/g, "").trim();
    if (!typed || /^•\s/.test(typed)) continue;
    const loaded = readMarkdown("Davor.\n\n- eins\n- zwei");
    const doc = loaded.doc.copy(loaded.doc.content.addToEnd(paragraph(typed)));
    const written = writeMarkdown(doc, loaded);
    assert.equal(String(nodesIn(written).at(-1)), String(paragraph(typed)), JSON.stringify([typed, written]));
    assert.ok(written.startsWith("Davor.\n\n- eins\n- zwei\n\n"), written);
  }
});

test("only what was edited is written anew, and what was changed back is as it was", () => {
  const text = "\nWir _bringen_ mit:\n* Kuchen\n* Tee\n\n\n__Bitte__ anmelden.\n\n**eins\n\nzwei** drei\n";
  const loaded = readMarkdown(text);
  const { doc } = loaded;
  const changed = doc.copy(doc.content.replaceChild(0, paragraph("Ihr bringt mit:")));
  assert.equal(writeMarkdown(changed, loaded), text.replace("Wir _bringen_ mit:", "Ihr bringt mit:"));
  const back = changed.copy(changed.content.replaceChild(0, schema.nodeFromJSON(doc.firstChild.toJSON())));
  assert.equal(writeMarkdown(back, loaded), text);
  const last = doc.copy(doc.content.replaceChild(doc.childCount - 1, paragraph("Ende")));
  assert.equal(writeMarkdown(last, loaded), text.replace("**eins\n\nzwei** drei", "**eins**\n\nEnde"), "bold over both is now bold in one");
  const empty = doc.copy(doc.content.addToEnd(schema.nodes.paragraph.create()));
  assert.equal(writeMarkdown(empty, loaded), text, "an empty line at the end is nothing to save");
});

test("what Markdown has no way to write changes nothing beside it", () => {
  const { ordered_list: list, item } = schema.nodes;
  const loaded = readMarkdown("_eins_\n\nzwei\n");
  const one = list.create(null, [item.create(null, [paragraph("Anmelden")])]);
  assert.equal(writeMarkdown(loaded.doc.copy(loaded.doc.content.addToEnd(one)), loaded), "_eins_\n\nzwei\n\n1. Anmelden\n");
  const bold = schema.nodes.paragraph.create(null, [schema.text("Werk"), schema.text("statt", [schema.marks.strong.create()])]);
  assert.equal(writeMarkdown(loaded.doc.copy(loaded.doc.content.addToEnd(bold)), loaded), "_eins_\n\nzwei\n\n**Werkstatt**\n");
});

test("signs beside an address are written so that they are none of it", () => {
  const written = (text) => writeMarkdown(schema.nodes.doc.create(null, [paragraph(text)]), readMarkdown(""));
  assert.equal(written("https://example.org/a![b](c) d"), "https://example.org/a![b\\](c) d");
  assert.equal(written("*https://example.org/* a*"), "\\*https://example.org/* a\\*");
  assert.equal(written("**https://example.org/** a"), "\\*\\*https://example.org/** a");
  assert.equal(written("https://example.org/**a https://example.org/b**"), "<https://example.org/>\\*\\*a <https://example.org/b>\\*\\*");
  assert.equal(written("\\# keine Überschrift"), "\\\\# keine Überschrift");
});

test("what depends on its neighbours stays as it is when another part is edited", () => {
  // A list that begins anew is none among others, and one by itself.
  const text = "1. eins\n2. zwei\n\n1. eins\n2. zwei *und\n\n*drei*";
  const loaded = readMarkdown(text);
  assert.equal(writeMarkdown(withFirst(loaded.doc, paragraph("Davor.")), loaded), `Davor.\n\n${text}`);
});

test("blocks of fields stand in it as cards, and those that hold something else as their Markdown", () => {
  const form = "::: termin\nTitel: Werkstatt\nDatum: 16.12.2026\n:::";
  const at = (form) => readMarkdown(`Davor.\n\n${form}\n\nDanach.`).doc.child(1);
  assert.equal(at(form).type, schema.nodes.card);
  assert.equal(at(form).attrs.markdown, form);
  for (const odd of [form.replace("Datum", "Wann"), form.replace("Datum", "Titel"), "::: bild\nAdresse: https://x.example/a.png\nPlatz: mitte\n:::"]) {
    assert.equal(at(odd).type, schema.nodes.source);
    assert.equal(at(odd).textContent, odd);
  }
});

test("a card that is changed takes its new fields along and leaves all else as it was", () => {
  const text = "*eins*\n\n::: termin\nTitel: Werkstatt\nDatum: 16.12.2026\n:::\n\n_zwei_\n";
  const loaded = readMarkdown(text);
  const changed = "::: termin\nTitel: Fest\nDatum: 18. Juni 2027\n:::";
  const card = schema.nodes.card.create({ markdown: changed });
  const { doc } = loaded;
  const other = doc.copy(Fragment.from(doc.children.map((node) => (node.type === schema.nodes.card ? card : node))));
  assert.equal(writeMarkdown(other, loaded), text.replace(/::: termin[^]*:::/, changed));
});
