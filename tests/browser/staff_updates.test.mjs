// Writing an update in a real browser: saved as it is typed, formatted without knowing Markdown, pasted from elsewhere.

import assert from "node:assert/strict";
import { test } from "node:test";

import { tabTo } from "./browser.mjs";
import { press } from "./journey.mjs";
import { pdf, photo } from "./staff_images_journey.mjs";
import { isSaved, logIn, updatePages, writeAsMarkdown } from "./staff_journey.mjs";
import { areForEveryone, looks, running } from "./fixtures.mjs";

const { service, withPage: withAnyPage } = await running();

/** A page of a member who is logged in and sees the text as it will be read, closed when the work is done. */
const withVisual = (options, work) =>
  withAnyPage({ locale: "de-DE", ...options }, async (page) => {
    await logIn(service, page);
    return work(page);
  });

/** The same of a member who writes Markdown. */
const withPage = (options, work) =>
  withVisual(options, async (page) => {
    if (options.javaScriptEnabled !== false) await writeAsMarkdown(page);
    return work(page);
  });

async function begin(page) {
  await page.goto(`${service.url}/staff/updates`);
  await press(page, "main form button");
  return page.url().split("?")[0];
}

async function paste(page, html) {
  await page.focus("#body");
  await page.evaluate((html) => {
    const clipboardData = new DataTransfer();
    clipboardData.setData("text/html", html);
    document.getElementById("body").dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true }));
  }, html);
  return page.inputValue("#body");
}

areForEveryone("where updates are written", looks, withVisual, (page, lang) => updatePages(service, page, lang));

test("what is typed is saved by itself, and the mail beside it follows", async () => {
  await withPage({}, async (page) => {
    const editor = await begin(page);
    await page.fill("#title", "Zwei Tage am See");
    await page.fill("#body", "Ein Satz, der ankommt.");
    await isSaved(page);
    assert.equal(await page.locator("h1").innerText(), "Zwei Tage am See");
    const mail = page.frameLocator("#mail");
    await mail.getByText("Ein Satz, der ankommt.", { exact: true }).waitFor();
    assert.equal(await page.locator("#inbox-subject").innerText(), "Zwei Tage am See");
    await page.click("[data-value=text]");
    await mail.getByText("Newsletter abbestellen:").waitFor();
    await page.goto(editor);
    assert.equal(await page.inputValue("#body"), "Ein Satz, der ankommt.");
  });
});

test("whoever types and goes straight on to sending takes the text along, and is not asked", async () => {
  await withPage({}, async (page) => {
    const asked = [];
    page.on("dialog", (dialog) => (asked.push(dialog.type()), dialog.accept()));
    await begin(page);
    await page.fill("#title", "Gleich weiter");
    await page.fill("#body", "Ein Satz.");
    await Promise.all([page.waitForURL("**/send"), page.click("section:has(#more) a.button")]);
    assert.deepEqual(asked, []);
    assert.match(await page.locator(".inbox-subject").innerText(), /^Gleich weiter/);
  });
});

test("without JavaScript the button saves, and the views of the mail are links", async () => {
  await withPage({ javaScriptEnabled: false }, async (page) => {
    await begin(page);
    await page.fill("#title", "Ohne Skript");
    await page.fill("#body", "Ein Satz.");
    await press(page, ".save-line button");
    assert.match(await page.locator("[role=status]").first().innerText(), /Gespeichert/);
    await press(page, "[data-value=text]");
    await page.frameLocator("#mail").getByText("Ein Satz.").waitFor();
    assert.equal(await page.locator("[data-value=text][aria-current]").count(), 1);
    assert.equal(await page.locator("#toolbar:visible").count(), 0, "no buttons that do nothing");
  });
});

test("two people at once see each other, and both texts are shown", async () => {
  await withPage({}, async (page) => {
    const editor = await begin(page);
    await withPage({}, async (other) => {
      await other.goto(editor);
      await other.fill("#title", "Von der anderen");
      await isSaved(other);
      await page.fill("#title", "Von mir");
      await page.locator("#conflict:visible").waitFor();
      await press(page, "#conflict button");
      assert.equal(await page.locator("h1").innerText(), "Zwei Fassungen");
      const text = await page.locator("main").innerText();
      assert.ok(text.includes("Von mir") && text.includes("Von der anderen"), text);
    });
  });
});

test("the toolbar writes Markdown, by mouse and by keys", async () => {
  await withPage({}, async (page) => {
    await begin(page);
    const value = () => page.inputValue("#body");
    const select = (from, to) => page.evaluate(([from, to]) => document.getElementById("body").setSelectionRange(from, to), [from, to]);
    await page.fill("#body", "eins zwei");
    await page.focus("#body");
    await select(5, 9);
    await page.keyboard.press("Control+b");
    assert.equal(await value(), "eins **zwei**");
    await page.keyboard.press("Control+b");
    assert.equal(await value(), "eins zwei", "a second time takes it away");
    await page.click("[data-do=list]");
    assert.equal(await value(), "- eins zwei");
    await page.keyboard.press("Control+z");
    assert.equal(await value(), "eins zwei", "and can be undone");
    await select(0, 4);
    await page.keyboard.press("Control+k");
    assert.equal(await page.inputValue("#link-text"), "eins");
    await page.keyboard.press("Escape");
    assert.equal(await page.locator("#body:focus").count(), 1, "nothing was asked for");
    await page.keyboard.press("Control+k");
    await page.keyboard.type("example.org/");
    await page.keyboard.press("Enter");
    await page.waitForFunction(() => document.getElementById("body").value.includes("]("));
    assert.equal(await value(), "[eins](https://example.org/) zwei");
    await page.press("#body", "Control+End");
    await page.click("[data-do=block][data-kind=event]");
    await page.keyboard.type("Werkstatt");
    await page.click("#block-dialog [value=insert]");
    await page.locator("#block-event-date:invalid").waitFor();
    await page.fill("#block-event-date", "18. Juni 2027");
    await page.keyboard.press("Enter");
    await page.waitForFunction(() => document.getElementById("body").value.includes(":::"));
    assert.match(await value(), / zwei\n\n::: Termin\nTitel: Werkstatt\nDatum: 18. Juni 2027\n:::\n\n$/);
    await page.click("[data-do=block][data-kind=quote]");
    await page.keyboard.press("Escape");
    assert.match(await value(), /:::\n\n$/, "nothing was filled in");
    await page.focus("#teaser");
    await tabTo(page, "[data-do=bold]");
    await page.keyboard.press("ArrowRight");
    assert.equal(await page.locator("[data-do=italic]:focus").count(), 1);
  });
});

