// The way of a member of staff through every staff page.

import { createHmac } from "node:crypto";

import { press } from "./journey.mjs";

/** Logs in as the demo's admin; the page asked for before is where it ends. */
export async function logIn(service, page, { lang = "de", factor } = {}) {
  await page.goto(`${service.url}/staff/login?lang=${lang}`);
  await page.fill("#email", service.staff.email);
  await page.fill("#password", service.staff.password);
  await press(page, "main button");
  if (factor) {
    await page.fill("#code", factor);
    await press(page, "main button");
  }
}

/** The code that an authenticator app would show (RFC 6238), so many steps from now. */
export function code(base32, later = 0) {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  const bits = [...base32.replaceAll(" ", "")].map((c) => alphabet.indexOf(c).toString(2).padStart(5, "0")).join("");
  const secret = Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)));
  const step = Buffer.alloc(8);
  step.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000) + later));
  const tag = createHmac("sha1", secret).update(step).digest();
  const at = tag.at(-1) & 15;
  return String((tag.readUInt32BE(at) & 0x7fffffff) % 1_000_000).padStart(6, "0");
}

/** From now on texts are written as Markdown in the browser of this page, as if somebody had chosen it. */
export const writeAsMarkdown = (page) =>
  page.addInitScript(() => {
    // The empty page before the first one remembers nothing.
    if (location.protocol.startsWith("http")) localStorage.setItem("rundbrief-writing", "markdown");
  });

/** Nothing that is typed into the editor waits to be saved: by the button or by itself, whichever came first. */
export const isSaved = (page) =>
  page.waitForFunction(() => {
    const [before] = document.getElementById("editor").dataset.saved.split("{at}");
    return document.getElementById("saved").textContent.startsWith(before);
  });

let people = 0;

/** Every staff page there is, one after the other. Ends as it began: logged out, without a second factor. */
export async function* everyStaffPage(service, page, lang) {
  const go = (path) => page.goto(`${service.url}/staff${path}`);
  await page.goto(`${service.url}/staff/login?lang=${lang}`);
  yield "login";
  await page.fill("#email", "nobody@example.org");
  await page.fill("#password", `a wrong one of ${people}`);
  await press(page, "main button");
  yield "login with an error";
  await go("/login/forgotten");
  yield "forgotten password";
  await page.fill("#email", "nobody");
  await press(page, "main button");
  yield "forgotten password with an error";
  await page.fill("#email", `nobody.${process.pid}.${people++}@example.org`);
  await press(page, "main button");
  yield "forgotten password, link sent";
  await logIn(service, page, { lang });
  yield "start";
  await go("/nowhere");
  yield "no such page";
  await go("/signature");
  yield "signature";
  await press(page, "main form button");
  yield "signature with an error";
  await go("/people");
  yield "people";
  await page.fill("#name", "Jonas Wolf");
  await page.fill("#email", service.staff.email);
  await press(page, "main form button");
  yield "people with an error";
  await page.fill("#email", `jonas.wolf.${process.pid}.${people++}@example.org`);
  await press(page, "main form button");
  yield "one-time link";
  const link = await page.inputValue("#link");
  await press(page, "main a.button");
  yield "person";
  // The same account, on another device: this one is told what it did, until it has read it.
  const other = await page.context().browser().newPage();
  await logIn(service, other, { lang });
  await other.goto(`${service.url}/staff/people`);
  await other.fill("#name", "Eva Blum");
  await other.fill("#email", `eva.blum.${process.pid}.${people++}@example.org`);
  await press(other, "main form button");
  await other.close();
  await go("/people");
  yield "told of another device";
  await press(page, "form[action$='/notices'] button");
  await go("/phone");
  yield "phone desk";
  await page.fill("#email", "nobody@example.org");
  await press(page, "main form button");
  yield "phone desk, an address";
  await press(page, "button[value=enter]");
  yield "phone desk, a question";
  await page.check("input[value=phone]");
  await page.fill("#note", "a@b");
  await press(page, "main form button");
  yield "phone desk, a question with an error";
  await go("/audit");
  yield "audit log";
  await go("/audit?action=second_factor_reset&from=2000-01-01&to=2000-01-02");
  yield "audit log with nothing in it";
  await go("/account");
  yield "account";
  await page.fill("#password", "x");
  await page.fill("#new_password", "passwort2026");
  await page.fill("#repeated", "passwort2026");
  await press(page, "section:has(#new_password) button");
  yield "account with an error";
  await go("/account/second-factor");
  yield "second factor, off";
  const secret = await page.innerText(".key");
  await page.fill("#code", code(secret));
  await page.fill("#password", service.staff.password);
  await press(page, "main form button");
  yield "recovery codes";
  const recovery = await page.locator(".codes code").allInnerTexts();
  await go("/account/second-factor");
  yield "second factor, on";
  await press(page, ".bar form button");
  yield "logged out";
  await page.fill("#email", service.staff.email);
  await page.fill("#password", service.staff.password);
  await press(page, "main button");
  yield "code";
  await page.fill("#code", recovery[0]);
  await press(page, "main button");
  yield "after a recovery code";
  await page.fill("#off-password", service.staff.password);
  await press(page, "section:has(#off-password) button");
  await press(page, ".bar form button");
  await page.goto(`${link}?lang=${lang}`);
  yield "welcome";
  await page.fill("#new_password", "Kamel tanzt auf Nebelhorn");
  await page.fill("#repeated", "Kamel tanzt auf Nebelberg");
  await press(page, "main button");
  yield "welcome with an error";
  await page.fill("#new_password", "Kamel tanzt auf Nebelhorn");
  await page.fill("#repeated", "Kamel tanzt auf Nebelhorn");
  await press(page, "main button");
  yield "start of an editor";
  await go("/people");
  yield "not for editors";
  await press(page, ".bar form button");
  await page.goto(link);
  yield "link that is over";
}

