// The pages of the publication in a real browser.

import assert from "node:assert/strict";
import { test } from "node:test";

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
