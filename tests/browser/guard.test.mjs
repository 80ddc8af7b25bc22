// The guard against programs in a real browser: unseen by people, and a page that says what to do where it is not.

import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

import { tabTo } from "./browser.mjs";
import { guardedPages, press } from "./journey.mjs";
import { start } from "./service.mjs";
import { areForEveryone, looks, running } from "./fixtures.mjs";
import { limit } from "./slowness.mjs";

const { service, withPage } = await running({ CAPTCHA: "always" });

const heading = (page) => page.locator("h1").innerText();

areForEveryone("where a proof of work is asked for", looks, withPage, (page, lang) => guardedPages(service, page, lang));

test("the keyboard alone signs up, and nobody notices the proof of work", async () => {
  await withPage({}, async (page) => {
    const problems = [];
    page.on("console", (message) => message.type() === "error" && problems.push(message.text()));
    const address = service.newAddress();
    await page.goto(`${service.url}/?lang=de`);
    await tabTo(page, "#email");
    await page.keyboard.type(address);
    await page.locator("[name=captcha]:not([value=''])").waitFor({ state: "attached" });
    assert.equal(await page.locator("[role=status]").innerText(), "");
    await Promise.all([page.waitForURL("**/check-mailbox**"), page.keyboard.press("Enter")]);
    assert.ok(await service.mail(address, "confirm"));
    assert.deepEqual(problems, [], "the page's policy lets its own script and worker run");
  });
});

test("who presses before the proof is there waits a moment, and the signup goes by itself", async () => {
  await withPage({}, async (page) => {
    // The worker is there, and is told what to do only when we say so.
    await page.addInitScript(() => {
      const { Worker } = globalThis;
      globalThis.Worker = class extends Worker {
        postMessage(message) {
          globalThis.letGo = () => super.postMessage(message);
        }
      };
    });
    const address = service.newAddress();
    await page.goto(`${service.url}/?lang=de`);
    await page.fill("#email", address);
    for (let presses = 0; presses < 3; presses++) await page.press("#email", "Enter");
    assert.match(await page.locator("[role=status]").innerText(), /Ihr Browser rechnet noch/);
    assert.equal(await page.locator("#email").inputValue(), address);
    await Promise.all([page.waitForURL("**/check-mailbox**"), page.evaluate(() => globalThis.letGo())]);
    assert.ok(await service.mail(address, "confirm"));
  });
});

test("a solution is not used twice by pressing twice", async () => {
  await withPage({}, async (page) => {
    await page.goto(`${service.url}/?lang=de`);
    await page.fill("#email", service.newAddress());
    await page.locator("[name=captcha]:not([value=''])").waitFor({ state: "attached" });
    let sent = 0;
    // The answer takes a while, as it does on a slow line.
    await page.route("**/subscribe", async (route) => {
      sent += 1;
      await new Promise((resolve) => setTimeout(resolve, 500));
      await route.continue().catch(() => {});
    });
    const button = page.locator("main button");
    await button.scrollIntoViewIfNeeded();
    const { x, y } = await button.boundingBox();
    for (let presses = 0; presses < 2; presses++) await page.mouse.click(x + 5, y + 5);
    await page.waitForURL("**/check-mailbox**", { timeout: limit(5_000) });
    assert.equal(sent, 1);
  });
});

test("the page that asks solves it by itself and sends when its one button is pressed", async () => {
  await withPage({}, async (page) => {
    for await (const what of guardedPages(service, page, "de")) {
      if (what !== "one moment more") continue;
      assert.equal(await heading(page), "Einen Augenblick noch");
      assert.equal(await page.locator("[role=status]").innerText(), "Fertig. Sie können die Anmeldung jetzt absenden.");
      assert.equal(await page.locator("main button").count(), 1);
      await page.waitForTimeout(300);
      assert.equal(await heading(page), "Einen Augenblick noch", "no script presses the button");
      await tabTo(page, "main button");
      await Promise.all([page.waitForURL("**/check-mailbox**"), page.keyboard.press("Enter")]);
    }
  });
});

test("where no worker can be, the page solves it itself", async () => {
  await withPage({}, async (page) => {
    await page.addInitScript(() => {
      globalThis.Worker = class {
        constructor() {
          throw new Error("no worker here");
        }
      };
    });
    const address = service.newAddress();
    await page.goto(`${service.url}/?lang=de`);
    await page.fill("#email", address);
    await Promise.all([page.waitForURL("**/check-mailbox**"), page.press("#email", "Enter")]);
    assert.ok(await service.mail(address, "confirm"));
  });
});

