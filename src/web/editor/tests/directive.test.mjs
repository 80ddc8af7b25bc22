// Blocks of fields: read as the service reads them, and written so that they are read as what was filled in.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { runInNewContext } from "node:vm";

import { KINDS, WORDS, lacking, readDirective } from "../dialect/directive.js";

test("the words are those of the service", async () => {
  const rust = await readFile(new URL("../../../mail/markdown/vocabulary.rs", import.meta.url), "utf8");
  const [kinds, keys] = rust.split("impl Key {");
  const listed = (text, pattern) => Object.fromEntries([...text.matchAll(pattern)].map(([, name, list]) => [name.toLowerCase(), [...list.matchAll(/"([^"]+)"|Key::(\w+)/g)].map((found) => (found[1] ?? found[2]).toLowerCase())]));
  const part = (name) => kinds.slice(kinds.indexOf(`fn ${name}(`)).split("\n    }\n")[0];
  const lists = /Self::(\w+) => (?:\{\s*)?&\[([^\]]*)\]/g;
  const own = (what) => Object.fromEntries(Object.entries(KINDS).map(([kind, has]) => [kind, has[what]]));
  assert.deepEqual(listed(part("words"), lists), own("words"));
  assert.deepEqual(listed(part("keys"), lists), own("keys"));
  assert.deepEqual(listed(part("needs"), lists), own("needs"));
  assert.deepEqual(listed(keys, lists), WORDS);
  const withText = Object.keys(KINDS).filter((kind) => KINDS[kind].hasText);
  assert.deepEqual([...part("has_text").matchAll(/Self::(\w+)/g)].map(([, name]) => name.toLowerCase()), withText);
});

test("what a block says is known by its fields, in either language", () => {
  const quote = readDirective("::: Zitat\nText: Das war gut.\n\nSehr: gut.\nName: Maria\nFunktion: Leiterin\n:::");
  assert.deepEqual(quote.values, { text: "Das war gut.\n\nSehr: gut.", name: "Maria", role: "Leiterin" });
  const picture = readDirective("::: picture\nAddress: https://x.example/a.png\nPosition: Left\n:::");
  assert.deepEqual(lacking(picture), ["description", "text"]);
  assert.equal(readDirective("::: irgendwas\nTitel: x\n:::"), null);
  assert.equal(readDirective("::: knopf\nText: a\nnoch etwas\n:::"), null);
  assert.equal(readDirective("::: bild\nAdresse: https://x.example/a.png\nein Text, der nirgends steht\n:::"), null);
});

test("what is filled into the form comes back from the text", async () => {
  const source = await readFile(new URL("../../assets/staff-dialogs.js", import.meta.url), "utf8");
  const blockText = source.slice(source.indexOf("function blockText"), source.indexOf("const status"));
  const write = runInNewContext(`${blockText}; blockText`);
  for (const text of ["eins", "eins\nzwei: drei", "a\nName: niemand\n:::\n::: termin\nhttps://example.org", "eins\n\n- zwei\n- drei"]) {
    const written = write("::: zitat", [["Text", text], ["Name", "Maria"], ["Rolle", ""]]);
    assert.deepEqual(readDirective(written).values, { text, name: "Maria" }, written);
    // Nothing in it begins or ends a block.
    assert.equal(written.split("\n").filter((line) => /^\s*:{3}/.test(line)).length, 2, written);
  }
});
