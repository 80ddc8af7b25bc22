// The pages of subscribers in a real browser: for everyone, with the keyboard, with and without JavaScript.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";

import { tabTo } from "./browser.mjs";
import { press } from "./journey.mjs";
import { logIn } from "./staff_journey.mjs";
import { everySubscribersPage, excelList } from "./staff_subscribers_journey.mjs";
import { areForEveryone, looks, running } from "./fixtures.mjs";
import { limit } from "./slowness.mjs";

const { service, withPage } = await running();

areForEveryone("on the pages of subscribers", looks, withPage, (page, lang) => everySubscribersPage(service, page, lang));

test("somebody is found while one types, and the address keeps the search", async () => {
  await withPage({}, async (page) => {
    const broken = [];
    page.on("pageerror", (error) => broken.push(error));
    page.on("console", (said) => said.type() === "error" && broken.push(said.text()));
    await logIn(service, page);
    await page.goto(`${service.url}/staff/subscribers`);
    assert.ok((await page.locator("#found .row-title").count()) > 1);
    await page.locator("#q").pressSequentially("krause", { delay: 30 });
    await page.waitForFunction(() => document.querySelectorAll("#found .row-title").length === 1);
    assert.match(await page.innerText("#found .row-title"), /^mira\.krause@/);
    assert.equal(await page.textContent("[role=status][data-search-said]"), "1 Abonnement", "told to those who hear it");
    assert.match(page.url(), /\?q=krause$/);
    await page.reload();
    assert.equal(await page.inputValue("#q"), "krause");
    assert.equal(await page.locator("#found .row-title").count(), 1);
    await page.selectOption("#state", "bounced");
    await page.waitForFunction(() => document.querySelectorAll("#found .row-title").length === 0);
    assert.deepEqual(broken, []);
  });
});

test("a slow answer does not replace a later one", async () => {
  await withPage({}, async (page) => {
    await logIn(service, page);
    await page.goto(`${service.url}/staff/subscribers`);
    await page.route(/q=anna&/, async (route) => {
      await new Promise((resolve) => setTimeout(resolve, 1500));
      await route.continue().catch(() => {});
    });
    await page.fill("#q", "anna");
    await page.waitForTimeout(400);
    await page.fill("#q", "jonas");
    await page.waitForFunction(() => document.querySelector("#found .row-title")?.innerText.startsWith("jonas"));
    await page.waitForTimeout(2000);
    assert.match(await page.innerText("#found .row-title"), /^jonas/);
  });
});

test("without JavaScript the keyboard searches, and brings in a list", async () => {
  await withPage({ javaScriptEnabled: false }, async (page) => {
    const enter = () => Promise.all([page.waitForNavigation(), page.keyboard.press("Enter")]);
    await logIn(service, page);
    await page.goto(`${service.url}/staff/subscribers`);
    await tabTo(page, "#q");
    await page.keyboard.type("wolf");
    await enter();
    assert.match(await page.innerText(".row-title"), /^jonas\.wolf@/);
    await tabTo(page, ".row-title a");
    await enter();
    assert.match(await page.innerText("h1"), /^jonas\.wolf@/);

    await page.goto(`${service.url}/staff/subscribers/import`);
    await page.setInputFiles("#file", excelList());
    await press(page, "form:has(#file) button");
    await page.fill("#source_of_all", "Messe");
    await press(page, "button[value=check]");
    // The page comes again by itself until it is over.
    await page.waitForSelector("#vouched", { timeout: limit(15_000) });
    await page.check("#vouched");
    await press(page, "form:has(#vouched) button");
    for (let tries = 0; tries < limit(10) && (await page.innerText("h1")) !== "Die Liste ist eingelesen"; tries++) {
      await page.waitForTimeout(1000);
    }
    assert.equal(await page.innerText("h1"), "Die Liste ist eingelesen");
    assert.equal(await page.locator(".counts dd").first().innerText(), "2");
  });
});

test("the list and the proof are downloaded as files", async () => {
  await withPage({ acceptDownloads: true }, async (page) => {
    await logIn(service, page);
    await page.goto(`${service.url}/staff/subscribers`);
    const list = page.waitForEvent("download");
    await page.click("form[action$='export.csv'] button");
    const file = await list;
    assert.match(file.suggestedFilename(), /^subscribers-\d{4}-\d\d-\d\d\.csv$/);
    assert.match(await readFile(await file.path(), "utf8"), /^email,locale,state,/);
    await page.goto(`${service.url}/staff/subscribers?q=anna`);
    await press(page, ".row-title a");
    const proof = page.waitForEvent("download");
    await page.click("button[value=html]");
    assert.match((await proof).suggestedFilename(), /^consent-.*\.html$/);
  });
});
