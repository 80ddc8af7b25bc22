// Sending from the staff pages in a real browser: for everyone, live, and without JavaScript.

import assert from "node:assert/strict";
import { test } from "node:test";

import { tabTo } from "./browser.mjs";
import { start } from "./service.mjs";
import { logIn } from "./staff_journey.mjs";
import { everySendingPage, newUpdate, sendToAll, slowMailingPages, until } from "./staff_sending_journey.mjs";
import { areForEveryone, looks, running } from "./fixtures.mjs";
import { limit } from "./slowness.mjs";

const { service, withPage } = await running();

areForEveryone("on the pages about sending", looks, withPage, async function* (page, lang) {
  const asked = [];
  page.on("request", (request) => asked.push(request.url()));
  yield* everySendingPage(service, page, lang);
  assert.deepEqual(asked.filter((url) => !url.startsWith(service.url)), []);
});

areForEveryone("while a mailing is under way, paused and stopped", [looks.at(0), looks.at(2)], withPage, async function* (page, lang) {
  const slow = await start({ SEND_RATE: "1" });
  try {
    yield* slowMailingPages(slow, page, lang);
  } finally {
    await slow.stop();
  }
});

test("the keyboard alone sends and takes back", async () => {
  await withPage({}, async (page) => {
    const enter = () => Promise.all([page.waitForNavigation(), page.keyboard.press("Enter")]);
    const id = await newUpdate(service);
    await logIn(service, page);
    await page.goto(`${service.url}/staff/updates/${id}/send`);
    await tabTo(page, "#warnings");
    await page.keyboard.press("Space");
    await tabTo(page, ".button-send");
    assert.match(await page.locator(":focus").innerText(), /^An \d+ Personen senden$/);
    await enter();
    // It has the focus, and says what it takes back.
    assert.equal(await page.locator(":focus").innerText(), "Zurücknehmen");
    await enter();
    assert.match(await page.locator("[role=status]").innerText(), /Es wurde nichts gesendet/);
  });
});

test("pressing Enter in the field of a time does not send now", async () => {
  await withPage({}, async (page) => {
    const id = await newUpdate(service);
    await logIn(service, page);
    await page.goto(`${service.url}/staff/updates/${id}/send`);
    await page.click(".later summary");
    await page.fill("#date", "2020-01-01");
    await page.fill("#time", "09:00");
    await Promise.all([page.waitForNavigation(), page.press("#time", "Enter")]);
    assert.match(await page.locator("#date-error").innerText(), /Vergangenheit/);
  });
});

test("the countdown runs, and the page follows the mailing to its end without being touched", async () => {
  await withPage({}, async (page) => {
    const id = await newUpdate(service);
    await logIn(service, page);
    await page.goto(`${service.url}/staff/updates/${id}/send`);
    await sendToAll(page);
    const seconds = async () => Number(await page.locator("[data-seconds]").innerText());
    const first = await seconds();
    assert.ok(first > 20 && first <= 30, `${first}`);
    await page.waitForFunction((first) => Number(document.querySelector("[data-seconds]").textContent) <= first - 3, first);
    const said = (words) => page.waitForFunction((words) => document.querySelector("[data-said]")?.textContent.startsWith(words), words);
    await said("Noch ");
    await until(page, "form[action$='report.csv']");
    await said("Das Senden ist beendet");
    assert.match(await page.locator(".panel-lead").first().innerText(), /hat \d+ von \d+ angenommen/);
    // A second press of the button, by the back button: the same mailing.
    const mailing = page.url();
    await page.goBack();
    assert.ok(await page.locator("text=schon einmal gesendet").count());
    const download = page.waitForEvent("download");
    await page.goto(mailing);
    await page.click("form[action$='report.csv'] button");
    assert.match((await download).suggestedFilename(), /^report-\d{4}-\d\d-\d\d\.csv$/);
  });
});

test("without JavaScript the page refreshes itself, takes back, and shows the end", async () => {
  await withPage({ javaScriptEnabled: false }, async (page) => {
    const id = await newUpdate(service);
    await logIn(service, page);
    await page.goto(`${service.url}/staff/updates/${id}/send`);
    await sendToAll(page);
    const refreshed = page.waitForNavigation({ timeout: limit(15_000) });
    assert.ok(await page.locator(".grace button").isVisible());
    await refreshed;
    await until(page, "form[action$='report.csv']");
  });
});

test("where people choose all colours the bar and what may be pressed are seen", async () => {
  await withPage({ forcedColors: "active" }, async (page) => {
    const id = await newUpdate(service);
    await logIn(service, page);
    await page.goto(`${service.url}/staff/updates/${id}/send`);
    await page.evaluate(() => document.querySelector("main").insertAdjacentHTML("beforeend", '<progress class="progress" max="4" value="2"></progress>'));
    const width = await page.locator("progress").evaluate((bar) => getComputedStyle(bar).borderTopWidth);
    assert.notEqual(width, "0px");
    const edge = (selector) => page.locator(selector).first().evaluate((link) => getComputedStyle(link).borderBottomColor);
    assert.notEqual(await edge(".sections a[aria-current]"), await edge(".sections a:not([aria-current])"));
  });
});

test("the mail in its frame runs no script and shows itself", async () => {
  await withPage({}, async (page) => {
    const id = await newUpdate(service);
    await logIn(service, page);
    await page.goto(`${service.url}/staff/updates/${id}/send`);
    await page.locator("iframe").scrollIntoViewIfNeeded();
    const frame = page.frameLocator("iframe");
    await frame.locator("h1").waitFor();
    assert.match(await frame.locator("body").innerText(), /öffnet die Werkstatt/);
  });
});
