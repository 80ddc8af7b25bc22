// The way of an admin through the pages of the publication. Saves nothing.

import { press } from "./journey.mjs";
import { logIn } from "./staff_journey.mjs";

/** Every page of the publication there is, one after the other. */
export async function* everyPublicationPage(service, page, lang) {
  const go = (path) => page.goto(`${service.url}/staff/publication${path}`);
  const save = ".save-line .button:not([formaction])";
  await logIn(service, page, { lang });
  await go("");
  yield "publication";
  await page.fill("#accent", "#ffcc00");
  await press(page, `form.form ${save}`);
  yield "publication with an error";
  await page.click(".more summary");
  yield "publication with room for more logos";
  await go("");
  await page.fill("#de_consent", "Ja, ich möchte den Newsletter und kann ihn jederzeit abbestellen.");
  await page.fill("#mailing_days", "30");
  await press(page, `form.form ${save}`);
  yield "legal details that change";
  await go("");
  await page.fill("#de_heading", "Post aus der Werkstatt");
  const [tab] = await Promise.all([page.waitForEvent("popup"), page.click("[formaction$=preview]")]);
  await tab.waitForLoadState();
  const url = tab.url();
  await tab.close();
  await page.goto(`${url}&show=pages%2Fsignup`);
  await page.frameLocator("iframe").getByText("Post aus der Werkstatt").first().waitFor();
  yield "a page that is not saved yet";
  await go("/look?show=mails%2Fwelcome&width=phone&look=dark");
  await page.frameLocator("iframe").locator("h1").first().waitFor();
  yield "a mail as it looks";
  await press(page, ".bar form button");
}