for (const [lang, title, ways] of [
  ["de", "Einen Augenblick noch", [/Erlauben Sie JavaScript/, /schreiben Sie uns/]],
  ["en", "One moment more", [/Allow JavaScript/, /write to us/]],
]) {
  test(`without JavaScript there is a page that says what to do: ${lang}`, async () => {
    await withPage({ javaScriptEnabled: false, viewport: { width: 320, height: 800 } }, async (page) => {
      await page.goto(`${service.url}/?lang=${lang}`);
      await page.fill("#email", service.newAddress());
      await press(page, "main button");
      assert.equal(await heading(page), title);
      assert.equal(await page.locator("main button:visible").count(), 0, "no button that leads nowhere");
      const told = await page.locator("noscript li").allInnerTexts();
      assert.equal(told.length, ways.length, "where it is asked every time, waiting does not help");
      ways.forEach((way, n) => assert.match(told[n], way));
      assert.match(await page.locator("noscript a").getAttribute("href"), /^mailto:/);
    });
  });
}

test("the box on another site signs up unseen, and the policy that we advise is enough", async () => {
  const site = createServer((request, answer) => {
    answer.setHeader("Content-Type", "text/html; charset=utf-8");
    const policy = ["script-src", "connect-src", "form-action"].map((name) => `${name} ${service.url}`);
    answer.setHeader("Content-Security-Policy", `default-src 'none'; ${policy.join("; ")}`);
    answer.end(`<!doctype html><html lang="de"><title>Projekt</title>
      <script src="${service.url}/assets/embed.js" async></script><rundbrief-signup lang="de"></rundbrief-signup>`);
  });
  await new Promise((resolve) => site.listen(0, "127.0.0.1", resolve));
  const origin = `http://127.0.0.1:${site.address().port}`;
  const sample = await readFile(new URL("../../publication.example.toml", import.meta.url), "utf8");
  const file = join(tmpdir(), `rundbrief-browser-${process.pid}.toml`);
  await writeFile(file, sample.replace("[sender]", `allowed_origins = ["${origin}"]\n\n[sender]`));
  await service.run("publication", "apply", file);
  try {
    await withPage({}, async (page) => {
      const asked = [];
      page.on("request", (request) => asked.push(request.url()));
      const problems = [];
      page.on("console", (message) => message.type() === "error" && problems.push(message.text()));
      await page.goto(origin);
      const box = page.locator("rundbrief-signup");
      const address = service.newAddress();
      await box.locator("#input").fill(address);
      assert.ok(!asked.some((url) => url.includes("captcha")), "the solver comes when it is needed");
      await page.keyboard.press("Enter");
      await box.locator("#input").waitFor({ state: "detached" });
      assert.match(await box.locator("[role=status]").innerText(), /Bitte sehen Sie in Ihr Postfach/);
      assert.ok(await service.mail(address, "confirm"));
      assert.ok(asked.some((url) => url.startsWith(`${service.url}/assets/captcha-solver.`)));
      assert.ok(!problems.some((text) => /policy|Security/i.test(text)), problems.join("\n"));
    });
  } finally {
    site.close();
  }
});

test("a form that is filled in quickly is asked for one more press, keeps all that was typed, and gets its mail", async () => {
  const patient = await start({ FORM_SECONDS: "60" });
  try {
    for (const javaScriptEnabled of [true, false]) {
      await withPage({ javaScriptEnabled }, async (page) => {
        const address = patient.newAddress();
        await page.goto(`${patient.url}/?lang=de`);
        await page.fill("#email", address);
        await press(page, "main button");
        assert.equal(await heading(page), "Bitte drücken Sie noch einmal");
        assert.match(await page.locator("main").innerText(), new RegExp(address.replace(/[.+]/g, "\\$&")));
        assert.equal(await page.locator("main button").count(), 1);
        await tabTo(page, "main button");
        await Promise.all([page.waitForURL("**/check-mailbox**"), page.keyboard.press("Enter")]);
        assert.ok(await patient.mail(address, "confirm"));
      });
    }
    // The box solves a proof of work unseen.
    await withPage({}, async (page) => {
      const address = patient.newAddress();
      await page.goto(`${patient.url}/embed?lang=de`);
      const box = page.locator("rundbrief-signup");
      await box.locator("#input").fill(address);
      await page.keyboard.press("Enter");
      await box.locator("#input").waitFor({ state: "detached" });
      assert.ok(await patient.mail(address, "confirm"));
    });
  } finally {
    await patient.stop();
  }
});
