// Pictures of every public page, of the staff pages without their mistakes and of a mail, for docs/pages.md and README.md: `make pictures`.

import { mkdir, rm, writeFile } from "node:fs/promises";

import { launch, picture } from "./browser.mjs";
import { everyPage, guardedPages, press } from "./journey.mjs";
import { start } from "./service.mjs";
import { everyImagePage } from "./staff_images_journey.mjs";
import { everyStaffPage, logIn, updatePages } from "./staff_journey.mjs";
import { everyPublicationPage } from "./staff_publication_journey.mjs";
import { everySendingPage } from "./staff_sending_journey.mjs";
import { everySubscribersPage } from "./staff_subscribers_journey.mjs";

const docs = new URL("../../docs/", import.meta.url);
const views = [
  { name: "phone-light", title: "phone, light", width: 360, colorScheme: "light" },
  { name: "phone-dark", title: "phone, dark", width: 360, colorScheme: "dark" },
  { name: "desktop-light", title: "desktop, light", width: 1280, colorScheme: "light" },
  { name: "desktop-dark", title: "desktop, dark", width: 1280, colorScheme: "dark" },
];

/** The staff pages that are shown, by the names that their journeys give them. */
const staffPages = new Set([
  "login", "forgotten password", "start", "people", "phone desk, an address", "phone desk, a question", "audit log", "account",
  "editor, something missing", "an event, in a dialog", "editor, the menu of blocks", "two texts", "history", "templates",
  "a link to show an update", "an update behind a link", "editor with a remark", "glossary", "pictures",
  "a picture that was uploaded", "files", "a file, in a dialog", "preflight", "send", "planned mailing",
  "newer text for a planned mailing", "mailing in its grace", "report", "colleagues", "subscribers", "one subscriber",
  "what erasing means", "what came back", "a message that came back", "columns of a list", "after the dry run", "list brought in", "publication",
  "legal details that change", "a page that is not saved yet",
]);

const service = await start();
const guarded = await start({ CAPTCHA: "always" });
const browser = await launch();
const publicPages = new Map();
const staff = new Map();
try {
  await rm(new URL("pages/", docs), { recursive: true, force: true });
  await mkdir(new URL("pages/", docs), { recursive: true });
  for (const view of views) {
    const viewport = { width: view.width, height: 800 };
    const context = await browser.newContext({ viewport, colorScheme: view.colorScheme, locale: "de-DE" });
    const page = await context.newPage();
    for await (const what of visited(page)) await keep(page, view, what, publicPages, "");
    for await (const what of worked(page)) await keep(page, view, what, staff, "staff-");
    await context.close();
  }
  await mail(new URL("mail.webp", docs));
} finally {
  await browser.close();
  await service.stop();
  await guarded.stop();
}

/** The way of a visitor. */
async function* visited(page) {
  yield* everyPage(service, page, "de");
  for await (const what of guardedPages(guarded, page, "de")) if (what === "one moment more") yield what;
}

/** The way of a member of staff. */
async function* worked(page) {
  async function* all() {
    yield* everyStaffPage(service, page, "de");
    await logIn(service, page);
    yield* updatePages(service, page, "de");
    for (const journey of [everyImagePage, everySendingPage, everySubscribersPage, everyPublicationPage]) {
      await page.context().clearCookies();
      yield* journey(service, page, "de");
    }
  }
  for await (const what of all()) if (staffPages.has(what)) yield what;
}

/** The demo's update as a mail, whole. */
async function mail(file) {
  const context = await browser.newContext({ viewport: { width: 700, height: 800 }, colorScheme: "light", locale: "de-DE" });
  const page = await context.newPage();
  await logIn(service, page);
  await page.goto(`${service.url}/staff/updates`);
  await press(page, "a:has-text('Lehrwerkstatt')");
  await page.goto(`${page.url()}/mail.html`);
  await page.setViewportSize({ width: 700, height: await page.evaluate(() => document.documentElement.scrollHeight) });
  await page.waitForFunction(() => [...document.images].every((image) => image.complete));
  await picture(page, file);
  await context.close();
}

/** One picture, kept under the page's name. */
async function keep(page, view, what, pages, prefix) {
  const file = `pages/${prefix}${what.replaceAll(",", "").replaceAll(" ", "-")}-${view.name}.webp`;
  await page.evaluate(() => (document.activeElement?.blur(), scrollTo(0, 0)));
  await picture(page, new URL(file, docs));
  pages.set(what, [...(pages.get(what) ?? []), `![${what}, ${view.title}](${file})`]);
}

const head = `| ${views.map((view) => view.title).join(" | ")} |\n|${views.map(() => "---|").join("")}\n`;
const sections = (pages) =>
  [...pages].map(([what, pictures]) => {
    const title = what[0].toUpperCase() + what.slice(1);
    return `### ${title}\n\n${head}| ${pictures.join(" | ")} |\n`;
  });
await writeFile(
  new URL("pages.md", docs),
  `# The pages\n\nHow they look in German: the first screen of each, on a phone and on a desk, light and dark. Made by \`make pictures\`\nfrom the running demo; not to be edited.\n\n${["## Public pages\n", ...sections(publicPages), "## Staff pages\n", ...sections(staff)].join("\n")}`,
);