test("a picture within the text is chosen, described, uploaded and stands where the cursor is", async () => {
  await withPage({}, async (page) => {
    await begin(page);
    await page.fill("#body", "Davor.");
    await page.press("#body", "End");
    const buffer = await photo(page, 200);
    await page.click("[data-do=image]");
    await page.click("#library [value=insert]");
    await page.locator("#library-alt:invalid").waitFor();
    await page.setInputFiles("#library-file", { name: "a.svg", mimeType: "image/svg+xml", buffer: Buffer.from("<svg/>") });
    await page.locator("#library-status", { hasText: "JPEG, PNG oder WebP" }).waitFor();
    await page.setInputFiles("#library-file", { name: "hafen.jpg", mimeType: "image/jpeg", buffer });
    await page.locator("#library-status", { hasText: "Das Bild ist da." }).waitFor();
    await page.fill("#library-alt", "Der Hafen");
    await page.click("#library [value=insert]");
    await page.waitForFunction(() => document.getElementById("body").value.includes("!["));
    assert.match(await page.inputValue("#body"), /^Davor\.\n\n!\[Der Hafen\]\(http\S+\/images\/[a-z2-7]{26}\.jpg\)\n\n$/);
    await page.frameLocator("#mail").locator("img[alt='Der Hafen']").waitFor();
    // The library knows it, with what was said of it, and it is found and chosen by keyboard.
    await page.click("[data-do=image]");
    await page.fill("#library-search", "hafen");
    await page.press("#library-search", "Enter");
    await page.locator("#library-pictures img[alt='Der Hafen']").waitFor();
    await tabTo(page, "#library-pictures input");
    await page.keyboard.press("Space");
    assert.equal(await page.inputValue("#library-alt"), "Der Hafen");
    await page.selectOption("#library-position", { label: "Rechts neben einem Text" });
    await page.click("#library [value=insert]");
    await page.waitForFunction(() => document.getElementById("body").value.includes(":::"));
    await page.keyboard.type("Daneben.");
    assert.match(
      await page.inputValue("#body"),
      /\n\n::: Bild\nAdresse: http\S+\.jpg\nBeschreibung: Der Hafen\nPlatz: rechts\nText: Daneben\.\n:::\n\n$/,
    );
  });
});

test("another picture does not keep what was said of the first one", async () => {
  await withPage({}, async (page) => {
    await begin(page);
    const choose = async (seed) => {
      const before = await page.inputValue("#image");
      await page.setInputFiles("#picture", { name: "foto.jpg", mimeType: "image/jpeg", buffer: await photo(page, seed) });
      await page.waitForFunction((before) => document.getElementById("image").value !== before, before);
    };
    await choose(201);
    await page.fill("#image_alt", "Der Hafen");
    await page.fill("#image_credit", "Foto: Jo Muster");
    await choose(202);
    assert.equal(await page.inputValue("#image_alt"), "");
    assert.equal(await page.inputValue("#image_credit"), "");
  });
});

test("text that an office program gives with a picture of it is text", async () => {
  await withPage({}, async (page) => {
    await begin(page);
    await page.focus("#body");
    const uploads = [];
    page.on("request", (request) => request.url().endsWith("/staff/images") && uploads.push(request.url()));
    await page.evaluate(() => {
      const clipboardData = new DataTransfer();
      clipboardData.setData("text/html", "<table><tr><td>Zelle</td></tr></table>");
      clipboardData.setData("text/plain", "Zelle");
      clipboardData.items.add(new File([new Uint8Array(9)], "image.png", { type: "image/png" }));
      document.getElementById("body").dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true }));
    });
    assert.equal(await page.inputValue("#body"), "Zelle");
    await isSaved(page);
    assert.deepEqual(uploads, []);
  });
});

test("when the session is over what is typed stays, and is saved once somebody has logged in again", async () => {
  await withPage({}, async (page) => {
    const editor = await begin(page);
    const cookies = await page.context().cookies();
    await page.context().clearCookies();
    await page.fill("#title", "Nach der Pause");
    await page.locator("#saved a", { hasText: "In einem neuen Tab anmelden" }).waitFor();
    await page.keyboard.type("!");
    await page.click(".save-line button");
    await page.press("#title", "Enter");
    await page.locator("#saved a").waitFor();
    assert.equal(page.url().split("?")[0], editor, "pressing the button does not lead away from the text");
    await page.context().addCookies(cookies);
    await isSaved(page);
    await page.goto(editor);
    assert.equal(await page.inputValue("#title"), "Nach der Pause!");
  });
});

