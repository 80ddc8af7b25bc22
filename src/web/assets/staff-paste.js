// Pasting from Word, LibreOffice or a web page: headings, lists, tables, links, bold and italic become Markdown, everything else
// becomes plain text. Pictures stand at these addresses, in their order; those without one are left out. Gives an empty text
// where there is nothing to keep.
globalThis.rundbriefMarkdown = (html, addresses = []) => {
  const source = globalThis.rundbriefDocument(html);
  const pictures = new Map(globalThis.rundbriefImages(source).map((image, number) => [image, addresses[number]]));
  const dropped = "script, style, head, title, meta, link, svg, object, iframe, template, o\\:p";

  // What would begin a list, a heading or a quote at the beginning of a line, and was none. The dialect: docs/markdown.md.
  const tame = (line) => line.replace(/^(\d{1,9})(\.)(?=\s|$)/, "$1\\$2").replace(/^([-+•](?=\s|$)|-{3,}|#{1,6}(?=\s|$)|={3,}\s*$|>(?![\d=]))/, "\\$1");
  // Signs that would do something. Within a word a star or an underscore is a character anyway.
  const escape = (text) =>
    text.replace(/\\(?=[\\*_~`[\]<|!])|[`[\]]|(?<![\p{L}\p{N}])[*_]+|[*_]+(?![\p{L}\p{N}*_])|~~|<(?=\S+@|https?:|mailto:)/gu, (signs) => signs.replace(/./gu, "\\$&"));
  const plain = (text) => text.replace(/[\s\u00A0]+/g, " ");

  // Signs go next to the letters: "** a**" would not be bold.
  const around = (sign, text) => text.replace(/^(\s*)([^]*?)(\s*)$/, (_, a, inner, b) => (inner ? a + sign + inner + sign + b : a + b));

  const style = (node) => node.getAttribute("data-style")?.toLowerCase() ?? "";
  const isBold = (node) => (node.matches("b, strong") && !/font-weight:\s*(normal|400)/.test(style(node))) || /font-weight:\s*(bold|[6-9]00)/.test(style(node));
  const isStruck = (node) => node.matches("s, del, strike") || /text-decoration[^;]*line-through/.test(style(node));
  const isItalic = (node) => (node.matches("i, em") && !/font-style:\s*normal/.test(style(node))) || /font-style:\s*italic/.test(style(node));

  // The text of a line.
  function inline(node, inBold = false, inItalic = false, inStruck = false) {
    if (node.nodeType === Node.TEXT_NODE) return escape(plain(node.data));
    if (node.nodeType !== Node.ELEMENT_NODE || node.matches(dropped)) return "";
    if (node.matches("br")) return "\n";
    if (node.matches("img")) return globalThis.rundbriefSign(node);
    // Word writes the bullet of a list as text.
    if (/mso-list:\s*ignore/.test(style(node))) return "";
    const bold = !inBold && !node.matches("h1, h2, h3, h4, h5, h6") && isBold(node);
    const italic = !inItalic && isItalic(node);
    const struck = !inStruck && isStruck(node);
    let text = [...node.childNodes].map((child) => inline(child, inBold || bold, inItalic || italic, inStruck || struck)).join("");
    if (struck) text = around("~~", text);
    if (italic) text = around("*", text);
    if (bold) text = around("**", text);
    const address = node.matches("a[href]") && node.getAttribute("href");
    if (address && isTarget(address) && text.trim()) {
      text = text.replace(/^(\s*)([^]*?)(\s*)$/, (_, a, inner, b) => `${a}[${inner}](${target(address)})${b}`);
    }
    return text;
  }

  // Word divides a bold text into pieces that stand side by side.
  const joined = (text) => text.split("\n").map((part) => tame(part.trim())).filter(Boolean).join("\n").replace(/(?<!\\)\*{4}|~{4}/g, "");
  const line = (node) => joined(inline(node));
  // Further lines of an item are indented as its text is.
  const indented = (sign, text) => sign + text.replaceAll("\n", `\n${sign.replace(/\S/g, " ")}`);

  const block = "address, article, aside, blockquote, center, dd, div, dl, dt, figure, footer, form, h1, h2, h3, h4, h5, h6, header, hr, li, main, nav, ol, p, pre, section, table, tbody, td, tfoot, th, thead, tr, ul";
  const out = [];

  const picture = (image) => `![${image.alt}](${image.address})`;
  const isKept = (node) => node.nodeType === Node.ELEMENT_NODE && Boolean(pictures.get(node));
  const keptIn = (node) => [...node.querySelectorAll("img")].filter(isKept);
  const isBlock = (node) => node.nodeType === Node.ELEMENT_NODE && !node.matches(dropped) && (isKept(node) || node.matches(block) || node.querySelector(block) || keptIn(node).length);
  const isTarget = (address) => /^(https?|mailto):/i.test(address);
  const target = (address) => address.replace(/[()\s<>]/g, (c) => `%${c.charCodeAt(0).toString(16)}`);
  // A picture, and below it where it led to, unless that is the picture itself.
  function put(image) {
    const kept = pictures.get(image);
    out.push({ text: picture(kept), isPicture: true });
    const link = image.closest("a[href]");
    const address = link?.getAttribute("href") ?? "";
    if (link && !link.textContent.trim() && isTarget(address) && !/\.(jpe?g|png|gif|webp|avif)$/i.test(address)) {
      out.push({ text: `[${escape(kept.alt || address.replace(/^\w+:(\/\/)?/, ""))}](${target(address)})`, isPicture: true });
    }
  }
  // Pictures of what is kept as text alone, such as an item or a cell, stand below it.
  const putBelow = (node) => keptIn(node).forEach(put);
  // A link or bold text with pictures in it: what stands around each keeps its form.
  function putAround(node) {
    const range = source.createRange();
    const flush = () => {
      const piece = node.cloneNode(false);
      piece.append(range.cloneContents());
      const text = line(piece);
      if (text) out.push({ text });
    };
    range.selectNodeContents(node);
    const end = [range.endContainer, range.endOffset];
    for (const image of keptIn(node)) {
      range.setEndBefore(image);
      flush();
      put(image);
      range.setStartAfter(image);
      range.setEnd(...end);
    }
    flush();
  }

  // What Word has written before an item or a heading: a bullet or a number.
  const marker = (node) => plain([...node.querySelectorAll("[data-style]")].find((part) => /mso-list:\s*ignore/.test(style(part)))?.textContent ?? "").trim();

  // What is below an item begins behind its sign.
  const below = (sign) => " ".repeat(Math.max(3, sign.length));

  // Word's lists are paragraphs that say so. Each keeps the number that was written, also behind another paragraph; what
  // is no number in Markdown, such as "a)" or "1.1.", stays as text. `levels` holds the signs of the items around it.
  let levels = [];
  let outermost;
  function wordItem(node) {
    const level = /mso-list:[^;]*level(\d)/.exec(style(node))?.[1];
    const text = level && line(node);
    if (!text) return null;
    const written = marker(node);
    const number = /^\(?(\d{1,9})([.)])$/.exec(written);
    const sign = number ? `${number[1]}${number[2]} ` : "- ";
    const letters = !number && /^\(?[\p{L}\d]+([.)]|(\.\d+)+\.?)[\d.)]*$/u.test(written) ? `${written} ` : "";
    levels = [...levels.slice(0, level - 1), sign];
    // Numbers behind bullets are another list.
    if (levels.length === 1) outermost = number ? "numbers" : "bullets";
    return { item: indented(levels.slice(0, -1).map(below).join("") + sign, letters + text), list: outermost };
  }

  // The lines of a table's cell; whatever is in it, a table in a table as well, becomes text.
  function cellLines(node) {
    const lines = [];
    let loose = "";
    const flush = () => {
      lines.push(...loose.split("\n").map((part) => part.trim()).filter(Boolean));
      loose = "";
    };
    for (const child of node.childNodes) {
      if (child.nodeType === Node.ELEMENT_NODE && child.matches("tr")) {
        lines.push([...child.cells].map((cell) => cellLines(cell).join(" ")).filter(Boolean).join(" "));
      } else if (child.nodeType === Node.ELEMENT_NODE && !child.matches(dropped) && (child.matches(block) || child.querySelector(block))) {
        flush();
        const inner = cellLines(child);
        const written = (child.matches("li") && "-") || (child.matches("p") && /mso-list:[^;]*level/.test(style(child)) && marker(child).replace(/^[^\p{L}\d(]+$/u, "-")) || "";
        if (written && inner.length) inner[0] = `${written} ${inner[0]}`;
        lines.push(...inner);
      } else {
        loose += inline(child);
      }
    }
    flush();
    return lines.filter(Boolean);
  }

  const alignment = (cell) => {
    const said = [cell, ...cell.querySelectorAll("p, div")].map((part) => /text-align:\s*(center|right|left)/.exec(style(part))?.[1] ?? part.getAttribute("align")?.toLowerCase());
    return said.find(Boolean);
  };
  const isBoldCell = (cell) => isBold(cell) || /^\*\*[^]*\*\*$/.test(cellLines(cell).join("\n"));

  // A table of data as Markdown has it, or nothing for one that only puts things into places.
  function table(node) {
    if (node.matches("[role=presentation], [role=none]") || node.querySelector("h1, h2, h3, h4, h5, h6, blockquote, pre, hr")) return null;
    const rows = [...node.rows];
    const grid = rows.map(() => []);
    rows.forEach((row, y) => {
      let x = 0;
      for (const cell of row.cells) {
        while (grid[y][x]) x += 1;
        // A cell over several rows or columns stands in the first of them.
        const wide = Math.min(cell.colSpan || 1, 50);
        const high = Math.min(cell.rowSpan || rows.length, rows.length - y);
        for (let below = 0; below < high; below++) {
          for (let beside = 0; beside < wide; beside++) grid[y + below][x + beside] = below || beside ? { text: "" } : { cell, text: cellLines(cell).join("<br>").replace(/\|/g, "\\|") };
        }
        x += wide;
      }
    });
    const whole = grid.filter((row) => row.some((part) => part?.text));
    const count = Math.max(0, ...whole.map((row) => row.length));
    const used = [...Array(count).keys()].filter((x) => whole.some((row) => row[x]?.text));
    if (used.length < 2 || (node.querySelector("table") && whole.length < 2)) return null;
    const body = whole.map((row) => used.map((x) => row[x] ?? { text: "" }));
    const said = body[0].filter((part) => part.text);
    const hasHead = said.every(({ cell }) => cell.matches("th, thead *")) || (body.length > 1 && said.every(({ cell }) => isBoldCell(cell)));
    // Markdown knows no table without a head; one of empty cells is not shown.
    const head = hasHead ? body.shift().map((part) => ({ text: part.text.replace(/^\*\*|\*\*$|\*\*(?=<br>)|(?<=<br>)\*\*/g, "") })) : used.map(() => ({ text: "" }));
    const signs = used.map((_, x) => {
      const ways = new Set(body.filter((row) => row[x].text).map((row) => alignment(row[x].cell)));
      const way = ways.size === 1 ? [...ways][0] : "";
      return { center: ":-:", right: "--:" }[way] ?? "---";
    });
    const written = (row) => `| ${row.join(" | ")} |`;
    const texts = (row) => written(row.map((part) => part.text));
    return [texts(head), written(signs), ...body.map(texts)].join("\n");
  }

  let lists = 0;

  function list(node, indent, name = ++lists) {
    let number = (Number.parseInt(node.getAttribute("start"), 10) || 1) - 1;
    let sign = "";
    for (const item of node.children) {
      if (item.matches("ul, ol")) {
        list(item, indent + below(sign), name);
        continue;
      }
      const nested = [...item.children].filter((child) => child.matches("ul, ol"));
      nested.forEach((child) => child.remove());
      number = Number.parseInt(item.getAttribute("value"), 10) || number + 1;
      sign = node.matches("ol") ? `${Math.max(0, number)}. ` : "- ";
      const text = line(item);
      if (text) out.push({ item: indented(indent + sign, text), list: name });
      putBelow(item);
      nested.forEach((child) => list(child, indent + below(sign), name));
    }
  }

  function walk(node) {
    let loose = "";
    const flush = () => {
      const text = joined(loose);
      if (text) out.push({ text });
      loose = "";
    };
    for (const child of node.childNodes) {
      if (isBlock(child)) {
        flush();
        element(child);
      } else {
        loose += inline(child);
      }
    }
    flush();
  }

  function element(node) {
    const item = node.matches("p") && wordItem(node);
    if (item) {
      out.push(item);
      return putBelow(node);
    }
    levels = [];
    if (isKept(node)) return put(node);
    if (node.matches("h1, h2, h3, h4, h5, h6")) {
      const text = [marker(node), line(node).replaceAll("\n", " ")].filter(Boolean).join(" ");
      // The title of the mail is the first heading; those of the text begin at the second.
      if (text) out.push({ text: (node.matches("h1, h2") ? "## " : "### ") + text });
      putBelow(node);
    } else if (node.matches("ul, ol")) {
      list(node, "");
    } else if (node.matches("blockquote")) {
      const from = out.length;
      walk(node);
      const inner = out.splice(from);
      const quoted = join(inner.filter(({ isPicture }) => !isPicture)).split("\n").map((part) => `> ${part}`.trimEnd()).join("\n");
      if (quoted !== ">") out.push({ text: quoted });
      out.push(...inner.filter(({ isPicture }) => isPicture));
    } else if (node.matches("table") && table(node)) {
      if (node.caption && line(node.caption)) out.push({ text: line(node.caption) });
      out.push({ text: table(node) });
      putBelow(node);
    } else if (node.matches("hr")) {
      out.push({ text: "---" });
    } else if (!node.matches(block) && !node.querySelector(block)) {
      putAround(node);
    } else {
      walk(node);
    }
  }

  // Items of one list follow each other line by line; everything else has a blank line between.
  const gap = (part, before) => (!before ? "" : part.list && part.list === before.list ? "\n" : "\n\n");
  const join = (parts) => parts.map((part, number) => gap(part, parts[number - 1]) + (part.item ?? part.text)).join("");

  walk(source.body);
  return join(out);
};

// A document of its own: nothing in it runs, and nothing is loaded. Styles are only read; under their own name the page's
// security policy would complain of each.
globalThis.rundbriefDocument = (html) => new DOMParser().parseFromString(html.replace(/\sstyle\s*=/gi, " data-style="), "text/html");

// The sign that a picture stands for, such as an emoji; empty for every other picture.
globalThis.rundbriefSign = (image) => (/^\p{Extended_Pictographic}\P{L}*$/u.test(image.getAttribute("alt") ?? "") ? image.getAttribute("alt") : "");

// All images but the bullets of lists.
globalThis.rundbriefAllImages = (source) => [...source.querySelectorAll("img")].filter((image) => !image.closest("[data-style*='mso-list:ignore' i], [data-style*='mso-list: ignore' i]"));

// The pictures that can be seen; what is hardly there counts readers.
globalThis.rundbriefImages = (source) => {
  const isTiny = (image) => ["width", "height"].some((side) => /^[0-3](px)?$/.test(image.getAttribute(side) ?? ""));
  return globalThis.rundbriefAllImages(source).filter((image) => !isTiny(image) && !globalThis.rundbriefSign(image));
};
