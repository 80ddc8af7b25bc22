// The way of an admin through the pages of subscribers.

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { press } from "./journey.mjs";
import { logIn } from "./staff_journey.mjs";

let lists = 0;

/** A list as Excel writes it: semicolons, Windows-1252, a line that is wrong. Other people each time. */
export function excelList() {
  lists += 1;
  const people = [1, 2].map((n) => `M\xFCller, Mia;mia${process.pid}.${lists}.${n}@example.org;01.03.2025`);
  const text = ["Name;E-Mail-Adresse;Best\xE4tigt am", ...people, "Otto;otto at example.org;01.03.2025", ""].join("\r\n");
  return { name: "Fr\u00FChjahr.csv", mimeType: "text/csv", buffer: Buffer.from(text, "latin1") };
}

/** A mail server of old says that an address does not exist; another one each time. */
async function comesBack(service) {
  lists += 1;
  const folder = await mkdtemp(join(tmpdir(), "rundbrief-bounce-"));
  const file = join(folder, "message.eml");
  const said = ["From: MAILER-DAEMON@mx.example.org", "To: bounces@example.org", "Subject: failure notice", "",
    "Hi. This is the qmail-send program at mx.example.org.",
    "I'm afraid I wasn't able to deliver your message to the following addresses.",
    "This is a permanent error; I've given up. Sorry it didn't work out.", "",
    `<somebody.with.a.very.long.name.indeed${process.pid}.${lists}@a-rather-long-domain-name.example.org>:`,
    "Sorry, no mailbox here by that name. (#5.1.1)", ""];
  await writeFile(file, said.join("\r\n"));
  await service.run("bounces", "take", file);
  await rm(folder, { recursive: true });
}

/** Every page of subscribers there is, one after the other. */
export async function* everySubscribersPage(service, page, lang) {
  const go = (path) => page.goto(`${service.url}/staff/subscribers${path}`);
  await logIn(service, page, { lang });
  await go("");
  yield "subscribers";
  await go("?q=nobody.at.all");
  yield "no subscriber found";
  await go("?q=anna&state=active");
  yield "subscriber found";
  await press(page, ".row-title a");
  yield "one subscriber";
  await page.goto(`${page.url()}/erase`);
  yield "what erasing means";
  await page.goto(`${service.url}/staff/bounces`);
  yield "nothing came back";
  await comesBack(service);
  await page.goto(`${service.url}/staff/bounces`);
  yield "what came back";
  await press(page, ".row-title a");
  yield "a message that came back";
  await press(page, "form[action$=assign] button");
  yield "a message that came back, with an error";
  await press(page, "form[action$=ignore] button");
  await go("?state=bounced");
  await press(page, ".row-title a");
  await press(page, "form[action$=reactivate] button");
  yield "reactivating with an error";
  await go("/import");
  yield "imports";
  await page.setInputFiles("#file", { name: "list.xlsx", mimeType: "text/csv", buffer: Buffer.from("PK\x03\x04 and so on") });
  await press(page, "form:has(#file) button");
  yield "imports with an error";
  await page.setInputFiles("#file", excelList());
  await press(page, "form:has(#file) button");
  yield "columns of a list";
  await press(page, "button[value=check]");
  yield "columns with an error";
  await page.fill("#source_of_all", "Tag der offenen Tür");
  await press(page, "button[value=check]");
  await page.waitForSelector("#vouched");
  yield "after the dry run";
  await page.locator("form:has(#vouched)").evaluate((form) => (form.noValidate = true));
  await press(page, "form:has(#vouched) button");
  yield "dry run with an error";
  await page.check("#vouched");
  await press(page, "form:has(#vouched) button");
  await page.waitForFunction(() => !document.querySelector("progress"));
  yield "list brought in";
  await go("/import");
  yield "imports there were";
  await press(page, ".bar form button");
}
