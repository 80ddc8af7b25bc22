// The first mailing of somebody who has never seen the staff pages, as pictures, for docs/first-mailing.md: `make pictures`.

import { mkdir, rm, writeFile } from "node:fs/promises";

import { launch, picture } from "./browser.mjs";
import { press } from "./journey.mjs";
import { start } from "./service.mjs";
import { pdf, photo } from "./staff_images_journey.mjs";
import { sendToAll, until } from "./staff_sending_journey.mjs";

const docs = new URL("../../docs/", import.meta.url);
const text = `Am 12. März stellte unser Team in Potsdam vor, was im ersten Jahr entstanden ist: Auszubildende und Betriebe planen gemeinsam, was die Berufsschule am nächsten Tag aufgreift.

## Was wir mitnehmen

- Vertrauen wächst, wo man sich regelmäßig sieht.
- Kleine Betriebe brauchen **kurze Wege**.

Die Folien stehen auf [unserer Projektseite](https://example.org/folien). Danke an alle, die dabei waren!`;

const service = await start();
const browser = await launch();
const steps = [];
let began;
try {
  await rm(new URL("first-mailing/", docs), { recursive: true, force: true });
  await mkdir(new URL("first-mailing/", docs), { recursive: true });
  const viewport = { width: 1280, height: 800 };
  const page = await (await browser.newContext({ viewport, colorScheme: "light", locale: "de-DE" })).newPage();

  /** One step: what one does, said in German, and how it looks then; `at` is what has to be seen. */
  async function step(title, words, at) {
    if (at) {
      // Everything of it, or its beginning at the top.
      await page.locator(at).first().evaluate((element) => {
        const { top, height } = element.getBoundingClientRect();
        window.scrollBy(0, height < innerHeight - 80 ? top - (innerHeight - height) / 2 : top - 40);
      });
      // Frames are laid out once they are seen.
      await page.waitForTimeout(400);
    }
    const file = `first-mailing/${String(steps.length + 1).padStart(2, "0")}.webp`;
    await picture(page, new URL(file, docs));
    steps.push(`## ${steps.length + 1}. ${title}\n\n${words}\n\n![${title}](${file})\n`);
  }

  await page.goto(`${service.url}/staff/login?lang=de`);
  began = Date.now();
  await page.fill("#email", service.staff.email);
  await page.fill("#password", service.staff.password);
  await step("Anmelden", "Die Adresse der Seite und ein Link für das eigene Passwort kommen von der Person, die den Newsletter betreut.");
  await press(page, "main button");
  await step("Ein Update beginnen", "Die Startseite zeigt, wie es um den Newsletter steht. Der große Knopf „Neues Update schreiben“ öffnet ein leeres Update.");
  await press(page, "main form button");
  await page.fill("#title", "Zu Gast in Potsdam: ein Jahr Zusammenarbeit");
  await page.fill("#teaser", "Was nach zwölf Monaten entstanden ist, und was wir mitnehmen.");
  // As pasted from a document.
  await page.evaluate((text) => {
    const clipboardData = new DataTransfer();
    clipboardData.setData("text/plain", text);
    document.getElementById("visual-text").dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true }));
  }, text);
  await page.waitForFunction(() => /^Gespeichert um/.test(document.getElementById("saved").textContent));
  await page.frameLocator("#mail").getByText("kurze Wege").waitFor();
  await step(
    "Schreiben",
    "Titel, Teaser und Text eintippen oder aus Word einfügen. Fett, Überschriften, Listen und Links setzt die Leiste über dem Text. Gespeichert wird von selbst; rechts steht die Mail, wie sie ankommt.",
    "#editor",
  );
  const buffer = await photo(page, 3, { width: 1600, height: 900 });
  await page.setInputFiles("#picture", { name: "foto.jpg", mimeType: "image/jpeg", buffer });
  await page.waitForFunction(() => document.getElementById("image").value);
  await page.fill("#image_alt", "Das Team vor dem Tagungshaus am Havelufer");
  await page.fill("#image_credit", "Foto: Jo Muster");
  await page.waitForTimeout(3_000);
  await step(
    "Ein Bild dazu",
    "Das Foto auf die Fläche ziehen, einfügen oder auswählen. Dann in einem Satz beschreiben, was zu sehen ist, für alle, die es nicht sehen, und wer es gemacht hat.",
    "fieldset:has(#picture)",
  );
  await page.locator("#visual-text > p").last().click();
  await page.keyboard.press("Control+End");
  await page.click("[data-do=file]");
  await page.setInputFiles("#file-dialog-file", pdf("Programm der Tagung"));
  await page.locator("#file-dialog-files input:checked").waitFor();
  await step(
    "Eine Datei zum Herunterladen",
    "Der Knopf „Datei“ über dem Text lädt ein PDF oder ein Office-Dokument hoch. In der Mail stehen sein Name, seine Art und seine Größe. Ebenso gehen Termine, Knöpfe, Kontakte und Tabellen.",
  );
  await page.click("#file-dialog [value=insert]");
  await page.frameLocator("#mail").getByText("PDF, 1 KB").waitFor();
  await page.click("[data-value=phone]");
  await page.frameLocator("#mail").locator("img").last().waitFor();
  await page.waitForTimeout(500);
  await step("Ansehen", "Die Knöpfe über der Mail zeigen sie auf dem Telefon, im Dunkeln, ohne Bilder und als reinen Text.", "#preview");
  const editor = page.url();
  await press(page, "a[href$='/review']");
  await press(page, "main form button.button:not(.button-small)");
  await step("Jemandem zeigen", "Ein Link zeigt die Mail auch Menschen ohne Zugang, sieben Tage lang. Was sie dazu schreiben, steht danach über dem Text.");
  await page.goto(editor);
  await press(page, "section:has(#more) a.button");
  await page.frameLocator("iframe").locator("h1").waitFor();
  await press(page, "#test button");
  await step("Eine Testmail an sich selbst", "Der Betreff einer Testmail ist gekennzeichnet; sie geht nur an die angekreuzten Adressen.", "#test");
  await step("Was die Prüfung sagt", "Vor dem Versand wird alles geprüft. Zu jedem Hinweis steht, wie er sich beheben lässt. Was rot ist, muss vorher behoben werden; für alles andere genügt ein Haken: „Es soll so hinausgehen.“", ".findings");
  await step("Senden", "Betreff, Absender und die Zahl der Personen stehen noch einmal da. Der Knopf sagt, was er tut. Später senden geht auch.", ".panel-send");
  await sendToAll(page);
  await step("Dreißig Sekunden Bedenkzeit", "Noch ist nichts verschickt. „Zurücknehmen“ macht alles ungeschehen.");
  await until(page, "form[action$='report.csv']");
  const seconds = Math.round((Date.now() - began) / 1000);
  await step("Was daraus wurde", "Die Seite folgt dem Versand von selbst. Am Ende steht da, was der Mailserver angenommen hat und was nicht.");
  console.log(`the program took ${seconds} s, 30 of them to think it over`);
} finally {
  await browser.close();
  await service.stop();
}

await writeFile(
  new URL("first-mailing.md", docs),
  `# Die erste Mail an alle\n\nDer Weg von der Anmeldung bis zum Bericht, Bild für Bild. Gemacht von \`make pictures\` mit der laufenden Demo; nicht von Hand\nzu ändern.\n\n${steps.join("\n")}`,
);