test("pasting keeps headings, lists, links and bold, and drops the rest", async () => {
  await withPage({}, async (page) => {
    await begin(page);
    // What the page itself still fetches is not meant.
    await page.waitForLoadState("networkidle");
    let asked = 0;
    page.on("request", () => asked++);
    const word = `<html xmlns:o="x"><head><style>p {color: red}</style></head><body><!--StartFragment-->
      <h1 style='color:red'>Zwei Tage</h1>
      <p class=MsoNormal style='margin:0'>Ein <b>fetter</b>, ein <i>schräger </i>Satz mit <a href="https://www.example.org/a_(b)">Link</a> und 2*3*4.<o:p></o:p></p>
      <p class=MsoListParagraphCxSpFirst style='mso-list:l0 level1 lfo1'><span style='mso-list:Ignore'>·<span>   </span></span>Erster <span style="font-weight:bold">Punkt</span></p>
      <p class=MsoListParagraphCxSpLast style='mso-list:l0 level2 lfo1'><span style='mso-list:Ignore'>o</span>darunter</p>
      <img width="1" height="1" src="https://example.org/pixel.gif"><script>alert(1)</script><!--EndFragment--></body></html>`;
    assert.equal(
      await paste(page, word),
      "## Zwei Tage\n\nEin **fetter**, ein *schräger* Satz mit [Link](https://www.example.org/a_%28b%29) und 2*3*4.\n\n- Erster **Punkt**\n   - darunter",
    );
    assert.equal(asked, 0, "nothing of what is pasted is loaded");
    await page.fill("#body", "");
    const site = `<b style="font-weight:normal"><div><h3>Termine</h3><ol><li>eins<ul><li>innen</li></ul></li><li>zwei</li></ol>
      <blockquote><p>Ein Zitat</p></blockquote><a href="javascript:alert(1)">kein Link</a><table><tr><td>Zelle</td></tr></table></div></b>`;
    assert.equal(await paste(page, site), "### Termine\n\n1. eins\n   - innen\n2. zwei\n\n> Ein Zitat\n\nkein Link\n\nZelle");
    await page.fill("#body", "");
    const table = `<table><thead><tr><th>Ort</th><th style="text-align:right">Plätze</th><th>Wann</th></tr></thead><tbody>
      <tr><td rowspan="2"><p>Cottbus</p><p>Altmarkt</p></td><td align="right">8</td><td>Mo<br>Di</td></tr>
      <tr><td style='text-align:right'>12</td><td>a|b</td></tr>
      <tr><td colspan="2"><b>Summe</b></td><td><ul><li>eins</li><li>zwei</li></ul></td></tr></tbody></table>`;
    assert.equal(
      await paste(page, table),
      "| Ort | Plätze | Wann |\n| --- | --: | --- |\n| Cottbus<br>Altmarkt | 8 | Mo<br>Di |\n|  | 12 | a\\|b |\n| **Summe** |  | - eins<br>- zwei |",
    );
    await page.fill("#body", "");
    // Excel and Google Docs mark no head; a bold first row is one.
    const sheet = "<table><tr><td>a</td><td>1</td><td></td></tr><tr><td>b</td><td>2</td><td></td></tr></table><p>Ende</p>";
    assert.equal(await paste(page, sheet), "|  |  |\n| --- | --- |\n| a | 1 |\n| b | 2 |\n\nEnde");
    await page.fill("#body", "");
    const bold = "<table><tr><td><b>A</b></td><td style='font-weight:700'>B</td></tr><tr><td>1</td><td><table><tr><td>x</td><td>y</td></tr></table></td></tr></table>";
    assert.equal(await paste(page, bold), "| A | B |\n| --- | --- |\n| 1 | x y |");
    await page.fill("#body", "");
    const item = (level, sign, text) => `<p class=MsoListParagraph style='mso-list:l0 level${level} lfo1'><![if !supportLists]><span style='mso-list:Ignore'>${sign}<span>&nbsp; </span></span><![endif]>${text}</p>`;
    const numbered = item(1, "9.", "neun") + item(1, "10.", "zehn") + item(2, "a)", "innen") + "<p class=MsoNormal>Dazwischen</p>" + item(2, "b)", "weiter") + item(1, "11.", "elf") + "<p class=MsoListParagraph>Ohne Zeichen</p>";
    assert.equal(await paste(page, numbered), "9. neun\n10. zehn\n    - a) innen\n\nDazwischen\n\n- b) weiter\n\n11. elf\n\nOhne Zeichen");
    await page.fill("#body", "");
    const docs = '<ol start="3"><li>drei</li><ol start="2"><li>innen</li></ol><li value="7">sieben</li></ol>';
    assert.equal(await paste(page, docs), "3. drei\n   2. innen\n7. sieben");
    await page.fill("#body", "");
    const dates = "<p>3. Oktober<br>- 5 Grad</p><p># 1 in Cottbus</p><p>+49 355</p>";
    assert.equal(await paste(page, dates), "3\\. Oktober\n\\- 5 Grad\n\n\\# 1 in Cottbus\n\n+49 355", "no lists, no headings");
  });
});

const VISUAL = "#visual-text";

/** Pastes what these kinds hold, where the text is seen as it will be read or as Markdown. */
const pasteKinds = (page, into, kinds) =>
  page.evaluate(
    async ([into, kinds]) => {
      await new Promise((seen) => requestAnimationFrame(() => setTimeout(seen)));
      const clipboardData = new DataTransfer();
      for (const [kind, text] of Object.entries(kinds)) clipboardData.setData(kind, text);
      document.querySelector(into).dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true }));
    },
    [into, kinds],
  );

