// The staff pages in a real browser: for everyone, with the keyboard alone, without JavaScript.

import assert from "node:assert/strict";
import { test } from "node:test";

import { tabTo } from "./browser.mjs";
import { everyStaffPage, logIn } from "./staff_journey.mjs";
import { areForEveryone, looks, running } from "./fixtures.mjs";

const { service, withPage } = await running();

areForEveryone("on the staff pages", looks, withPage, (page, lang) => everyStaffPage(service, page, lang));

test("the keyboard alone logs in, without JavaScript, and comes to the page asked for", async () => {
  await withPage({ javaScriptEnabled: false, locale: "de-DE" }, async (page) => {
    const enter = () => Promise.all([page.waitForNavigation(), page.keyboard.press("Enter")]);
    await page.goto(`${service.url}/staff/people`);
    assert.equal(await page.locator("h1").innerText(), "Anmelden");
    assert.equal(await page.locator("#email:focus").count(), 1, "the first field has the focus");
    await page.keyboard.type(service.staff.email);
    await tabTo(page, "#password");
    await page.keyboard.type("not the password");
    await enter();
    const field = page.locator("[role=alert]");
    assert.match(await field.innerText(), /Passwort stimmen nicht/);
    assert.equal(await page.inputValue("#email"), service.staff.email, "nothing has to be typed again");
    assert.match(await page.title(), /^Fehler: /);
    assert.equal(await page.locator("#password:focus").count(), 1, "the field to mend has the focus");
    await page.keyboard.type(service.staff.password);
    await enter();
    assert.equal(await page.locator("h1").innerText(), "Personen");
    await tabTo(page, ".bar form button");
    await enter();
    assert.equal(await page.locator("h1").innerText(), "Anmelden");
  });
});

test("mistakes are told at their fields", async () => {
  await withPage({}, async (page) => {
    await logIn(service, page);
    await page.goto(`${service.url}/staff/account`);
    await page.fill("#password", service.staff.password);
    await page.fill("#new_password", "Sommer2026!!!");
    await page.fill("#repeated", "Sommer2026!!!");
    await Promise.all([page.waitForNavigation(), page.click("section:has(#new_password) button")]);
    const field = page.locator("#new_password");
    assert.equal(await field.getAttribute("aria-invalid"), "true");
    const [error] = (await field.getAttribute("aria-describedby")).split(" ");
    assert.match(await page.locator(`#${error}`).innerText(), /erraten/);
    assert.equal(await page.locator("#new_password:focus").count(), 1);
  });
});

test("a language that was chosen stays", async () => {
  await withPage({ locale: "de-DE" }, async (page) => {
    await page.goto(`${service.url}/staff/login`);
    assert.equal(await page.evaluate(() => document.documentElement.lang), "de");
    await page.click("a[hreflang=en]");
    await page.goto(`${service.url}/staff/login`);
    assert.equal(await page.evaluate(() => document.documentElement.lang), "en");
  });
});

test("the staff pages load nothing from anywhere else, and run no script but the one that copies a link", async () => {
  await withPage({}, async (page) => {
    const asked = [];
    page.on("request", (request) => asked.push(request));
    for await (const what of everyStaffPage(service, page, "de")) {
      for (const request of asked.splice(0)) {
        assert.ok(request.url().startsWith(service.url), `${what} asks for ${request.url()}`);
        const isCopy = new URL(request.url()).pathname.startsWith("/assets/staff-copy.");
        assert.ok(request.resourceType() !== "script" || isCopy, `${what} runs ${request.url()}`);
      }
    }
  });
});
