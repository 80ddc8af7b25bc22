// What the tests of one file share: a service and a browser, and the looks that every page has.

import { after, test } from "node:test";

import { isForEveryone, launch, withPageOf } from "./browser.mjs";
import { start } from "./service.mjs";

/** Starts both, with these settings of the service; they end with the last test of the file. */
export async function running(settings) {
  const browser = await launch();
  let service;
  after(async () => {
    await browser.close();
    await service?.stop();
  });
  service = await start(settings);
  return { service, withPage: (options, work) => withPageOf(browser, options, work) };
}

const look = ([lang, colorScheme, width]) => ({ lang, colorScheme, width });

/** German and English, light and dark, on a phone and on a desk: each with each. */
export const everyLook = ["de", "en"].flatMap((lang) =>
  ["light", "dark"].flatMap((colorScheme) => [320, 1280].map((width) => look([lang, colorScheme, width]))),
);

/** Four of them: each of the three meets each of the others once. */
export const fourLooks = [["de", "light", 320], ["de", "dark", 1280], ["en", "dark", 320], ["en", "light", 1280]].map(look);

/** A test for each look, of the pages that `walk(page, lang)` goes through, saying at each what it is. */
export function areForEveryone(where, looks, withPage, walk) {
  for (const { lang, colorScheme, width } of looks) {
    test(`axe finds nothing ${where}: ${lang}, ${colorScheme}, ${width} px`, async () => {
      // The pages' own policy would refuse axe.
      const options = { colorScheme, viewport: { width, height: 800 }, bypassCSP: true };
      await withPage(options, async (page) => {
        for await (const what of walk(page, lang)) await isForEveryone(page, what, { lang, width });
      });
    });
  }
}