test("the pictures of a pasted text are uploaded and stand where they stood, whichever program it comes from", async () => {
  await withVisual({}, async (page) => {
    const photos = await Promise.all([220, 221, 222, 223].map((width) => photo(page, width)));
    await begin(page);
    await page.focus(VISUAL);
    // Word: files of its own in the HTML, their bytes in the RTF, each a second time for older programs; a drawing among them.
    const pict = (kind, hex) => `{\\*\\shppict{\\pict{\\*\\picprop\\shplid1025{\\sp{\\sn a}{\\sv 0}}}\\picw1\\pich1\\${kind}\\bliptag-1{\\*\\blipuid 00ff00ff}\n${hex}}}{\\nonshppict{\\pict\\wmetafile8 00aa}}`;
    const hex = (bytes) => bytes.toString("hex").replace(/(.{128})/g, "$1\r\n");
    await pasteKinds(page, VISUAL, {
      "text/plain": "Am Hafen",
      "text/html": `<html xmlns:v="v" xmlns:o="o"><body><h1>Am <span>Hafen</span></h1><p class=MsoNormal>Vorher <!--[if gte vml 1]><v:shape><v:imagedata src="file:///C:/a/clip_image001.png"/></v:shape><![endif]--><![if !vml]><img width=220 height=100 src="file:///C:/a/clip_image002.jpg" alt="Ein Boot, das Himmel enthält.&#10;&#10;Automatisch generierte Beschreibung" v:shapes="x"><![endif]> nachher</p>
        <p class=MsoNormal><img width=10 height=10 src="file:///C:/a/clip_image003.png" alt="Diagramm 1"></p><p><b>Ende <img src="file:///C:/a/clip_image004.jpg" alt="Die [alte] Werft"></b></p></body></html>`,
      "text/rtf": `{\\rtf1\\ansi{\\header{\\pict\\pngblip 00}}{\\pict{\\*\\picprop\\defshp{\\sp{\\sn fHorizRule}{\\sv 1}}}\\pngblip 00}{\\*\\listtable{\\*\\listpicture{\\pict\\pngblip 00}}}{\\b Am Hafen\\par}${pict("jpegblip", hex(photos[0]))}${pict("emfblip", "0011")}${pict("jpegblip", hex(photos[1]))}}`,
    });
    await page.locator("#inserting", { hasText: "2 Bilder kamen mit. Bei 1 Bild fehlt noch, was darauf zu sehen ist. 1 Bild kam nicht mit." }).waitFor();
    assert.match(
      await page.inputValue("#body"),
      /^## Am Hafen\n\nVorher\n\n!\[\]\(http\S+\/images\/[a-z2-7]{26}\.jpg\)\n\nnachher\n\n\*\*Ende\*\*\n\n!\[Die alte Werft\]\(http\S+\.jpg\)$/,
    );
    assert.equal(await page.locator(`${VISUAL} img[alt='Die alte Werft']`).count(), 1);
    await page.keyboard.press("Control+z");
    assert.equal(await page.inputValue("#body"), "", "one step back takes all of it away");

    // LibreOffice and Word on the web: in the HTML. In lists, tables and quotes they stand below.
    const data = (bytes) => `data:image/jpeg;base64,${bytes.toString("base64")}`;
    await pasteKinds(page, VISUAL, {
      "text/html": `<ul><li>eins <img src="${data(photos[2])}" alt="Zwei"></li><li>zwei</li></ul><table><tr><th>A</th><th>B</th></tr><tr><td>1</td><td><img src="${data(photos[3])}" alt="drei.jpg"></td></tr><tr><td>2</td><td>b</td></tr></table>
        <blockquote><p>Zitat <img alt="👍" src="https://example.org/thumb.png"></p></blockquote><img src="data:image/svg+xml;base64,PHN2Zy8+"><img src="cid:1"><img width=1 height=1 src="https://example.org/pixel.gif">`,
    });
    await page.locator("#inserting", { hasText: "2 Bilder kamen mit. Bei 1 Bild fehlt noch, was darauf zu sehen ist. 2 Bilder kamen nicht mit." }).waitFor();
    assert.match(await page.locator("#inserting").innerText(), /Speichern Sie es als JPEG, PNG oder WebP/);
    assert.match(
      await page.inputValue("#body"),
      /^- eins\n\n!\[Zwei\]\(\S+\)\n\n- zwei\n\n\| A \| B \|\n\| --- \| --- \|\n\| 1 \| {2}\|\n\| 2 \| b \|\n\n!\[\]\(\S+\)\n\n> Zitat 👍$/,
    );
  });
});

