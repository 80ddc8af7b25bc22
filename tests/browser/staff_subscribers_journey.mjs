// The way of an admin through the pages of subscribers.

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
