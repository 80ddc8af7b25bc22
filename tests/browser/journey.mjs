// The way of a visitor through every public page.

/** Sends the signup form; answers the address and the link in its mail. */
async function signUp(service, page, lang) {
  const address = service.newAddress();
  await page.goto(`${service.url}/?lang=${lang}`);
  await page.fill("#email", address);
  await Promise.all([page.waitForURL("**/check-mailbox**"), page.press("#email", "Enter")]);
  return { address, link: `${await service.mail(address, "confirm")}?lang=${lang}` };
}

/** Goes to the page behind a button. */
export async function press(page, selector) {
  await Promise.all([page.waitForNavigation(), page.click(selector)]);
}

/** Every public page there is, one after the other. */
export async function* everyPage(service, page, lang) {
  await page.goto(`${service.url}/?lang=${lang}`);
  yield "signup";
  await page.fill("#email", "maria@example");
  await press(page, "main button");
  yield "signup with an error";
  const { address, link } = await signUp(service, page, lang);
  yield "check mailbox";
  await page.locator("summary").click();
  yield "check mailbox, correcting the address";
  await page.fill("#email", `${Date.now()}@gmial.com`);
  await press(page, "main button");
  yield "check mailbox with a near miss";
  await page.goto(link);
  yield "confirm";
  await press(page, "button[value=confirm]");
  yield "confirmed";
  const unsubscribe = `${await service.mail(address, "unsubscribe")}?lang=${lang}`;
  await page.goto(unsubscribe);
  yield "unsubscribe";
  await press(page, "main button");
  yield "unsubscribed";
  await page.check("input[value=elsewhere]");
  await press(page, "form:has(input[value=elsewhere]) button");
  yield "the question answered";
  await press(page, "main button");
  yield "subscribed again";
  yield* ownPages(service, page, lang, address);
  const other = await signUp(service, page, lang);
  await page.goto(other.link);
  await press(page, "button[value=decline]");
  yield "declined";
  // In one tab "yes", and then "that was not me" in another.
  const twice = await signUp(service, page, lang);
  await page.goto(twice.link);
  await page.request.post(twice.link, { form: { action: "confirm" } });
  await press(page, "button[value=decline]");
  yield "refused after it was confirmed";
  // Waited for before leaving: a welcome that has not gone out by then does not.
  const leave = await service.mail(twice.address, "unsubscribe");
  await press(page, "main button");
  await page.goto(twice.link);
  yield "a link of a subscription that has ended";
  await page.goto(`${leave}?lang=${lang}`);
  yield "the unsubscribe link after leaving";
  await pressAgainPage(service, page, lang);
  yield "one more press";
  await page.goto(`${service.url}/confirm/not-ours?lang=${lang}`);
  yield "a link that does not fit";
  await page.goto(`${service.url}/nowhere?lang=${lang}`);
  yield "no such page";
}

/** What the settings link in a subscriber's mails leads to. */
async function* ownPages(service, page, lang, address) {
  await page.goto(`${await service.mail(address, "manage")}?lang=${lang}`);
  yield "settings";
  await press(page, "button[value=access]");
  yield "access link sent";
  const data = `${await service.mail(address, "data")}?lang=${lang}`;
  await page.goto(data);
  yield "everything stored";
  await page.fill("#email", "maria@example");
  await press(page, "form:has(#email) button");
  yield "a new address with an error";
  const other = service.newAddress();
  await page.fill("#email", other);
  await press(page, "form:has(#email) button");
  yield "new address asked for";
  await press(page, "section.aside a");
  yield "settings while a new address waits";
  await page.goto(`${await service.mail(other, "confirm")}?lang=${lang}`);
  yield "confirm a new address";
  await press(page, "button[value=confirm]");
  yield "new address in use";
  await page.goto(`${await service.mail(address, "manage")}?lang=${lang}`);
  await page.check(`input[value=${lang}]`);
  await press(page, "button[value=language]");
  yield "settings saved";
  await press(page, "button[value=access]");
  await page.goto(`${await service.mail(other, "data")}?lang=${lang}`);
  await press(page, "a[href*='/erase']");
  yield "delete everything";
  await press(page, "main button");
  yield "everything deleted";
}

/** The page for a form that looks like a program's. */
export async function pressAgainPage(service, page, lang) {
  await page.goto(`${service.url}/?lang=${lang}`);
  await page.fill("#email", service.newAddress());
  // As a password manager does that fills in everything.
  await page.locator("#rb_extra").evaluate((trap) => (trap.value = "Maria"));
  await press(page, "main button");
}

/** The pages of a service that asks every signup for a proof of work. */
export async function* guardedPages(service, page, lang) {
  await page.goto(`${service.url}/?lang=${lang}`);
  yield "signup with a proof of work";
  // Without its script, the form comes without a proof.
  const script = "**/assets/captcha.*.js";
  await page.route(script, (route) => route.abort());
  await page.goto(`${service.url}/?lang=${lang}`);
  await page.unroute(script);
  await page.fill("#email", service.newAddress());
  await press(page, "main button");
  await page.locator("main button:enabled").waitFor();
  yield "one moment more";
}

/** The page with the box for other sites, in each state of the box. */
export async function* embedPage(service, page, lang) {
  await page.goto(`${service.url}/embed?lang=${lang}`);
  const box = page.locator("rundbrief-signup");
  await box.locator("#input").waitFor();
  yield "embed";
  await box.locator("#input").fill("maria@example");
  await page.keyboard.press("Enter");
  await box.locator("#input[aria-invalid=true]").waitFor();
  yield "the box with an error";
  await box.locator("#input").fill(service.newAddress());
  await page.keyboard.press("Enter");
  await box.locator("#heading").last().waitFor();
  await box.locator("#input").waitFor({ state: "detached" });
  yield "the box when all is well";
}
