// What the tests of one file share: a service and a browser, and the looks that every page has.

import { after, test } from "node:test";

import { isForEveryone, launch, withPageOf } from "./browser.mjs";
import { watchHtml } from "./html.mjs";
import { start } from "./service.mjs";

/** Starts both, with these settings of the service; they end with the last test of the file. */
export async function running(settings) {
  const [browser, service] = [launch(), start(settings)];
  after(async () => {
    const ends = [browser.then((browser) => browser.close()), service.then((service) => service.stop())];
    // One that did not start has nothing to end; why not is told below.
    await Promise.allSettled(ends);
  });
  const open = await browser;
  return { service: await service, withPage: (options, work) => withPageOf(open, options, work) };
}

const look = ([lang, colorScheme, width]) => ({ lang, colorScheme, width });

/** German and English, light and dark, on a phone and on a desk: each once with each of the others. */
export const looks = [["de", "light", 320], ["de", "dark", 1280], ["en", "light", 1280], ["en", "dark", 320]].map(look);

/**
 * A test for each language, of the pages that `walk(page, lang)` goes through, saying at each what it is. The HTML of each is
 * valid, and in every look of that language it is for everyone. The walk goes on in the last of them.
 */
export function areForEveryone(where, looks, withPage, walk) {
  for (const lang of ["de", "en"]) {
    const ofLang = looks.filter((look) => look.lang === lang);
    if (!ofLang.length) continue;
    const said = ofLang.map(({ colorScheme, width }) => `${colorScheme} ${width} px`).join(", ");
    test(`${where} axe and html-validate find nothing: ${lang}, ${said}`, async () => {
      // The pages' own policy would refuse axe.
      await withPage({ viewport: viewport(ofLang.at(-1)), bypassCSP: true }, async (page) => {
        const isValid = watchHtml(page);
        for await (const what of walk(page, lang)) {
          await isValid(what);
          for (const look of ofLang) {
            await page.emulateMedia({ colorScheme: look.colorScheme });
            await page.setViewportSize(viewport(look));
            await isForEveryone(page, `${what}: ${look.colorScheme}, ${look.width} px`, look);
          }
        }
      });
    });
  }
}

const viewport = ({ width }) => ({ width, height: 800 });
