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

  const selection = () => [text.selectionStart, text.selectionEnd, text.value.slice(text.selectionStart, text.selectionEnd)];

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

  function link(button) {
    const [from, to, chosen] = selection();
    const address = prompt(button.dataset.ask, "https://")?.trim();
    if (!address || address === "https://") return text.focus();
    const label = chosen || address.replace(/^(https?:\/\/|mailto:)/, "");
    put(from, to, `[${label}](${whole(address)})`, [1, 1 + label.length]);
  }

  // A picture within the text: chosen or pasted, described, uploaded, and put where the cursor is by then.
  function image() {
    const input = Object.assign(document.createElement("input"), { type: "file", accept: "image/jpeg,image/png,image/webp" });
    input.addEventListener("change", () => upload(input.files[0]));
    input.click();
  }

  async function upload(file) {
    const words = document.querySelector("[data-upload] [role=status]").dataset;
    const said = document.getElementById("inserting");
    if (file.size > Number(words.most)) return (said.textContent = words.large);
    const alt = prompt(bar.querySelector("[data-do=image]").dataset.askAlt)?.trim();
    // Nothing goes out without its description; an empty one would only be found later.
    if (!alt) return text.focus();
    const form = new FormData();
    form.append("alt", alt);
    form.append("image", file);
    said.textContent = words.processing;
    try {
      const answer = await fetch("/staff/images", { method: "POST", body: form, headers: { Accept: "application/json" } });
      const told = await answer.json().catch(() => ({}));
      if (answer.status !== 201) return (said.textContent = told.detail ?? (answer.redirected ? words.session : words.failed));
      said.textContent = words.ready;
      insertImage(told.url, alt);
    } catch {
      said.textContent = words.failed;
    }
  }

  // What has to stand before a block of its own, such as a picture, where the cursor is.
  function ownLines(from) {
    const above = text.value.slice(0, from);
    return !above.trim() || above.endsWith("\n\n") ? "" : above.endsWith("\n") ? "\n" : "\n\n";
  }

  function insertImage(address, alt) {
    // Behind what is selected, which stays; and whoever types in another field by now goes on there.
    const at = text.selectionEnd;
    const written = `${ownLines(at)}![${alt.replace(/[[\]]/g, "")}](${address})\n\n`;
    if (isTaken(written)) return;
    const active = document.activeElement;
    if (active === text || active === document.body || bar.contains(active)) return put(at, at, written);
    text.setRangeText(written, at, at, "end");
    text.dispatchEvent(new InputEvent("input", { bubbles: true }));
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
  };

  bar.addEventListener("click", (event) => {
    const button = event.target.closest("[data-do]");
    if (button) doing[button.dataset.do](button);
  });

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
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const end = { Home: 0, End: buttons.length - 1 }[event.key];
    const at = buttons.indexOf(document.activeElement);
    if ((!step && end === undefined) || at < 0) return;
    event.preventDefault();
    const next = buttons[end ?? (at + step + buttons.length) % buttons.length];
    buttons[at].tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  });

  // What is pasted with its form keeps headings, lists, links and bold.
  text.addEventListener("paste", (event) => {
    const html = event.clipboardData?.getData("text/html");
    const markdown = html && globalThis.rundbriefMarkdown?.(html);
    const picture = [...(event.clipboardData?.files ?? [])].find(({ type }) => type.startsWith("image/"));
    if (!markdown && picture) {
      event.preventDefault();
      return upload(picture);
    }
    if (!markdown) return;
    event.preventDefault();
    const [from, to] = selection();
    const isBlock = markdown.includes("\n") || /^(#|- |> )/.test(markdown);
    put(from, to, isBlock ? ownLines(from) + markdown : markdown);
  });
})();
