// Pictures of every public page, for docs/pages.md: `make pictures`.

import { mkdir, rm, writeFile } from "node:fs/promises";

import { launch } from "./browser.mjs";
import { everyPage, guardedPages } from "./journey.mjs";
import { start } from "./service.mjs";

const docs = new URL("../../docs/", import.meta.url);
const views = [
  { name: "phone-light", title: "phone, light", width: 360, colorScheme: "light" },
  { name: "phone-dark", title: "phone, dark", width: 360, colorScheme: "dark" },
  { name: "desktop-light", title: "desktop, light", width: 1280, colorScheme: "light" },
  { name: "desktop-dark", title: "desktop, dark", width: 1280, colorScheme: "dark" },
];

const service = await start();
const guarded = await start({ CAPTCHA: "always" });
const browser = await launch();
const pages = new Map();
try {
  await rm(new URL("pages/", docs), { recursive: true, force: true });
  await mkdir(new URL("pages/", docs), { recursive: true });
  for (const view of views) {
    const viewport = { width: view.width, height: 800 };
    const context = await browser.newContext({ viewport, colorScheme: view.colorScheme });
    const page = await context.newPage();
    const both = async function* () {
      yield* everyPage(service, page, "de");
      for await (const what of guardedPages(guarded, page, "de")) if (what === "one moment more") yield what;
    };
    for await (const what of both()) {
      const file = `pages/${what.replaceAll(" ", "-")}-${view.name}.png`;
      await page.evaluate(() => document.activeElement?.blur());
      await page.screenshot({ path: new URL(file, docs).pathname });
      pages.set(what, [...(pages.get(what) ?? []), `![${what}, ${view.title}](${file})`]);
    }
    await context.close();
  }
} finally {
  await browser.close();
  await service.stop();
  await guarded.stop();
}

const head = `| ${views.map((view) => view.title).join(" | ")} |\n|${views.map(() => "---|").join("")}\n`;
const sections = [...pages].map(([what, pictures]) => {
  const title = what[0].toUpperCase() + what.slice(1);
  return `## ${title}\n\n${head}| ${pictures.join(" | ")} |\n`;
});
await writeFile(
  new URL("pages.md", docs),
  `# The public pages\n\nHow they look to a German visitor: the first screen of each, on a phone and on a desk, light and dark. Made by\n\`make pictures\` from the running demo; not to be edited.\n\n${sections.join("\n")}`,
);
