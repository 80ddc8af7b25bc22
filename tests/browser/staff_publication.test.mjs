// The pages of the publication in a real browser.

import assert from "node:assert/strict";
import { test } from "node:test";

import { press } from "./journey.mjs";
import { logIn } from "./staff_journey.mjs";
import { everyPublicationPage } from "./staff_publication_journey.mjs";
import { areForEveryone, fourLooks, running } from "./together.mjs";

const { service, withPage } = await running();

areForEveryone("on the pages of the publication", fourLooks, withPage, (page, lang) => everyPublicationPage(service, page, lang));

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

test("a logo that is uploaded fills in its address and its size, and everybody sees it", async () => {
  await withPage({ locale: "de-DE" }, async (page) => {
    const broken = [];
    page.on("console", (said) => said.type() === "error" && broken.push(said.text()));
    await logIn(service, page);
    await page.goto(`${service.url}/staff/publication`);
    await page.click(".more summary");
    const free = page.locator(".more fieldset").first();
    const name = await free.getAttribute("id");
    await page.setInputFiles(`#${name}_file`, { name: "logo.png", mimeType: "image/png", buffer: await logo(page) });
    await page.waitForFunction((id) => document.getElementById(id).value, `${name}_url`);
    assert.equal(await page.inputValue(`#${name}_width`), "200", "fitted in, with all its pixels for fine screens");
    assert.equal(await page.inputValue(`#${name}_height`), "50");
    assert.equal(await page.locator(`#${name}_alt:focus`).count(), 1, "what is still to be said");
    await page.keyboard.type("Gefördert von der Stiftung Muster");
    await press(page, "form.form .button:not([formaction])");
    assert.match(await page.innerText("[role=status]"), /Die Publikation ist gespeichert/);
    assert.equal(await page.locator(`.more #${name}`).count(), 0, "it stands with the others now");
    await page.goto(`${service.url}/?lang=de`);
    const seen = page.getByAltText("Gefördert von der Stiftung Muster");
    assert.deepEqual(await seen.evaluate((image) => [image.naturalWidth, image.width, image.height]), [800, 200, 50]);
    assert.deepEqual(broken, []);
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
  return Buffer.from(data, "base64");
}