test("which picture is which is not guessed, and those of the web are fetched by the service", async () => {
  await withPage({}, async (page) => {
    const bytes = await photo(page, 224);
    await begin(page);
    await page.focus("#body");
    // Two pictures, and one in the RTF.
    await pasteKinds(page, "#body", {
      "text/html": '<p>Text</p><img src="file:///a.png"><img src="file:///b.png">',
      "text/rtf": `{\\rtf1{\\pict\\jpegblip ${bytes.toString("hex")}}}`,
    });
    await page.locator("#inserting", { hasText: "2 Bilder kamen nicht mit." }).waitFor();
    assert.equal(await page.inputValue("#body"), "Text");

    // One that was cropped would come back whole, and one without an image in the HTML is told of, too.
    await page.fill("#body", "");
    await pasteKinds(page, "#body", {
      "text/html": '<p>Text</p><img src="file:///a.png"><v:shape id="x"><v:imagedata src="file:///b.png"></v:imagedata></v:shape>',
      "text/rtf": `{\\rtf1{\\pict\\piccropl100\\jpegblip ${bytes.toString("hex")}}}`,
    });
    await page.locator("#inserting", { hasText: "2 Bilder kamen nicht mit." }).waitFor();

    // Around pictures a text keeps its form, and where a picture led to stands below it. Enter while they come stops nothing.
    await page.fill("#body", "");
    const data = `data:image/jpeg;base64,${bytes.toString("base64")}`;
    await pasteKinds(page, "#body", {
      "text/html": `<p><b>eins <img src="${data}" alt="A"> zwei</b></p><a href="https://example.org/x"><img src="${data}" alt="Jetzt anmelden"></a>`,
    });
    await page.keyboard.press("Enter");
    await page.locator("#inserting", { hasText: "2 Bilder kamen mit." }).waitFor();
    assert.match(await page.inputValue("#body"), /^\*\*eins\*\*\n\n!\[A\]\(\S+\)\n\n\*\*zwei\*\*\n\n!\[Jetzt anmelden\]\(\S+\)\n\n\[Jetzt anmelden\]\(https:\/\/example\.org\/x\)$/);

    // The service refuses what is not in the public web, and says so.
    await page.fill("#body", "");
    const asked = [];
    page.on("request", (request) => asked.push(request.url().replace(service.url, "")));
    await pasteKinds(page, "#body", { "text/html": '<p>Text</p><img alt="Ein See" src="http://127.0.0.1/see.jpg">' });
    await page.locator("#inserting", { hasText: "1 Bild kam nicht mit." }).waitFor();
    assert.match(await page.locator("#inserting").innerText(), /ließ es sich nicht holen/);
    assert.deepEqual(asked.filter((path) => path.includes("see.jpg") || path.startsWith("/staff/images")), ["/staff/images/fetch"], "the browser loads nothing itself");

    // Whoever does not want to wait gets the text alone.
    await page.fill("#body", "");
    await page.route("**/staff/images/fetch", () => {});
    await pasteKinds(page, "#body", { "text/html": '<p>Text</p><img src="https://www.somewhere.org/see.jpg">' });
    await page.locator("#pasting-dialog[open]", { hasText: "Bild 1 von 1" }).waitFor();
    await page.click("#pasting-dialog button");
    await page.locator("#inserting", { hasText: "1 Bild kam nicht mit." }).waitFor();
    assert.equal(await page.inputValue("#body"), "Text");
  });
});

test("what is written as it will be read is saved as Markdown, and comes back the same", async () => {
  await withVisual({}, async (page) => {
    const { keyboard } = page;
    const editor = await begin(page);
    const value = () => page.inputValue("#body");
    await page.fill("#title", "Zwei Tage am See");
    await page.focus(VISUAL);
    await keyboard.type("## Halt");
    await keyboard.press("Enter");
    await keyboard.type("Liebe Kolleg*innen, kommt ");
    await keyboard.press("Control+b");
    await keyboard.type("alle");
    await keyboard.press("Control+b");
    await keyboard.type(" am 16. Dezember.");
    await keyboard.press("Enter");
    await keyboard.type("- Kuchen");
    await keyboard.press("Enter");
    await keyboard.type("Tee");
    await keyboard.press("Enter");
    await keyboard.press("Enter");
    await keyboard.press("Control+k");
    await page.fill("#link-address", "example.org/programm");
    await keyboard.press("Enter");
    await page.waitForFunction(() => document.getElementById("body").value.includes("programm"));
    assert.equal(await value(), "## Halt\n\nLiebe Kolleg*innen, kommt **alle** am 16. Dezember.\n\n- Kuchen\n- Tee\n\n[example.org/programm](https://example.org/programm)");
    await keyboard.press("Control+z");
    assert.match(await value(), /Tee$/, "and can be undone");
    await keyboard.type("/tab");
    await keyboard.press("Enter");
    await keyboard.type("Ort");
    await keyboard.press("Tab");
    await keyboard.type("Plätze");
    await keyboard.press("Tab");
    await keyboard.type("Cottbus");
    await page.click("#table-toolbar [data-table=right]");
    await isSaved(page);
    const written = await value();
    assert.match(written, /\n\n\| Ort \| Plätze \|\n\| --: \| --- \|\n\| Cottbus \| {2}\|\n\| {2}\| {2}\|$/);
    await page.frameLocator("#mail").getByText("Cottbus", { exact: true }).waitFor();
    await page.goto(editor);
    assert.equal(await page.locator(`${VISUAL} th`).first().innerText(), "Ort");
    assert.equal(await value(), written);
    await page.click("#writing-mode");
    assert.equal(await page.inputValue("#body:visible"), written);
    await page.goto(editor);
    assert.equal(await page.locator(`${VISUAL}:visible`).count(), 0, "the browser remembers the choice");
  });
});

test("what the editor cannot show stays as it is, and only what was edited is written anew", async () => {
  await withVisual({}, async (page) => {
    await begin(page);
    const odd = "::: termin\nTitel: Fest\nWann: 16.12.2026\n:::";
    const text = `__Alt__ und gut.\n${odd}\n* eins\n* zwei\n\n\nEnde.\n`;
    await page.evaluate((text) => {
      const field = document.getElementById("body");
      field.value = text;
      field.dispatchEvent(new InputEvent("input", { bubbles: true }));
    }, text);
    assert.equal(await page.locator(`${VISUAL} .source pre`).innerText(), odd);
    await page.locator(`${VISUAL} > p`).last().click();
    await page.keyboard.press("End");
    await page.keyboard.type(" Wirklich.");
    assert.equal(await page.inputValue("#body"), text.replace("Ende.", "Ende. Wirklich."));
    await page.locator(`${VISUAL} .source pre`).click();
    await page.keyboard.press("Control+End");
    await isSaved(page);
  });
});

