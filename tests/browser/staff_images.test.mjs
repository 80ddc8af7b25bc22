// Pictures and the check before a mailing, in a real browser: for everyone, with and without JavaScript.

import assert from "node:assert/strict";
import { test } from "node:test";

import { press } from "./journey.mjs";
import { everyImagePage, photo, updateId, upload } from "./staff_images_journey.mjs";
import { logIn } from "./staff_journey.mjs";
import { areForEveryone, looks, running } from "./fixtures.mjs";

const { service, withPage } = await running();

areForEveryone("on the pages with pictures", looks, withPage, (page, lang) => everyImagePage(service, page, lang));

test("without JavaScript a picture is uploaded, described and removed", async () => {
  // Drawn where scripts may draw.
  const buffer = await withPage({}, (page) => photo(page, 90));
  await withPage({ javaScriptEnabled: false }, async (page) => {
    await logIn(service, page);
    await page.goto(`${service.url}/staff/images`);
    await page.setInputFiles("#image", { name: "foto.jpg", mimeType: "image/jpeg", buffer });
    await page.fill("#alt", "Der See am Abend");
    await press(page, "main form button");
    assert.match(await page.locator("[role=status]").innerText(), /hochgeladen/);
    const shown = page.locator(".picture-frame-large img");
    assert.equal(await shown.getAttribute("alt"), "Der See am Abend");
    assert.equal(await shown.evaluate((image) => image.naturalWidth), 900);
    await page.fill("#alt", "Der See am Morgen");
    await press(page, "section:has(#alt) form button");
    assert.match(await page.inputValue("#markdown"), /^!\[Der See am Morgen\]\(http.*\.jpg\)$/);
    await press(page, ".button-danger");
    assert.match(await page.locator("[role=status]").first().innerText(), /entfernt/);
  });
});

/** Lets a file fall onto the place for pictures, or pastes it. */
function give(page, how, buffer, name = "foto.jpg", type = "image/jpeg") {
  return page.evaluate(
    ([how, bytes, name, type]) => {
      const data = new DataTransfer();
      data.items.add(new File([new Uint8Array(bytes)], name, { type }));
      const area = document.querySelector("[data-upload]");
      const event =
        how === "drop"
          ? new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true })
          : new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true });
      area.dispatchEvent(event);
    },
    [how, [...buffer], name, type],
  );
}

test("a picture is dropped or pasted, seen at once, and goes with the form", async () => {
  await withPage({}, async (page) => {
    await logIn(service, page);
    for (const [number, how] of ["drop", "paste"].entries()) {
      await page.goto(`${service.url}/staff/images`);
      await give(page, how, await photo(page, 100 + number));
      assert.equal(await page.locator(".upload-preview").isVisible(), true, how);
      await page.fill("#alt", `Mit ${how} gegeben`);
      await press(page, "main form button");
      assert.equal(await page.locator(".picture-frame-large img").getAttribute("alt"), `Mit ${how} gegeben`);
    }
  });
});

test("wherever one presses in the place for a picture, the window to choose one opens", async () => {
  await withPage({}, async (page) => {
    await logIn(service, page);
    await page.goto(`${service.url}/staff/images`);
    for (const where of [".upload-drop", ".upload label", "#image"]) {
      let windows = 0;
      page.on("filechooser", () => windows++);
      await Promise.all([page.waitForEvent("filechooser"), page.click(where)]);
      await page.waitForTimeout(200);
      assert.equal(windows, 1, where);
      page.removeAllListeners("filechooser");
    }
  });
});

test("inside another page's form the picture is sent at once, and the page is told", async () => {
  await withPage({}, async (page) => {
    await logIn(service, page);
    await page.goto(`${service.url}/staff/images`);
    await page.evaluate(() => {
      const area = document.querySelector("[data-upload]");
      delete area.dataset.uploadSubmits;
      // The script looks at the page once; here it comes a second time, as on a page of another kind.
      const other = area.cloneNode(true);
      area.replaceWith(other);
      window.told = new Promise((resolve) => {
        document.addEventListener("rundbrief:image", (event) => resolve(event.detail), { once: true });
      });
      const script = document.createElement("script");
      script.src = "/assets/staff-upload.js";
      document.head.append(script);
      return new Promise((resolve) => (script.onload = resolve));
    });
    await give(page, "drop", Buffer.from("<svg/>"), "a.svg", "image/svg+xml");
    await page.locator("#image-error:not([hidden])").waitFor();
    assert.match(await page.locator("#image-error").innerText(), /JPEG, PNG oder WebP/);
    assert.equal(await page.locator("#image").getAttribute("aria-invalid"), "true");

    await page.evaluate(() => {
      const data = new DataTransfer();
      data.items.add(new File([new Uint8Array(15 * 1024 * 1024 + 1)], "foto.jpg", { type: "image/jpeg" }));
      const drop = new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true });
      document.querySelector("[data-upload]").dispatchEvent(drop);
    });
    assert.match(await page.locator("#image-error").innerText(), /zu groß/);

    await give(page, "drop", await photo(page, 110));
    const told = await page.evaluate(() => window.told);
    assert.match(told.url, /\/images\/[a-z2-7]{26}\.jpg$/);
    assert.equal(told.width, 900);
    assert.equal(await page.locator("#image-error").isHidden(), true);
    assert.match(await page.locator(".upload [role=status]").innerText(), /Das Bild ist da/);

    await page.context().clearCookies();
    await give(page, "drop", await photo(page, 111));
    await page.locator("#image-error:not([hidden])").waitFor();
    assert.match(await page.locator("#image-error").innerText(), /Anmeldung ist abgelaufen/);
  });
});

test("the check before a mailing is read without JavaScript and leads to what is to be mended", async () => {
  await withPage({ javaScriptEnabled: false }, async (page) => {
    await logIn(service, page);
    await page.goto(`${service.url}/staff/updates/${await updateId(service)}/preflight`);
    assert.equal(await page.locator("h1").innerText(), "Prüfung vor dem Versand");
    assert.ok((await page.locator(".findings").count()) > 0);
    await press(page, "main form button");
    assert.equal(await page.locator("h1").innerText(), "Prüfung vor dem Versand");
  });
});

test("the keyboard reaches everything on the page of a picture", async () => {
  await withPage({}, async (page) => {
    await logIn(service, page);
    await upload(service, page, 120, "Der Hafen");
    const reached = new Set();
    for (let presses = 0; presses < 30; presses++) {
      await page.keyboard.press("Tab");
      reached.add(await page.evaluate(() => document.activeElement.id || document.activeElement.textContent.trim()));
    }
    for (const wanted of ["alt", "credit", "markdown", "Beschreibung speichern", "Bild entfernen", "Alle Bilder"]) {
      assert.ok(reached.has(wanted), `${wanted} is not among ${[...reached].join(", ")}`);
    }
  });
});
