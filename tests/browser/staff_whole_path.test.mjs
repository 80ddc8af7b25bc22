// Two people do their whole work with nothing but a keyboard: an editor from the first login to the report of a mailing, an
// admin from a list that is brought in to the erasure of somebody on it. Every page on the way is for everyone.

import assert from "node:assert/strict";
import { test } from "node:test";

import { isForEveryone, tabTo } from "./browser.mjs";
import { photo } from "./staff_images_journey.mjs";
import { until } from "./staff_sending_journey.mjs";
import { excelList } from "./staff_subscribers_journey.mjs";
import { running } from "./fixtures.mjs";
import { limit } from "./slowness.mjs";

const { service, withPage } = await running();

const looks = [
  { colorScheme: "light", width: 1280 },
  { colorScheme: "dark", width: 320 },
];

/** A page and what a keyboard does on it. The page is looked at by `see`. */
async function withKeyboard({ colorScheme, width }, work) {
  const options = { colorScheme, viewport: { width, height: 800 }, locale: "de-DE", bypassCSP: true, acceptDownloads: true };
  await withPage(options, async (page) => {
    const { keyboard } = page;
    /** Goes to a field and types. */
    const type = async (selector, text) => {
      await tabTo(page, selector);
      await keyboard.type(text);
    };
    /** Goes to a button or link and presses it, which leads on. */
    const press = async (selector) => {
      await tabTo(page, selector);
      await Promise.all([page.waitForNavigation(), keyboard.press("Enter")]);
    };
    /** Goes to the field of a file and chooses one in the window that the browser opens. */
    const choose = async (selector, file) => {
      await tabTo(page, selector);
      await (await windowOfFiles(page, keyboard)).setFiles(file);
    };
    /** Goes to a box and ticks it. */
    const tick = async (selector) => {
      await tabTo(page, selector);
      await keyboard.press("Space");
      assert.ok(await page.isChecked(selector), selector);
    };
    /** Goes to a button and presses it for the file behind it. */
    const download = async (selector) => {
      await tabTo(page, selector);
      const [file] = await Promise.all([page.waitForEvent("download"), keyboard.press("Enter")]);
      return file.suggestedFilename();
    };
    const see = (what) => isForEveryone(page, `${what}: ${colorScheme}, ${width} px`, { lang: "de", width });
    await work({ page, keyboard, type, press, choose, tick, download, see });
  });
}

/**
 * The window in which a file is chosen, opened with the space bar. A browser that is kept waiting opens none: it forgets
 * after five seconds that a key was pressed (HTML, "transient activation"). Whoever sits there presses again, so this does.
 */
async function windowOfFiles(page, keyboard) {
  for (let presses = 1; ; presses++) {
    try {
      const opened = page.waitForEvent("filechooser", { timeout: limit(presses * 5_000) });
      return (await Promise.all([opened, keyboard.press("Space")]))[0];
    } catch (error) {
      if (presses === 3) throw error;
    }
  }
}

let people = 0;

for (const look of looks) {
  test(`an editor, from the first login to the report: ${look.colorScheme}, ${look.width} px`, async () => {
    const email = `editor${people++}.${process.pid}@example.org`;
    const { stdout } = await service.run("staff", "add", email, "--name", "Tea Kaiser", "--role", "editor", "--json");
    await withKeyboard(look, async ({ page, keyboard, type, press, choose, tick, download, see }) => {
      await page.goto(JSON.parse(stdout).link);
      await see("welcome");
      await type("#new_password", "Kamel tanzt auf Nebelhorn");
      await type("#repeated", "Kamel tanzt auf Nebelhorn");
      await press("main button");
      await see("start");
      await press("form[action='/staff/updates'] button");

      await type("#title", "Zu Gast in Potsdam");
      await type("#teaser", "Was nach zwölf Monaten entstanden ist.");
      await type("#visual-text", "Am 12. März war unser Team zu ");
      await keyboard.press("Control+b");
      await keyboard.type("Gast");
      await keyboard.press("Control+b");
      await keyboard.type(" in Potsdam. Die Folien stehen auf https://example.org/folien.");
      const buffer = await photo(page, people);
      await choose("#picture", { name: "foto.jpg", mimeType: "image/jpeg", buffer });
      // Where the picture is described is where one goes on.
      await page.waitForFunction(() => document.activeElement.id === "image_alt");
      await keyboard.type("Das Team vor dem Tagungshaus");
      await type("#image_credit", "Foto: Jo Muster");
      await page.waitForFunction(() => /^Gespeichert um/.test(document.getElementById("saved").textContent));
      await see("editor");
      if (look.width < 1100) {
        await tabTo(page, "[data-shows=mail]");
        await keyboard.press("Enter");
      }
      await page.frameLocator("#mail").locator("strong", { hasText: "Gast" }).waitFor();
      await tabTo(page, "[data-value=phone]");
      await keyboard.press("Enter");
      assert.equal(await page.locator("#mail.mail-phone").count(), 1);
      await press("a[href$='/send']");

      await see("send");
      await press("#test .actions button");
      assert.match(await page.innerText("[role=status]"), /Test/);
      await tick("#warnings");
      await press(".button-send");
      await see("grace");
      await until(page, "form[action$='report.csv']");
      await see("report");
      assert.match(await page.locator(".panel-lead").first().innerText(), /hat (\d+) von \1 angenommen/);
      assert.match(await download("form[action$='report.csv'] button"), /^report-.*\.csv$/);
      await press("form[action='/staff/logout'] button");
      assert.equal(await page.innerText("h1"), "Anmelden");
    });
  });

  test(`an admin, from a list to an erasure: ${look.colorScheme}, ${look.width} px`, async () => {
    const list = excelList();
    const [, email] = list.buffer.toString("latin1").match(/;(mia[^;]+);/);
    await withKeyboard(look, async ({ page, type, press, choose, tick, download, see }) => {
      await page.goto(`${service.url}/staff/login`);
      await type("#email", service.staff.email);
      await type("#password", service.staff.password);
      await press("main button");
      await press("nav a[href='/staff/subscribers']");
      await press("a[href='/staff/subscribers/import']");
      await choose("#file", list);
      await press("form:has(#file) button");
      await see("columns");
      await type("#source_of_all", "Tag der offenen Tür");
      await press("button[value=check]");
      await page.waitForSelector("#vouched");
      await see("dry run");
      await tick("#vouched");
      await press("form:has(#vouched) .button");
      await page.waitForFunction(() => document.querySelector("h1").textContent === "Die Liste ist eingelesen");
      await see("brought in");
      assert.match(await download("a[href$='problems.csv']"), /\.csv$/);

      await press("nav a[href='/staff/subscribers']");
      await type("#q", email);
      await page.waitForFunction(() => document.querySelectorAll("#found .row-title").length === 1);
      await see("found");
      await press("#found .row-title a");
      await see("one subscriber");
      assert.match(await download("button[value=html]"), /^consent-.*\.html$/);
      await press("a[href$='/erase']");
      await see("what erasing means");
      await press("form .button-danger");
      await see("erased");
      await type("#q", email);
      await page.waitForFunction(() => document.querySelectorAll("#found .row-title").length === 0);
      await press("nav a[href='/staff/audit']");
      await see("audit log");
      assert.ok((await page.innerText("main")).includes("gelöscht"));
    });
  });
}
