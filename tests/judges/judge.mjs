// Lets every judge look at every mail of a folder, prints a table, and ends with 1 when one has something against a mail: a
// score above 0, or a complaint that is not in exceptions.mjs.
//
//   node judge.mjs FOLDER_OF_EML WORK_FOLDER

import { mkdirSync, readdirSync, rmSync } from "node:fs";
import { basename, join, resolve } from "node:path";

import { exceptions } from "./exceptions.mjs";
import { htmlPart, htmlValidate, vnu } from "./html.mjs";
import { rspamd, spamassassin } from "./spam.mjs";

const [mails, work] = process.argv.slice(2).map((path) => resolve(path));
const files = readdirSync(mails).filter((name) => name.endsWith(".eml")).sort().map((name) => join(mails, name));
if (files.length === 0) throw new Error(`no mails in ${mails}`);
const folder = (name) => {
  mkdirSync(join(work, name), { recursive: true });
  return join(work, name);
};
rmSync(join(work, "html"), { recursive: true, force: true });
const pages = files.map(htmlPart);
const judges = [
  ["SpamAssassin", spamassassin(files)],
  // Its data stays: it keeps what it has compiled.
  ["rspamd", await rspamd(files, folder("rspamd"))],
  ["html-validate", await htmlValidate(pages)],
  ["vnu", vnu(pages, folder("html"))],
];

const used = new Set();
const exception = (judge, rule) =>
  exceptions.find((one) => one.judge === judge && (one.rule instanceof RegExp ? one.rule.test(rule) : one.rule === rule));
const problems = [];
/** The score, or the number of complaints that nobody has excepted. */
function cell(judge, name, verdict) {
  const left = verdict.complaints.filter(({ rule }) => {
    const found = exception(judge, rule);
    if (found) used.add(found);
    return !found;
  });
  problems.push(...left.map(({ text }) => `${name}: ${judge}: ${text}`));
  if (verdict.score === undefined) return String(left.length);
  // Without the sign of -0.00.
  if (verdict.score > 0) problems.push(`${name}: ${judge}: a score of ${verdict.score}`);
  return (Math.round(verdict.score * 1000) / 1000 || 0).toFixed(3);
}

const rows = files.map((file, at) => {
  const name = basename(file, ".eml");
  return [name, ...judges.map(([judge, verdicts]) => (verdicts ? cell(judge, name, verdicts[at]) : "not asked"))];
});
const table = [["mail", ...judges.map(([judge]) => judge)], ...rows];
const widths = table[0].map((_, column) => Math.max(...table.map((row) => row[column].length)));
const line = (row) => `| ${row.map((text, at) => (at ? text.padStart(widths[at]) : text.padEnd(widths[at]))).join(" | ")} |`;
console.log(line(table[0]));
console.log(`|${widths.map((width, at) => (at ? `${"-".repeat(width + 1)}:` : "-".repeat(width + 2))).join("|")}|`);
for (const row of rows) console.log(line(row));
console.log("\nSpamAssassin and rspamd: the score (local rules; spam is 5 and more). html-validate and vnu: complaints not excepted.");

const missing = judges.filter(([, verdicts]) => !verdicts).map(([judge]) => judge);
if (missing.length > 0) console.log(`NOT asked, because not installed here: ${missing.join(", ")}`);
for (const one of exceptions) {
  if (!used.has(one) && !missing.includes(one.judge)) problems.push(`exceptions.mjs: no complaint needs this any more: ${one.judge} ${one.rule}`);
}
if (problems.length > 0) {
  console.error(`\n${problems.length} to mend:\n${[...new Set(problems)].join("\n")}`);
  process.exit(1);
}
console.log(`Nothing to mend in ${files.length} mails.`);