test("a block of fields is a card with a form behind it, and what nobody changes in it stays as it was", async () => {
  await withVisual({}, async (page) => {
    await begin(page);
    const { keyboard } = page;
    const value = () => page.inputValue("#body");
    const card = page.locator(`${VISUAL} .card`);
    await page.focus(VISUAL);
    await keyboard.type("Kommen Sie!");
    await page.click("[data-do=block][data-kind=event]");
    await keyboard.type("Sommerfest");
    await page.fill("#block-event-date", "18. Juni 2027");
    await page.fill("#block-event-begin", "15 Uhr");
    await keyboard.press("Enter");
    await card.getByText("18. Juni 2027, 15 Uhr").waitFor();
    await keyboard.type("Bis dann.");
    assert.match(await value(), /^Kommen Sie!\n\n::: Termin\nTitel: Sommerfest\nDatum: 18. Juni 2027\nBeginn: 15 Uhr\n:::\n\nBis dann.$/);

    // With the keyboard alone: selected, told, changed and taken away.
    await keyboard.press("Home");
    await keyboard.press("ArrowUp");
    await page.locator("#visual-said", { hasText: "Termin: Sommerfest. Die Eingabetaste ändert es" }).waitFor();
    await keyboard.press("Enter");
    assert.equal(await page.inputValue("#block-event-begin"), "15 Uhr");
    await page.fill("#block-event-place", "Cottbus");
    await keyboard.press("Enter");
    await card.getByText("Cottbus").waitFor();
    assert.match(await value(), /Beginn: 15 Uhr\nOrt: Cottbus\n:::/);
    await keyboard.press("Control+z");
    assert.equal(await card.getByText("Cottbus").count(), 0);
    await card.getByRole("button", { name: "Entfernen: Termin" }).click();
    assert.equal(await value(), "Kommen Sie!\n\nBis dann.");

    // As somebody else has written it, with what it lacks; nothing of it changes by being looked at.
    const text = "::: Quote\nText: *Gut* war es.\nUnd weiter.\n:::\n\n::: bild\naddress: https://example.org/a.png\nBeschreibung: Zwei Menschen\nplatz: Left\nDaneben.\n:::\n";
    await page.evaluate((text) => {
      const field = document.getElementById("body");
      field.value = text;
      field.dispatchEvent(new InputEvent("input", { bubbles: true }));
    }, text);
    await card.getByText("Noch leer: Name").waitFor();
    assert.equal(await card.locator("img[alt='Zwei Menschen']").count(), 1);
    assert.equal(await value(), text);
    await card.last().dblclick();
    assert.equal(await page.inputValue("#block-picture-position"), "links");
    await page.fill("#block-picture-text", "Daneben.\nNachweis: keiner");
    await page.click("#block-dialog [value=insert]");
    await page.waitForFunction(() => document.getElementById("body").value.includes("keiner"));
    assert.match(await value(), /^::: Quote\nText: \*Gut\* war es.\nUnd weiter.\n:::\n\n::: bild\nAdresse: https:\/\/example.org\/a.png\nBeschreibung: Zwei Menschen\nPlatz: links\nText: Daneben.\nText: Nachweis: keiner\n:::\n$/);
    assert.equal(await card.last().locator(".card-text").innerText(), "Daneben.\nNachweis: keiner");
    await isSaved(page);
  });
});

test("in a table a block goes behind it, and behind its last cell there is another row", async () => {
  await withVisual({}, async (page) => {
    await begin(page);
    const { keyboard } = page;
    await page.focus(VISUAL);
    await keyboard.type("/tab");
    await keyboard.press("Enter");
    for (const cell of ["Tag", "Ort", "Mo", "Cottbus", "Di", "Guben", "Mi"]) {
      await keyboard.type(cell);
      await keyboard.press("Tab");
    }
    assert.match(await page.inputValue("#body"), /\| Di \| Guben \|\n\| Mi \| {2}\|$/);
    await page.click("[data-do=block][data-kind=contact]");
    await keyboard.type("Ada Muster");
    await keyboard.press("Enter");
    await page.locator(`${VISUAL} .card`, { hasText: "Ada Muster" }).waitFor();
    assert.match(await page.inputValue("#body"), /\| Mi \| {2}\|\n\n::: Kontakt\nName: Ada Muster\n:::$/);
    await isSaved(page);
  });
});

test("a remark that is put aside takes nothing along of what was typed just before", async () => {
  await withVisual({}, async (page) => {
    const editor = await begin(page);
    await page.fill("#title", "Offene Werkstatt");
    await isSaved(page);
    await press(page, "a[href$='/review']");
    await press(page, "main form button");
    const link = await page.inputValue("input.copy");
    await page.goto(link);
    await page.fill("#name", "Bela");
    await page.fill("#remark", "Bitte fett.");
    await press(page, "main form button");
    await page.locator(".notice", { hasText: "Ihre Anmerkung ist gespeichert" }).waitFor();
    await page.goto(editor);
    await page.focus(VISUAL);
    await page.keyboard.type("Modellprojekte");
    await press(page, "form[action$='/done'] button");
    assert.equal(page.url().split("?")[0], editor);
    assert.equal(await page.inputValue("#body"), "Modellprojekte");
    assert.equal(await page.getByText("Bitte fett.").count(), 0);
  });
});

