// The pages of the publication in a real browser.

import assert from "node:assert/strict";
import { test } from "node:test";

import { press } from "./journey.mjs";
import { logIn } from "./staff_journey.mjs";
import { everyPublicationPage } from "./staff_publication_journey.mjs";
import { areForEveryone, looks, running } from "./fixtures.mjs";

const { service, withPage } = await running();

areForEveryone("on the pages of the publication", looks, withPage, (page, lang) => everyPublicationPage(service, page, lang));

test("looking at what is typed opens a tab, and what is typed stays in the first one", async () => {
  await withPage({}, async (page) => {
    await logIn(service, page);
    await page.goto(`${service.url}/staff/publication`);
    await page.fill("#de_teaser", "Einmal im Monat.");
    const [tab] = await Promise.all([page.waitForEvent("popup"), page.click("[formaction$=preview]")]);
    const broken = [];
    tab.on("console", (said) => said.text().includes("Security Policy") && broken.push(said.text()));
    await tab.click("nav a:has-text('Anmeldung') >> nth=0");
    await tab.frameLocator("iframe").getByText("Einmal im Monat.").waitFor();
    // The frame's own link switches its language, and stays with what is not saved.
    await tab.frameLocator("iframe").locator("a[hreflang=en]").click();
    await tab.frameLocator("iframe").locator("html[lang=en]").waitFor();
    assert.deepEqual(broken, []);
    assert.equal(await page.inputValue("#de_teaser"), "Einmal im Monat.");
    await page.reload();
    assert.notEqual(await page.inputValue("#de_teaser"), "Einmal im Monat.");
  });
});

test("a logo that is uploaded fills in its address and its size, and takes nothing of the one before", async () => {
  await withPage({ locale: "de-DE" }, async (page) => {
    await logIn(service, page);
    await page.goto(`${service.url}/staff/publication`);
    const before = await page.inputValue("#funder_1_url");
    assert.ok(await page.inputValue("#funder_1_alt"));
    const shown = page.locator("#funder_1 .logo-now img");
    assert.ok(await shown.evaluate((image) => image.naturalWidth > 0), "the one that there is can be seen");
    await page.setInputFiles("#funder_1_file", await logo(page));
    await page.waitForFunction((before) => document.getElementById("funder_1_url").value !== before, before);
    assert.equal(await page.inputValue("#funder_1_width"), "200", "fitted in, with all its pixels for fine screens");
    assert.equal(await page.inputValue("#funder_1_height"), "50");
    assert.equal(await page.inputValue("#funder_1_alt"), "", "the other one said something else");
    assert.equal(await page.locator("#funder_1_alt:focus").count(), 1, "what is still to be said");
  });
});

test("what is saved while a logo is still on its way waits for it, and everybody sees it", async () => {
  await withPage({ locale: "de-DE" }, async (page) => {
    const broken = [];
    page.on("console", (said) => said.type() === "error" && broken.push(said.text()));
    await logIn(service, page);
    await page.goto(`${service.url}/staff/publication`);
    await page.route("**/staff/images", async (route) => {
      await new Promise((resolve) => setTimeout(resolve, 1000));
      await route.continue();
    });
    await page.click(".more summary");
    const name = await page.locator(".more fieldset").first().getAttribute("id");
    await page.setInputFiles(`#${name}_file`, await logo(page));
    await page.fill(`#${name}_alt`, "Gefördert von der Stiftung Muster");
    await press(page, "form.form .save-line .button:not([formaction])");
    assert.match(await page.innerText("[role=status]"), /Die Publikation ist gespeichert/);
    assert.equal(await page.locator(`.more #${name}`).count(), 0, "it stands with the others now");
    await page.goto(`${service.url}/?lang=de`);
    const seen = page.getByAltText("Gefördert von der Stiftung Muster");
    assert.deepEqual(await seen.evaluate((image) => [image.naturalWidth, image.width, image.height]), [800, 200, 50]);
    assert.deepEqual(broken, []);
  });
});

test("without JavaScript the page says where a logo is uploaded", async () => {
  await withPage({ javaScriptEnabled: false, locale: "de-DE" }, async (page) => {
    await logIn(service, page);
    await page.goto(`${service.url}/staff/publication`);
    assert.equal(await page.locator("input[type=file]:visible").count(), 0);
    await press(page, "noscript a[href='/staff/images']");
    assert.equal(await page.locator("h1").innerText(), "Bilder");
  });
});

/** A logo of 800 by 200 pixels with nothing behind it. */
async function logo(page) {
  const data = await page.evaluate(() => {
    const canvas = Object.assign(document.createElement("canvas"), { width: 800, height: 200 });
    const paint = canvas.getContext("2d");
    paint.fillStyle = "#0f6571";
    paint.fillRect(40, 40, 720, 120);
    return canvas.toDataURL("image/png").split(",")[1];
  });
  return { name: "logo.png", mimeType: "image/png", buffer: Buffer.from(data, "base64") };
}
