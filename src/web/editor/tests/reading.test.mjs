// The reader of the editor and the one of the service read a text as the same. The service's test writes the snapshot.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";

import { reading } from "../dialect/reading.js";

const SNAPSHOT = "../../../mail/markdown/snapshots/rundbrief__mail__markdown__readings__the_editor_of_the_pages_knows_what_a_text_is_read_as.snap";

test("a text is read as the service reads it", async () => {
  const snapshot = await readFile(new URL(SNAPSHOT, import.meta.url), "utf8");
  const lines = snapshot.split("\n").filter((line) => line.startsWith("["));
  assert.ok(lines.length > 300, "the snapshot was found");
  for (const line of lines) {
    const [text, steps] = JSON.parse(line);
    assert.deepEqual(reading(text), steps, JSON.stringify(text));
  }
});