test("on a phone every button is to be reached, a table moves within the text, and the menu stays in sight", async () => {
  await withVisual({ viewport: { width: 390, height: 700 } }, async (page) => {
    await begin(page);
    const width = () => page.evaluate(() => document.documentElement.scrollWidth);
    const more = page.locator("[data-more]");
    await more.click();
    assert.equal(await more.getAttribute("aria-expanded"), "true");
    assert.equal(await page.locator("[data-do=table]").isVisible(), true);
    await page.click("[data-do=table]");
    assert.equal(await more.getAttribute("aria-expanded"), "false");
    await page.keyboard.type("Ausbildungsberufe");
    await page.keyboard.press("Tab");
    await page.keyboard.type("Lernortkooperation");
    await page.click("#table-toolbar [data-table=column]");
    assert.equal(await width(), 390);
    await page.keyboard.press("Control+End");
    for (let line = 0; line < 12; line++) await page.keyboard.press("Enter");
    await page.keyboard.type("/");
    const [menu, bar] = await Promise.all(["#block-menu", ".save-line"].map((what) => page.locator(what).boundingBox()));
    assert.ok(menu.y >= 0 && menu.y + menu.height <= bar.y, `${menu.y} + ${menu.height}, above ${bar.y}`);
    await isSaved(page);
  });
});

test("from the check it goes to the very words, in the text as it will be read and in the Markdown", async () => {
  await withVisual({}, async (page) => {
    const editor = await begin(page);
    await page.fill("#title", "Fest in {{ort}}");
    await page.click("#writing-mode");
    await page.fill("#body", "Das Fest.\n\n- Kuchen\n- Um XX Uhr\n- [hier](http://example.org/a) geht es weiter\n\nEnde.");
    await isSaved(page);
    const lead = async (part) => {
      await page.goto(`${editor.split("?")[0]}/preflight`);
      const link = page.locator(".findings-list li", { hasText: part }).locator("a").first();
      await Promise.all([page.waitForNavigation(), link.click()]);
    };
    const chosen = () => page.evaluate(() => { const { selectionStart, selectionEnd, value } = document.activeElement; return value.slice(selectionStart, selectionEnd); });
    await lead("XX Uhr");
    assert.equal(await chosen(), "XX Uhr");
    assert.ok(!page.url().includes("words="), "a page that is loaded again stays where one was");
    await lead("{{ort}}");
    assert.equal(await chosen(), "{{ort}}");
    await page.click("#writing-mode");
    await lead("XX Uhr");
    assert.equal(await page.evaluate(() => String(getSelection())), "XX Uhr");
    await lead("http://example.org/a");
    assert.equal(await page.evaluate(() => String(getSelection())), "hier");
  });
});

test("two people at once, one of them in the text itself: nobody's words are lost", async () => {
  await withVisual({}, async (page) => {
    const editor = await begin(page);
    await withVisual({}, async (other) => {
      await other.goto(editor);
      await other.focus(VISUAL);
      await other.keyboard.type("Von der anderen");
      await isSaved(other);
      await page.focus(VISUAL);
      await page.keyboard.type("Von mir");
      await page.locator("#conflict:visible").waitFor();
      await press(page, "#conflict button");
      const text = await page.locator("main").textContent();
      assert.ok(text.includes("Von mir") && text.includes("Von der anderen"), text);
    });
  });
});

test("pictures and what is pasted arrive where the cursor is in the text as it will be read", async () => {
  await withVisual({}, async (page) => {
    await begin(page);
    const value = () => page.inputValue("#body");
    const pasteInto = (html, plain = "") =>
      page.evaluate(
        async ([html, plain]) => {
          // Nobody pastes in the very moment of a key: the editor has seen by then where the cursor is.
          await new Promise((seen) => requestAnimationFrame(() => setTimeout(seen)));
          const clipboardData = new DataTransfer();
          if (html) clipboardData.setData("text/html", html);
          if (plain) clipboardData.setData("text/plain", plain);
          document.getElementById("visual-text").dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true }));
        },
        [html, plain],
      );
    await page.focus(VISUAL);
    await page.keyboard.type("Davor. Danach.");
    for (let steps = 0; steps < 7; steps++) await page.keyboard.press("ArrowLeft");
    await pasteInto("<p style='color:red'>Ein <b style='mso-x:y'>fetter</b> Satz.</p>");
    assert.equal(await value(), "Davor. Ein **fetter** Satz.Danach.");
    await page.keyboard.press("Control+End");
    await page.click("[data-do=image]");
    await page.setInputFiles("#library-file", { name: "hafen.jpg", mimeType: "image/jpeg", buffer: await photo(page, 210) });
    await page.locator("#library-status", { hasText: "Das Bild ist da." }).waitFor();
    await page.fill("#library-alt", "Der Hafen");
    await page.click("#library [value=insert]");
    await page.locator(`${VISUAL} img[alt='Der Hafen']`).waitFor();
    await pasteInto("", "- eins\n- zwei");
    assert.match(await value(), /Danach\.\n\n!\[Der Hafen\]\(http\S+\)\n\n- eins\n- zwei$/);
    await page.locator(`${VISUAL} img[src]`).click();
    await page.keyboard.press("Enter");
    await page.locator("#alt-dialog[open]").waitFor();
    assert.equal(await page.inputValue("#alt-dialog-alt"), "Der Hafen");
    await page.fill("#alt-dialog-alt", "Der Hafen bei Nacht");
    await page.keyboard.press("Enter");
    await page.locator(`${VISUAL} img[alt='Der Hafen bei Nacht']`).waitFor();
    assert.match(await value(), /!\[Der Hafen bei Nacht\]\(http\S+\)/);
    await page.keyboard.press("Control+z");
    assert.match(await value(), /!\[Der Hafen\]/, "and can be undone");
    await page.locator(`${VISUAL} img[src]`).dblclick();
    await page.locator("#alt-dialog[open]").waitFor();
    await page.keyboard.press("Escape");
  });
});

