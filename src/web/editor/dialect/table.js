// Tables. As in src/mail/markdown/table.rs.

import { trim } from "./characters.js";

const PADDED = 32;

export const begins = (lines, at) => lines[at].includes("|") && at + 1 < lines.length && alignments(lines[at + 1]) !== null;

/** The table that begins there, and the line behind it. */
export function read(lines, at) {
  const columnsOf = alignments(lines[at + 1]) ?? [];
  let end = at + 2;
  while (end < lines.length && lines[end].includes("|")) end += 1;
  const rows = [lines[at], ...lines.slice(at + 2, end)].map(cells);
  const columns = Math.max(...rows.map((row) => row.length));
  for (const row of rows) while (row.length < Math.min(columns, PADDED)) row.push("");
  while (columnsOf.length < columns) columnsOf.push(null);
  columnsOf.length = columns;
  const leaves = rows.map((row) => row.map((text) => ({ text, isCell: true })));
  return { block: { type: "table", alignments: columnsOf, rows: leaves }, end };
}

function alignments(text) {
  if (!text.includes("|")) return null;
  const found = cells(text).map((cell) => {
    const [, left, right] = /^(:?)-+(:?)$/.exec(cell) ?? [];
    if (left === undefined) return undefined;
    return left && right ? "center" : left ? "left" : right ? "right" : null;
  });
  return found.includes(undefined) ? null : found;
}

/** The cells of a row. A `\|` is a character of its cell. */
function cells(text) {
  let row = trim(text).replace(/^\|/, "");
  if (row.endsWith("|") && !row.endsWith("\\|")) row = row.slice(0, -1);
  const out = [""];
  let isEscaped = false;
  for (const c of row) {
    if (c === "|" && !isEscaped) out.push("");
    else out[out.length - 1] += c;
    isEscaped = c === "\\" && !isEscaped;
  }
  return out.map(trim);
}
