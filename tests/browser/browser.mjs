// The browser: Debian's Chromium, without a network of its own.

import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

import { limit } from "./slowness.mjs";

const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** Starts it. */
export function launch() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM || "/usr/bin/chromium",
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
}

/** A page of the browser's own, closed when the work is done. */
export async function withPageOf(browser, options, work) {
  const context = await browser.newContext({ reducedMotion: "reduce", ...options });
  context.setDefaultTimeout(limit(30_000));
  try {
    return await work(await context.newPage());
  } finally {
    await context.close();
  }
}

/** A picture of what is seen of a page, as WebP: a quarter of what the same takes as PNG. */
export async function picture(page, file) {
  const session = await page.context().newCDPSession(page);
  const { data } = await session.send("Page.captureScreenshot", { format: "webp", quality: 80 });
  await session.detach();
  await writeFile(file, Buffer.from(data, "base64"));
}

/** Everything that axe finds against WCAG 2.2 AA and good practice, one line a finding. */
export async function findings(page) {
  if (await page.evaluate(() => !globalThis.axe)) await page.evaluate(axe);
  const { violations } = await page.evaluate(() =>
    globalThis.axe.run(document, {
      runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
      // What passes is of no use here; it need not be put together.
      resultTypes: ["violations"],
    }),
  );
  return violations.flatMap(({ id, help, nodes }) =>
    nodes.map(({ html, failureSummary }) => `${id}: ${help}\n  ${html}\n  ${failureSummary}`),
  );
}

/**
 * What holds of every page: axe finds nothing, it fits the window, a finger hits every place to press, and it says its
 * language and what it is.
 */
export async function isForEveryone(page, what, { lang, width }) {
  assert.deepEqual(await findings(page), [], what);
  assert.deepEqual(await tooSmall(page), [], what);
  const wide = await page.evaluate(() => document.documentElement.scrollWidth);
  assert.ok(wide <= width, `${what} is ${wide} px wide`);
  assert.equal(await page.evaluate(() => document.documentElement.lang), lang, what);
  assert.equal(await page.locator("h1").count(), 1, what);
}

/** What is hard to hit with a finger (WCAG 2.2, 2.5.8). A link in a sentence is as high as its line, and may be. */
function tooSmall(page) {
  return page.locator("a:visible, button:visible, input:visible, select:visible, summary:visible").evaluateAll((all) =>
    all
      .filter((element) => !(element.matches("a") && element.parentElement.matches("p, dd, li")))
      .filter((element) => !element.closest("[aria-hidden=true]"))
      .map((element) => [element.outerHTML, element.getBoundingClientRect()])
      .filter(([, box]) => box.width > 1 && (box.width < 24 || box.height < 24))
      .map(([html]) => html),
  );
}

/** Presses Tab until an element that fits the selector has the focus. On the way nothing that has it may be hidden. */
export async function tabTo(page, selector) {
  for (let presses = 0; presses < 120; presses++) {
    await page.keyboard.press("Tab");
    assert.ok(await page.evaluate(isFocusSeen), `what has the focus is hidden: ${await focused(page)} on ${page.url()}`);
    if (await page.locator(`${selector}:focus`).count()) return;
  }
  throw new Error(`${selector} is not reached with the Tab key on ${page.url()}`);
}

const focused = (page) => page.evaluate(() => document.activeElement.outerHTML.slice(0, 200));

/** In the page: whether some of what has the focus is seen, and not all of it covered (WCAG 2.2, 2.4.11). */
function isFocusSeen() {
  const element = document.activeElement;
  // In the frame of a mail its links have the focus.
  if (element === document.body || element.matches("iframe")) return true;
  const { left, top, right, bottom } = (element.labels?.[0] ?? element).getBoundingClientRect();
  const points = [0.1, 0.5, 0.9].flatMap((x) => [0.1, 0.5, 0.9].map((y) => [left + (right - left) * x, top + (bottom - top) * y]));
  return points.some(([x, y]) => {
    const seen = document.elementFromPoint(x, y);
    return seen && (element.contains(seen) || element.labels?.[0]?.contains(seen));
  });
}
