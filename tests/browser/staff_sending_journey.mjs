// The way of a member of staff from an update to the report of its mailing.

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { press } from "./journey.mjs";
import { logIn } from "./staff_journey.mjs";
import { limit } from "./slowness.mjs";

let updates = 0;

/** Runs a command that reads a file with this text; answers what it prints. */
async function runWith(service, command, name, text, ...more) {
  const dir = await mkdtemp(join(tmpdir(), "rundbrief-file-"));
  const file = join(dir, name);
  await writeFile(file, text);
  const { stdout } = await service.run(...command, file, ...more);
  await rm(dir, { recursive: true });
  return stdout;
}

/** Brings in an update of its own, with a link that the check warns of; answers its id. */
export async function newUpdate(service, title = `Neues aus der Werkstatt ${process.pid}-${updates++}`) {
  const text = "Am Freitag öffnet die **Werkstatt** zum ersten Mal. Mehr steht [hier](https://example.org/).";
  const file = `---\ntitle: "${title}"\nteaser: Was in den letzten Wochen geschah.\n---\n\n${text}\n`;
  return JSON.parse(await runWith(service, ["updates", "add"], "update.md", file, "--json")).id;
}

/** Waits until a page that changes by itself, or is made anew by us, shows this. */
export async function until(page, selector, { reload = false } = {}) {
  for (let tries = 0; tries < limit(200); tries++) {
    if (await page.locator(selector).count()) return;
    if (reload) await page.reload();
    await page.waitForTimeout(100);
  }
  throw new Error(`${selector} did not come on ${page.url()}`);
}

/** Ticks what the check warns of, as somebody does who has read it, and sends. */
export async function sendToAll(page) {
  await page.check("#warnings");
  await press(page, ".button-send");
}

/** A mailing that takes its time, one mail a second: running, paused, going on, stopped for good. */
export async function* slowMailingPages(service, page, lang) {
  const people = Array.from({ length: 60 }, (_, n) => `p${n}.${updates}@example.org,2026-03-01,Messe\n`);
  await runWith(service, ["subscribers", "import"], "list.csv", `email,consented_at,consent_source\n${people.join("")}`);
  const id = await newUpdate(service);
  await logIn(service, page, { lang });
  await page.goto(`${service.url}/staff/updates/${id}/send`);
  await sendToAll(page);
  // By itself, as the events say: the page is not made anew by us.
  await until(page, "form[action$='/pause']");
  await until(page, "[data-live=accepted]:not(:text-is('0'))");
  yield "mailing under way";
  await press(page, "form[action$='/pause'] button");
  yield "paused mailing";
  await press(page, "form[action$='/resume'] button");
  await until(page, "form[action$='/pause']");
  await page.click("details.later summary");
  await press(page, "form[action$='/cancel'] button");
  await until(page, "form[action$='report.csv']");
  yield "mailing that was stopped";
}

/** Every page about sending, one after the other, from logging in on. */
export async function* everySendingPage(service, page, lang) {
  const go = (path) => page.goto(`${service.url}/staff${path}`);
  const id = await newUpdate(service);
  await logIn(service, page, { lang });
  await go("/mailings");
  yield "list of mailings";
  await go("/colleagues");
  await page.fill("#name", "Jonas Wolf");
  await page.fill("#email", "jonas");
  await page.evaluate(() => (document.querySelector("#email").type = "text"));
  await press(page, "main form.form button");
  yield "colleagues with an error";
  await page.fill("#email", `jonas.wolf.${process.pid}.${updates++}@example.org`);
  await press(page, "main form.form button");
  yield "colleagues";
  await go(`/updates/${id}/send`);
  yield "send";
  await press(page, "#test button");
  yield "send after a test";
  await page.click(".later summary");
  await page.check("#later-warnings");
  await page.fill("#date", "2020-01-01");
  await page.fill("#time", "09:00");
  await press(page, ".later button");
  yield "send with an error";
  const inAYear = new Date(Date.now() + 200 * 86_400_000).toISOString().slice(0, 10);
  await page.fill("#date", inAYear);
  await page.fill("#time", "09:30");
  await press(page, ".later button");
  yield "planned mailing";
  const planned = page.url();
  await go("");
  yield "start page with a planned mailing";
  await go("/updates");
  yield "list of updates with a planned one";
  await go(`/updates/${id}/send`);
  yield "send what is planned";
  await go(`/updates/${id}`);
  yield "editor of what is planned";
  await page.fill("#teaser", "Was in den letzten Wochen geschah, und was noch kommt.");
  await Promise.all([page.waitForURL(/\/text$/), page.click("a[href$='/text']")]);
  yield "newer text for a planned mailing";
  await press(page, ".button-send");
  yield "newer text without the tick";
  await page.check("#warnings");
  await press(page, ".button-send");
  if (!(await page.locator(".notice").count())) throw new Error("the text was not taken");
  await page.goto(planned);
  await press(page, ".grace button");
  yield "mailing that was taken back";
  // Somebody whom the demo's mail server refuses.
  const refused = `nobody.${process.pid}.${updates++}@example.org`;
  const list = `email,consented_at,consent_source\n${refused},2026-03-01,Messe\n`;
  await runWith(service, ["subscribers", "import"], "list.csv", list);
  await go(`/updates/${id}/send`);
  await press(page, ".button-send");
  yield "send without the tick";
  await sendToAll(page);
  yield "mailing in its grace";
  await until(page, ".tiles .tile-good");
  await until(page, ".tile-good dd:not(:text-is('0'))");
  await until(page, "form[action$='report.csv']");
  yield "report";
  await press(page, "a[href*='/retry']");
  yield "asked whether to send again";
  await press(page, "form[action$='/retry'] button");
  await until(page, "form[action$='report.csv']");
  yield "report after sending again";
  await service.run("subscribers", "erase", refused, "--yes");
  await go(`/updates/${id}/send`);
  yield "send what was sent before";
  await go("/mailings");
  yield "list of mailings with some";
  // For the next one to begin as this did.
  await go("/colleagues");
  await press(page, "main .rows form button");
  await press(page, ".bar form button");
}
