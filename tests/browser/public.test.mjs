// The public pages in a real browser: for everyone, with the keyboard alone, with and without JavaScript.

import assert from "node:assert/strict";
import { test } from "node:test";

import { tabTo } from "./browser.mjs";
import { embedPage, everyPage, press } from "./journey.mjs";
import { areForEveryone, looks, running } from "./fixtures.mjs";

const { service, withPage } = await running();

areForEveryone("on the public pages", looks, withPage, async function* (page, lang) {
  yield* everyPage(service, page, lang);
  yield* embedPage(service, page, lang);
});

for (const javaScriptEnabled of [true, false]) {
  test(`the keyboard alone does the whole journey, ${javaScriptEnabled ? "with" : "without"} JavaScript`, async () => {
    await withPage({ javaScriptEnabled }, async (page) => {
      const address = service.newAddress();
      const heading = () => page.locator("h1").innerText();
      const enter = () => Promise.all([page.waitForNavigation(), page.keyboard.press("Enter")]);

      await page.goto(`${service.url}/?lang=de`);
      await page.keyboard.press("Tab");
      assert.equal(await page.locator(":focus").innerText(), "Zum Inhalt springen");
      await tabTo(page, "#email");
      await page.keyboard.type(address);
      await enter();
      assert.equal(await heading(), "Bitte sehen Sie in Ihr Postfach");

      await page.goto(`${await service.mail(address, "confirm")}?lang=de`);
      await tabTo(page, "button[value=confirm]");
      await enter();
      assert.equal(await heading(), "Sie sind angemeldet");

      await page.goto(`${await service.mail(address, "unsubscribe")}?lang=de`);
      await tabTo(page, "main button");
      await enter();
      assert.equal(await heading(), "Sie sind abgemeldet");
      await tabTo(page, "main button");
      await enter();
      assert.equal(await heading(), "Sie sind wieder angemeldet");
    });
  });

  test(`a mistake is told at its field, ${javaScriptEnabled ? "with" : "without"} JavaScript`, async () => {
    await withPage({ javaScriptEnabled }, async (page) => {
      await page.goto(`${service.url}/?lang=de`);
      // Browsers let this one pass.
      await page.fill("#email", "maria@example");
      await press(page, "main button");
      const field = page.locator("#email");
      assert.equal(await field.getAttribute("aria-invalid"), "true");
      assert.equal(await field.inputValue(), "maria@example", "nothing has to be typed again");
      const described = (await field.getAttribute("aria-describedby")).split(" ");
      assert.match(await page.locator(`#${described[0]}`).innerText(), /Teil nach dem @/);
      assert.equal(await page.locator("#email:focus").count(), 1, "the field has the focus");
      assert.match(await page.title(), /^Fehler: /);
      assert.equal(await page.locator(`#${described[0]}`).getAttribute("role"), "alert");
    });
  });
}

test("the box tells what is wrong at its field, and that all is well, to those who cannot see it too", async () => {
  await withPage({}, async (page) => {
    const focused = () => page.evaluate(() => document.activeElement.shadowRoot?.activeElement?.id);
    for await (const what of embedPage(service, page, "de")) {
      const box = page.locator("rundbrief-signup");
      if (what === "the box with an error") {
        assert.equal(await focused(), "input");
        const [error] = (await box.locator("#input").getAttribute("aria-describedby")).split(" ");
        assert.match(await box.locator(`#${error}`).innerText(), /Teil nach dem @/);
      }
      if (what === "the box when all is well") {
        assert.match(await box.locator("[role=status]").innerText(), /Bitte sehen Sie in Ihr Postfach/);
        assert.equal(await focused(), "result");
      }
    }
  });
});

test("on a phone the button is seen without scrolling", async () => {
  await withPage({ viewport: { width: 360, height: 640 } }, async (page) => {
    for (const lang of ["de", "en"]) {
      await page.goto(`${service.url}/?lang=${lang}`);
      const { y, height } = await page.locator("main button").boundingBox();
      assert.ok(y + height <= 640, `${lang}: it ends at ${y + height}`);
      assert.ok((await page.locator("#consent").boundingBox()).y < y, "what is agreed to stands before it");
    }
  });
});

test("an address with special characters in its domain goes off as it was typed", async () => {
  await withPage({}, async (page) => {
    await page.goto(`${service.url}/?lang=de`);
    await page.fill("#email", "x@straße.example");
    await Promise.all([page.waitForURL("**/check-mailbox**"), page.press("#email", "Enter")]);
    assert.match(await page.locator(".lead").innerText(), /x@straße\.example/);
  });
});

test("the box shows the address back and brings the form with what may have been meant", async () => {
  await withPage({}, async (page) => {
    await page.goto(`${service.url}/embed?lang=de`);
    const box = page.locator("rundbrief-signup");
    await box.locator("#input").fill("maria@gmial.com");
    await page.keyboard.press("Enter");
    const result = box.locator("#result");
    await result.locator("#back").waitFor();
    assert.match(await result.innerText(), /Eingegeben haben Sie: maria@gmial\.com[^]*Meinten Sie maria@gmail\.com\?/);
    await result.locator("#back").click();
    assert.equal(await box.locator("#input").inputValue(), "maria@gmail.com");
    assert.equal(await result.innerText(), "");
    await page.keyboard.press("Enter");
    await result.locator("#back").waitFor();
    assert.match(await result.innerText(), /Eingegeben haben Sie: maria@gmail\.com/);
  });
});

test("without JavaScript the box is the plain form, and works", async () => {
  await withPage({ javaScriptEnabled: false }, async (page) => {
    await page.goto(`${service.url}/embed?lang=de`);
    const form = page.locator("rundbrief-signup form");
    const address = service.newAddress();
    await form.locator("[name=email]").fill(address);
    await Promise.all([page.waitForURL("**/check-mailbox**"), page.keyboard.press("Enter")]);
    assert.ok(await service.mail(address, "confirm"));
  });
});

test("the trap for programs is in nobody's way", async () => {
  await withPage({}, async (page) => {
    await page.goto(`${service.url}/?lang=de`);
    const trap = page.locator("#rb_extra");
    assert.equal(await trap.getAttribute("tabindex"), "-1");
    assert.equal(await page.locator("[aria-hidden=true]:has(#rb_extra)").count(), 1);
    const box = await page.locator(".vacant").boundingBox();
    assert.ok(box.width <= 1 && box.height <= 1, JSON.stringify(box));
  });
});

test("pages load nothing from anywhere else and run no script", async () => {
  await withPage({}, async (page) => {
    const asked = [];
    page.on("request", (request) => asked.push(request));
    for await (const what of everyPage(service, page, "de")) {
      for (const request of asked.splice(0)) {
        assert.ok(request.url().startsWith(service.url), `${what} asks for ${request.url()}`);
        assert.notEqual(request.resourceType(), "script", what);
      }
    }
  });
});
