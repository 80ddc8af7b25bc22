// Pasting from Word, LibreOffice or a web page: headings, lists, links, bold and italic become Markdown, everything else
// becomes plain text. Gives an empty text where there is nothing to keep.
globalThis.rundbriefMarkdown = (html) => {
  // A document of its own: nothing in it runs, and nothing is loaded.
  // Styles are only read; under their own name the page's security policy would complain of each.
  const source = new DOMParser().parseFromString(html.replace(/\sstyle\s*=/gi, " data-style="), "text/html");
  const dropped = "script, style, head, title, meta, link, img, svg, object, iframe, template, o\\:p";

  // What would begin a list, a heading or a quote at the beginning of a line, and was none.
  const tame = (line) => line.replace(/^(\d{1,9})([.)])(?=\s|$)/, "$1\\$2").replace(/^([-+](?=\s|$)|-{3,}|#{1,6}(?=\s|$)|=+\s*$|~{3})/, "\\$1");
  const escape = (text) => text.replace(/[\\`*_[\]<>]/g, "\\$&");
  const plain = (text) => text.replace(/[\s\u00A0]+/g, " ");

  // Signs go next to the letters: "** a**" would not be bold.
  const around = (sign, text) => text.replace(/^(\s*)([^]*?)(\s*)$/, (_, a, inner, b) => (inner ? a + sign + inner + sign + b : a + b));

  const style = (node) => node.getAttribute("data-style")?.toLowerCase() ?? "";
  const isBold = (node) => (node.matches("b, strong") && !/font-weight:\s*(normal|400)/.test(style(node))) || /font-weight:\s*(bold|[6-9]00)/.test(style(node));
  const isItalic = (node) => (node.matches("i, em") && !/font-style:\s*normal/.test(style(node))) || /font-style:\s*italic/.test(style(node));

  // The text of a line.
  function inline(node, inBold = false, inItalic = false) {
    if (node.nodeType === Node.TEXT_NODE) return escape(plain(node.data));
    if (node.nodeType !== Node.ELEMENT_NODE || node.matches(dropped)) return "";
    if (node.matches("br")) return "\n";
    // Word writes the bullet of a list as text.
    if (/mso-list:\s*ignore/.test(style(node))) return "";
    const bold = !inBold && !node.matches("h1, h2, h3, h4, h5, h6") && isBold(node);
    const italic = !inItalic && isItalic(node);
    let text = [...node.childNodes].map((child) => inline(child, inBold || bold, inItalic || italic)).join("");
    if (italic) text = around("*", text);
    if (bold) text = around("**", text);
    const address = node.matches("a[href]") && node.getAttribute("href");
    if (address && /^(https?|mailto):/i.test(address) && text.trim()) {
      text = text.replace(/^(\s*)([^]*?)(\s*)$/, (_, a, inner, b) => `${a}[${inner}](${address.replace(/[()\s<>]/g, (c) => `%${c.charCodeAt(0).toString(16)}`)})${b}`);
    }
    return text;
  }

  const joined = (text) => text.split("\n").map((part) => tame(part.trim())).filter(Boolean).join("  \n");
  const line = (node) => joined(inline(node));

  const block = "address, article, aside, blockquote, center, dd, div, dl, dt, figure, footer, form, h1, h2, h3, h4, h5, h6, header, hr, li, main, nav, ol, p, pre, section, table, tbody, td, tfoot, th, thead, tr, ul";
  const out = [];

  // Word's lists are paragraphs that say so.
  function wordItem(node) {
    const level = /mso-list:[^;]*level(\d)/.exec(style(node))?.[1];
    if (!level && !/MsoListParagraph/.test(node.className)) return null;
    const bullet = [...node.querySelectorAll("[data-style]")].find((part) => /mso-list:\s*ignore/.test(style(part)))?.textContent ?? "";
    const sign = /^\s*\(?\w{1,3}[.)]/.test(bullet) ? "1. " : "- ";
    return { item: "   ".repeat((level ?? 1) - 1) + sign + line(node), list: "word" };
  }

  let lists = 0;

  function list(node, indent, name = ++lists) {
    let number = 0;
    for (const item of node.children) {
      if (item.matches("ul, ol")) {
        list(item, indent + "   ", name);
        continue;
      }
      const nested = [...item.children].filter((child) => child.matches("ul, ol"));
      nested.forEach((child) => child.remove());
      number += 1;
      const sign = node.matches("ol") ? `${number}. ` : "- ";
      const text = line(item);
      if (text) out.push({ item: indent + sign + text, list: name });
      nested.forEach((child) => list(child, indent + "   ", name));
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
      if (child.nodeType === Node.ELEMENT_NODE && !child.matches(dropped) && (child.matches(block) || child.querySelector(block))) {
        flush();
        element(child);
      } else {
        loose += inline(child);
      }
    }
    flush();
  }

  function element(node) {
    if (node.matches("h1, h2, h3, h4, h5, h6")) {
      const text = line(node).replaceAll("  \n", " ");
      // The title of the mail is the first heading; those of the text begin at the second.
      if (text) out.push({ text: (node.matches("h1, h2") ? "## " : "### ") + text });
    } else if (node.matches("ul, ol")) {
      list(node, "");
    } else if (node.matches("blockquote")) {
      const from = out.length;
      walk(node);
      const quoted = join(out.splice(from)).split("\n").map((part) => `> ${part}`.trimEnd()).join("\n");
      if (quoted !== ">") out.push({ text: quoted });
    } else if (node.matches("p") && wordItem(node)) {
      out.push(wordItem(node));
    } else if (node.matches("hr")) {
      out.push({ text: "---" });
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
