// The pages of the publication in a real browser.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { isForEveryone, launch, withPageOf } from "./browser.mjs";
import { start } from "./service.mjs";
import { logIn } from "./staff_journey.mjs";
import { everyPublicationPage } from "./staff_publication_journey.mjs";

let service, browser;

before(async () => {
  service = await start();
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await service?.stop();
});

const withPage = (options, work) => withPageOf(browser, options, work);

for (const [lang, colorScheme, width] of [["de", "light", 320], ["de", "dark", 1280], ["en", "dark", 320], ["en", "light", 1280]]) {
  test(`axe finds nothing on the pages of the publication: ${lang}, ${colorScheme}, ${width} px`, async () => {
    const options = { colorScheme, viewport: { width, height: 800 }, bypassCSP: true };
    await withPage(options, async (page) => {
      for await (const what of everyPublicationPage(service, page, lang)) {
        await isForEveryone(page, what, { lang, width });
      }
    });
  });
}

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