/** Writing an update: the list, the editor in its states, two texts at once, the history. Logged in before and after. */
export async function* updatePages(service, page, lang) {
  await page.goto(`${service.url}/staff/updates?lang=${lang}`);
  yield "updates";
  await press(page, "main form button");
  yield "editor, empty";
  const editor = page.url();
  await page.fill("#title", "Zwei Tage am See");
  await page.click("#writing-mode");
  await page.fill("#body", "## Halt\n\n- eins\n- zwei\n\n| Tag | Ort |\n|---|--:|\n| Mo | Cottbus |\n\n::: termin\nTitel: Fest\n:::\n\n> Ein *Zitat*\n\n![](https://example.org/a.png)");
  await page.click(".save-line button");
  await page.locator("#body-missing:visible").waitFor();
  yield "editor, something missing";
  await page.click("[data-do=image]");
  await page.locator("#library[open]").waitFor();
  yield "the library, in a dialog";
  await page.keyboard.press("Escape");
  await page.click("[data-do=file]");
  await page.locator("#file-dialog[open]").waitFor();
  yield "a file, in a dialog";
  await page.keyboard.press("Escape");
  await page.click("[data-do=block][data-kind=event]");
  yield "an event, in a dialog";
  await page.keyboard.press("Escape");
  await page.click("[data-do=link]");
  yield "a link, in a dialog";
  await page.keyboard.press("Escape");
  await page.route("**/staff/images/fetch", () => {});
  await page.evaluate(() => {
    const clipboardData = new DataTransfer();
    clipboardData.setData("text/html", '<p>Text</p><img src="https://example.org/a.png">');
    document.getElementById("body").dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true }));
  });
  await page.locator("#pasting-dialog[open]").waitFor();
  yield "pictures of a pasted text, in a dialog";
  await page.click("#pasting-dialog button");
  await page.click("#writing-mode");
  await page.locator("#visual-text img[src]").click();
  await page.keyboard.press("Enter");
  await page.locator("#alt-dialog[open]").waitFor();
  yield "what a picture shows, in a dialog";
  await page.keyboard.press("Escape");
  await page.click("#visual-text td");
  yield "editor, a table in the text as it will be read";
  await page.locator("#visual-text > p").last().click();
  await page.keyboard.press("Control+End");
  await page.keyboard.press("Enter");
  await page.keyboard.type("/");
  await page.locator("#block-menu:visible").waitFor();
  yield "editor, the menu of blocks";
  await page.keyboard.press("Escape");
  await isSaved(page);
  const other = await page.context().newPage();
  await other.goto(editor);
  await other.fill("#title", "Drei Tage am See");
  await other.fill("#link", "https://example.org/drei-tage");
  await isSaved(other);
  await other.close();
  await page.fill("#title", "Vier Tage am See");
  await page.locator("#conflict:visible").waitFor();
  await press(page, "#conflict button");
  yield "two texts";
  await page.goto(`${editor.split("?")[0]}/history`);
  yield "history";
  await press(page, ".rows a >> nth=0");
  yield "an earlier text";
  yield* templatePages(service, page, editor.split("?")[0]);
  yield* reviewPages(page, editor.split("?")[0], lang);
  await page.goto(`${service.url}/staff/glossary`);
  yield "glossary";
}

/** An update as a template. */
async function* templatePages(service, page, update) {
  await page.goto(`${update}/template`);
  yield "a new template";
  await page.fill("#name", "");
  await page.locator("form:has(#name)").evaluate((form) => (form.noValidate = true));
  await press(page, "form:has(#name) button");
  yield "a new template with an error";
  await page.fill("#name", "Bericht des Monats");
  await press(page, "form:has(#name) button");
  yield "a template";
  await page.goto(`${service.url}/staff/templates`);
  yield "templates";
}

/** An update behind a link, for somebody without a login, and what they remark. */
async function* reviewPages(page, update, lang) {
  await page.goto(`${update}/review`);
  yield "showing an update";
  await press(page, "form[action$='/review'] button");
  yield "a link to show an update";
  await page.goto(`${await page.inputValue("input.copy")}?lang=${lang}`);
  yield "an update behind a link";
  await page.fill("#name", "Bela Beispiel");
  await page.fill("#remark", "Das Jahr stimmt nicht.");
  await press(page, "form:has(#remark) button");
  yield "a remark is left";
  await page.goto(update);
  yield "editor with a remark";
}