test("the text is left with the Tab key behind Escape, and the buttons are reached from it", async () => {
  await withVisual({}, async (page) => {
    const { keyboard } = page;
    await begin(page);
    await page.focus("#teaser");
    await tabTo(page, VISUAL);
    await keyboard.type("- eins");
    await keyboard.press("Enter");
    await keyboard.press("Tab");
    await keyboard.type("innen");
    assert.equal(await page.inputValue("#body"), "- eins\n  - innen");
    await keyboard.press("Alt+F10");
    assert.equal(await page.locator("[data-do=bold]:focus").count(), 1);
    await keyboard.press("End");
    await keyboard.press("Home");
    assert.equal(await page.locator("[data-do=bold]:focus").count(), 1);
    await keyboard.press("Enter");
    assert.equal(await page.innerText("#visual-said"), "Fett: an");
    assert.equal(await page.locator("[data-do=bold][aria-pressed=true]").count(), 1);
    await keyboard.press("Alt+F10");
    await keyboard.press("Escape");
    assert.equal(await page.locator(`${VISUAL}:focus`).count(), 1);
    await keyboard.press("Escape");
    await keyboard.press("Tab");
    assert.equal(await page.locator(`${VISUAL}:focus`).count(), 0);
    assert.equal(await page.inputValue("#body"), "- eins\n  - innen");
  });
});

test("fifteen lines of the text and the buttons are seen at once, and the mail beside them", async () => {
  await withVisual({ viewport: { width: 1280, height: 800 } }, async (page) => {
    await begin(page);
    await page.focus(VISUAL);
    for (let line = 1; line <= 15; line++) {
      await page.keyboard.type(`Zeile ${line}`);
      await page.keyboard.press("Shift+Enter");
    }
    await page.evaluate(() => window.scrollTo(0, 0));
    const last = await page.evaluate(() => {
      const range = document.createRange();
      const walker = document.createTreeWalker(document.getElementById("visual-text"), NodeFilter.SHOW_TEXT);
      while (walker.nextNode()) if (walker.currentNode.data === "Zeile 15") range.selectNode(walker.currentNode);
      return range.getBoundingClientRect().bottom;
    });
    const saveLine = (await page.locator(".save-line").boundingBox()).y;
    assert.ok(last <= saveLine, `the last line ends at ${last}, and at ${saveLine} it is covered`);
    assert.ok((await page.locator("#mail").boundingBox()).y < 400);
    await page.setViewportSize({ width: 1000, height: 800 });
    assert.equal(await page.locator("#mail:visible").count(), 0);
    await page.click("[data-shows=mail]");
    assert.equal(await page.locator("#mail:visible").count(), 1);
    assert.equal(await page.locator("#visual-text:visible").count(), 0);
  });
});

test("a file is chosen or dropped, gets its name, and stands in the text as a block; what cannot come along is named", async () => {
  for (const way of [withPage, withVisual]) {
    await way({}, async (page) => {
      await begin(page);
      // What a dialog gives is written once it has closed.
      const holds = (pattern) => page.waitForFunction((source) => new RegExp(source, "m").test(document.getElementById("body").value), pattern.source);
      await page.click("[data-do=file]");
      await page.setInputFiles("#file-dialog-file", pdf("Programm"));
      await page.locator("#file-dialog-files input:checked").waitFor();
      assert.equal(await page.inputValue("#file-dialog-title"), "Programm");
      assert.match(await page.locator("#file-dialog-files label").first().innerText(), /PDF, 1\sKB/);
      await page.fill("#file-dialog-title", "Das Programm");
      await page.click("#file-dialog button[value=insert]");
      await holds(/^::: Datei\nTitel: Das Programm\nAdresse: http.*\/files\/[a-z2-7]{26}\.pdf\n:::/);
      await isSaved(page);
      await page.frameLocator("#mail").getByText("PDF, 1 KB").waitFor();

      // One that is there already is offered, and nothing is inserted without one.
      await page.click("[data-do=file]");
      await page.fill("#file-dialog-title", "Noch eine");
      await page.click("#file-dialog button[value=insert]");
      await page.getByText("Wählen Sie eine Datei aus, oder laden Sie eine hoch.").waitFor();
      await page.locator("#file-dialog-files label", { hasText: "Programm" }).first().waitFor();
      await page.fill("#file-dialog-search", "Protokoll");
      await page.getByText("Zu diesen Wörtern gibt es keine Datei.").waitFor();
      await page.fill("#file-dialog-search", "gramm");
      await page.locator("#file-dialog-files label", { hasText: "Programm" }).first().waitFor();
      await page.keyboard.press("Escape");

      const place = way === withPage ? "#body" : VISUAL;
      await page.locator(place).evaluate((element) => {
        const dataTransfer = new DataTransfer();
        dataTransfer.items.add(new File(["%PDF-1.7 %%EOF"], "Plan.pdf", { type: "application/pdf" }));
        dataTransfer.items.add(new File(["MZ"], "setup.exe", { type: "application/octet-stream" }));
        element.dispatchEvent(new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true }));
      });
      await page.locator("#inserting", { hasText: "Nicht eingefügt: setup.exe." }).waitFor();
      await page.locator("#file-dialog-files input:checked").waitFor();
      await page.click("#file-dialog button[value=insert]");
      await holds(/Titel: Plan\nAdresse: /);
    });
  }
});
