// The way of a member of staff through the pages with pictures, and the check before a mailing.

import { press } from "./journey.mjs";
import { logIn } from "./staff_journey.mjs";

/** A picture as a file: drawn in the page, in as many colours as a photograph. Another one for every seed. */
export async function photo(page, seed = 1, { width = 900, height = 600, type = "image/jpeg" } = {}) {
  const base64 = await page.evaluate(
    ([seed, width, height, type]) => {
      const canvas = Object.assign(document.createElement("canvas"), { width, height });
      const context = canvas.getContext("2d");
      const sky = context.createLinearGradient(0, 0, 0, height);
      sky.addColorStop(0, `hsl(${(seed * 67) % 360} 45% 78%)`);
      sky.addColorStop(1, `hsl(${(seed * 67 + 140) % 360} 40% 38%)`);
      context.fillStyle = sky;
      context.fillRect(0, 0, width, height);
      context.fillStyle = `hsl(${(seed * 67 + 30) % 360} 70% 62%)`;
      context.arc(width * 0.7, height * 0.35, height * 0.16, 0, 7);
      context.fill();
      return canvas.toDataURL(type).split(",")[1];
    },
    [seed, width, height, type],
  );
  return Buffer.from(base64, "base64");
}

/** Uploads one by the form; ends on its page. */
export async function upload(service, page, seed, alt, credit = "") {
  await page.goto(`${service.url}/staff/images`);
  const buffer = await photo(page, seed);
  await page.setInputFiles("#image", { name: "foto.jpg", mimeType: "image/jpeg", buffer });
  await page.fill("#alt", alt);
  await page.fill("#credit", credit);
  await press(page, "main form button");
}

/** A PDF of this name. */
export const pdf = (title) => ({ name: `${title}.pdf`, mimeType: "application/pdf", buffer: Buffer.from(`%PDF-1.7\n% ${title}\n%%EOF\n`) });

/** Uploads a file for readers by its form. */
async function shareFile(page, file) {
  await page.setInputFiles("#file", file);
  await press(page, "main form button");
}

/** The id of an update of the demo. */
export async function updateId(service) {
  const { stdout } = await service.run("updates", "list", "--json");
  return JSON.parse(stdout)[0].id;
}

let seeds = 0;

/** Every one of these pages. Ends logged out. */
export async function* everyImagePage(service, page, lang) {
  await logIn(service, page, { lang });
  const first = (seeds += 3);
  await page.goto(`${service.url}/staff/images`);
  yield "pictures";
  await page.setInputFiles("#image", { name: "a.svg", mimeType: "image/svg+xml", buffer: Buffer.from("<svg/>") });
  await page.fill("#alt", "Eine Zeichnung");
  await press(page, "main form button");
  yield "a picture that is refused";
  await upload(service, page, first, "Zwei Auszubildende an einer Drehbank in der Lehrwerkstatt am See", "Foto: Jo Muster");
  yield "a picture that was uploaded";
  await page.fill("#alt", " ");
  await press(page, "section:has(#alt) form button");
  yield "a description with an error";
  await upload(service, page, first + 1, "Der Steg");
  await page.goto(`${service.url}/staff/images`);
  yield "some pictures";
  await page.goto(`${service.url}/staff/files`);
  yield "no files";
  await shareFile(page, { name: "a.pdf", mimeType: "application/pdf", buffer: Buffer.from("<html>") });
  yield "a file that is refused";
  await shareFile(page, pdf("Programm der Werkstatttage am See"));
  yield "files";
  await page.goto(`${service.url}/staff/updates/${await updateId(service)}/preflight`);
  yield "preflight";
  await press(page, ".bar form button");
}
