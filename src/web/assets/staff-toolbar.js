// The toolbar over a text: writes the signs of Markdown, so that nobody has to know them. Each change can be undone with
// the browser's own undo.
(() => {
  const bar = document.getElementById("toolbar");
  const text = document.getElementById("body");
  if (!bar || !text) return;
  bar.hidden = false;

  // Puts text in the place of a range, and selects a part of it. Where the text is seen as it will be read, its editor takes
  // what is written, and puts it where its own cursor is.
  const isTaken = (written) => !text.dispatchEvent(new CustomEvent("rundbrief:insert", { detail: written, cancelable: true }));

  function put(from, to, written, select = [written.length, written.length]) {
    if (isTaken(written)) return;
    text.focus();
    text.setSelectionRange(from, to);
    // The one way that the browser's undo knows of.
    if (!document.execCommand("insertText", false, written)) {
      text.setRangeText(written, from, to);
      text.dispatchEvent(new InputEvent("input", { bubbles: true }));
    }
    text.setSelectionRange(from + select[0], from + select[1]);
  }

  // Where the editor has the text, nothing is selected in the field.
  const selection = () => text.hidden ? [text.value.length, text.value.length, ""] : [text.selectionStart, text.selectionEnd, text.value.slice(text.selectionStart, text.selectionEnd)];

  // Around the selection; a second time takes the signs away again. Each line has its own, behind what makes it an item.
  function around(sign) {
    const [from, to, chosen] = selection();
    if (chosen.trim().includes("\n")) {
      const one = (line) => line.replace(/^(\s*(?:(?:[-*+•>]|\d+\.|#{1,6})\s+)*)(.*?)(\s*)$/, (_, lead, inner, end) => lead + (inner && sign + inner + sign) + end);
      const written = chosen.split("\n").map(one).join("\n");
      return put(from, to, written, [0, written.length]);
    }
    const before = text.value.slice(from - sign.length, from);
    const behind = text.value.slice(to, to + sign.length);
    if (before === sign && behind === sign) {
      put(from - sign.length, to + sign.length, chosen, [0, chosen.length]);
    } else {
      const inner = chosen.trim();
      const lead = chosen.length - chosen.trimStart().length;
      const written = chosen.slice(0, lead) + sign + inner + sign + chosen.slice(lead + inner.length);
      put(from, to, written, [lead + sign.length, lead + sign.length + inner.length]);
    }
  }

  // Before each line of the selection; a second time takes it away again.
  function lines(sign, pattern) {
    let [from, to] = selection();
    from = text.value.lastIndexOf("\n", from - 1) + 1;
    const end = text.value.indexOf("\n", to);
    to = end < 0 ? text.value.length : end;
    const old = text.value.slice(from, to).split("\n");
    const has = old.every((line) => !line.trim() || pattern.test(line));
    const bare = old.map((line) => line.replace(pattern, ""));
    const written = (has ? bare : bare.map((line, number) => sign(number) + line)).join("\n");
    // A list or a quote stands by itself.
    const above = text.value.slice(0, from);
    const gap = has || !above.trim() || /\n\n$/.test(above) ? "" : "\n";
    put(from, to, gap + written, [gap.length, gap.length + written.length]);
  }

  // An address as people write it, with what it is.
  function whole(address) {
    if (/^[a-z][a-z0-9+.-]*:/i.test(address)) return address;
    return (/^[^\s@/]+@[^\s@/]+$/.test(address) ? "mailto:" : "https://") + address;
  }

  const dialogs = globalThis.rundbriefDialogs;

  async function link() {
    const [from, to, chosen] = selection();
    const asked = await dialogs.link(chosen);
    if (!asked) return text.focus();
    const label = asked.text || asked.address.replace(/^(https?:\/\/|mailto:)/, "");
    put(from, to, `[${label}](${whole(asked.address)})`, [1, 1 + label.length]);
  }

  // A picture within the text: from the library, or chosen or pasted, and described.
  async function image(button, file) {
    const asked = await dialogs.picture(file);
    if (!asked) return text.focus();
    // Behind what is selected, which stays.
    const at = text.selectionEnd;
    const words = button.dataset;
    if (!asked.caption && !asked.credit && !asked.position) {
      return put(at, at, `${ownLines(at)}![${asked.alt.replace(/[[\]]/g, "")}](${asked.picture})\n\n`);
    }
    const fields = [
      [words.address, asked.picture],
      [words.description, asked.alt],
      [words.caption, asked.caption],
      [words.credit, asked.credit],
      [words.position, asked.position],
    ].filter(([, value]) => value);
    // What stands beside it is still to be written.
    if (asked.position) fields.push([words.text, ""]);
    insertBlock(at, at, words.block, fields, fields.length - 1);
  }

  // A file for readers: one that is there, or that is chosen or dropped now.
  async function file(button, dropped) {
    const asked = await dialogs.file(dropped);
    if (!asked) return text.focus();
    const at = text.selectionEnd;
    const words = button.dataset;
    insertBlock(at, at, words.block, [[words.title, asked.title], [words.address, asked.file]], 1);
  }

  // A block of fields, with the cursor behind one of them.
  function insertBlock(from, to, begin, fields, at) {
    const lines = fields.map(([name, value]) => `${name}: ${value}`);
    const above = `${ownLines(from)}${begin}\n`;
    const end = above.length + lines.slice(0, at + 1).join("\n").length;
    put(from, to, `${above}${lines.join("\n")}\n:::\n\n`, [end, end]);
  }

  // What is selected becomes the first field, if it is one line.
  async function block(button) {
    const [from, to, chosen] = selection();
    const takes = !chosen.includes("\n");
    const { kind, block: begin } = button.dataset;
    const first = Object.keys(dialogs.blockKind(kind).fields)[0];
    const fields = await dialogs.block(kind, takes ? { [first]: chosen.trim() } : {});
    if (!fields) return text.focus();
    put(takes ? from : to, to, `${ownLines(takes ? from : to)}${dialogs.blockText(begin, fields)}\n\n`);
  }

  function table(button) {
    const at = text.selectionEnd;
    const column = button.dataset.column;
    const above = ownLines(at);
    put(at, at, `${above}| ${column} 1 | ${column} 2 |\n|---|---|\n|  |  |\n\n`, [above.length + 2, above.length + 4 + column.length]);
  }

  // What has to stand before a block of its own, such as a picture, where the cursor is.
  function ownLines(from) {
    const above = text.value.slice(0, from);
    return !above.trim() || above.endsWith("\n\n") ? "" : above.endsWith("\n") ? "\n" : "\n\n";
  }

  const doing = {
    bold: () => around("**"),
    italic: () => around("*"),
    heading: () => lines(() => "## ", /^#{1,6} /),
    list: () => lines(() => "- ", /^[-*] /),
    numbers: () => lines((number) => `${number + 1}. `, /^\d+\. /),
    quote: () => lines(() => "> ", /^> /),
    link,
    image,
    file,
    block,
    table,
  };

  bar.addEventListener("click", (event) => {
    const button = event.target.closest("[data-do]");
    if (button) doing[button.dataset.do](button);
  });

  // On a phone the buttons stand in one line until all of them are asked for.
  const more = bar.querySelector("[data-more]");
  const unfold = (isOpen) => more.setAttribute("aria-expanded", String(bar.classList.toggle("toolbar-open", isOpen)));
  bar.addEventListener("click", (event) => unfold(event.target === more && !bar.classList.contains("toolbar-open")), true);

  const keys = { b: "bold", i: "italic", k: "link" };
  text.addEventListener("keydown", (event) => {
    const what = keys[event.key.toLowerCase()];
    if (!what || !(event.ctrlKey || event.metaKey) || event.altKey || event.shiftKey) return;
    event.preventDefault();
    doing[what](bar.querySelector(`[data-do=${what}]`));
  });

  // One stop for the Tab key, arrows within (WAI-ARIA, toolbar pattern).
  const buttons = [...bar.querySelectorAll("button")];
  buttons.forEach((button, number) => (button.tabIndex = number ? -1 : 0));
  bar.addEventListener("keydown", (event) => {
    const seen = buttons.filter((button) => button.offsetParent);
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const end = { Home: 0, End: seen.length - 1 }[event.key];
    const at = seen.indexOf(document.activeElement);
    if ((!step && end === undefined) || at < 0) return;
    event.preventDefault();
    const next = seen[end ?? (at + step + seen.length) % seen.length];
    seen[at].tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  });

  // What cannot come along is named.
  const inserting = document.getElementById("inserting");
  const plurals = new Intl.PluralRules(document.documentElement.lang);
  const isPicture = ({ type }) => type.startsWith("image/");
  // By its name; the service decides by what is in it.
  const isShared = ({ name }) => /\.(pdf|docx|xlsx|pptx|odt|ods|odp)$/i.test(name);

  // Pictures and files are described one after the other; what is neither is named.
  async function take(dropped) {
    const others = dropped.filter((one) => !isPicture(one) && !isShared(one)).map(({ name }) => name);
    inserting.textContent = others.length ? inserting.dataset.files.replace("{names}", others.join(", ")) : "";
    for (const one of dropped.filter(isPicture)) await image(bar.querySelector("[data-do=image]"), one);
    for (const one of dropped.filter((other) => !isPicture(other) && isShared(other))) await file(bar.querySelector("[data-do=file]"), one);
  }

  text.addEventListener("dragover", (event) => {
    if ([...event.dataTransfer.items].some(({ kind }) => kind === "file")) event.preventDefault();
  });
  text.addEventListener("drop", (event) => {
    if (!event.dataTransfer.files.length) return;
    event.preventDefault();
    take([...event.dataTransfer.files]);
  });

  // What is pasted with its form keeps headings, lists, links and bold.
  text.addEventListener("paste", (event) => {
    const html = event.clipboardData?.getData("text/html");
    const markdown = html && globalThis.rundbriefMarkdown?.(html);
    const files = [...(event.clipboardData?.files ?? [])];
    if (!markdown && files.length) {
      event.preventDefault();
      return take(files);
    }
    const { pictures, others } = html ? globalThis.rundbriefPastedPictures.find(html, event.clipboardData.getData("text/rtf")) : { pictures: [], others: 0 };
    tellPictures(0, 0, others);
    if (!markdown && !pictures.length) return;
    event.preventDefault();
    if (pictures.length) pasteWith(pictures, html, others);
    else paste(markdown);
  });

  function paste(markdown) {
    const [from, to] = selection();
    const isBlock = markdown.includes("\n") || /^(#|- |> |!\[)/.test(markdown);
    put(from, to, isBlock ? ownLines(from) + markdown : markdown);
  }

  // The text waits for its pictures, and is inserted as a whole.
  async function pasteWith(pictures, html, others) {
    const { taken, reasons } = await globalThis.rundbriefPastedPictures.upload(pictures);
    const markdown = globalThis.rundbriefMarkdown(html, taken);
    const kept = taken.filter(Boolean);
    if (markdown) paste(markdown);
    tellPictures(kept.length, kept.filter(({ alt }) => !alt).length, others + taken.length - kept.length, reasons);
  }

  // What became of pasted pictures: how many came along, how many of those nobody has described, how many did not and why.
  function tellPictures(kept, undescribed, lost, reasons = []) {
    const said = (what, count) => (count ? inserting.dataset[what + plurals.select(count)].replace("{count}", count) : "");
    inserting.textContent = [said("kept", kept), said("bare", undescribed), said("lost", lost), ...reasons].filter(Boolean).join(" ");
  }
})();
