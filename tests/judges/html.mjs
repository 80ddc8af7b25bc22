// The HTML checkers: html-validate and vnu, the Nu Html Checker of the W3C's validator.

import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { HtmlValidate } from "html-validate";
import vnuJar from "vnu-jar";

/** The HTML part of a mail, as its readers' programs see it. */
export function htmlPart(file) {
  const source = readFileSync(file, "latin1");
  const boundary = /^Content-Type: multipart\/alternative;\s+boundary="([^"]+)"/m.exec(source)[1];
  const part = source.split(`--${boundary}\r\n`).find((text) => text.startsWith("Content-Type: text/html; charset=utf-8\r\n"));
  const body = part.slice(part.indexOf("\r\n\r\n") + 4).split(`--${boundary}--`)[0];
  const bytes = body.replaceAll("=\r\n", "").replace(/=([0-9A-F]{2})/g, (_, hex) => String.fromCharCode(parseInt(hex, 16)));
  return Buffer.from(bytes, "latin1").toString("utf8");
}

/** What html-validate says of each HTML. */
export async function htmlValidate(pages) {
  const checker = new HtmlValidate({ extends: ["html-validate:recommended", "html-validate:document"], root: true });
  const verdicts = [];
  for (const html of pages) {
    const { results } = await checker.validateString(html);
    const messages = results.flatMap((result) => result.messages);
    verdicts.push({ complaints: messages.map(({ ruleId, message, line }) => ({ rule: ruleId, text: `${ruleId}: ${message} (line ${line})` })) });
  }
  return verdicts;
}

/** The same of vnu, which has no names for its rules: they are its words. */
export function vnu(pages, folder) {
  const files = pages.map((html, at) => {
    const file = join(folder, `${at}.html`);
    writeFileSync(file, html);
    return file;
  });
  const ran = spawnSync("java", ["-Xss2m", "-jar", vnuJar, "--exit-zero-always", "--format", "json", "--stdout", ...files], {
    encoding: "utf8",
    maxBuffer: 1 << 28,
  });
  if (ran.error || ran.status !== 0) throw new Error(`vnu: ${ran.error ?? ran.stderr}`);
  const verdicts = pages.map(() => ({ complaints: [] }));
  for (const { url, message, lastLine } of JSON.parse(ran.stdout).messages) {
    const at = files.indexOf(fileURLToPath(url));
    if (at < 0) throw new Error(`vnu: ${message}`);
    verdicts[at].complaints.push({ rule: message, text: `${message} (line ${lastLine ?? "?"})` });
  }
  return verdicts;
}
