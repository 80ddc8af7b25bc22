// Lines of a text as blocks. As in src/mail/markdown/blocks.rs.

import { indent, isBeside, markers } from "./lists.js";
import { trim, trimStart } from "./characters.js";
import * as table from "./table.js";

const DEEPEST = 12;

/**
 * The blocks of these lines, each with the lines that it takes, from `from` to before `to`. Text that is still to be read
 * stands in leaves, { text }.
 */
export function blocks(lines, depth = 0) {
  return new Container(lines, depth).read();
}

class Container {
  constructor(lines, depth) {
    this.lines = lines;
    this.depth = depth;
    this.markers = markers(lines, depth > 0);
    this.lastFence = lines.findLastIndex(isClosing);
  }

  read() {
    const out = [];
    let at = 0;
    while (at < this.lines.length) {
      if (trim(this.lines[at]) === "") {
        at += 1;
        continue;
      }
      const { block, end } = this.block(at);
      out.push({ ...block, from: at, to: end });
      at = end;
    }
    return out;
  }

  block(at) {
    const text = trim(this.lines[at]);
    if (this.isFence(at)) return this.code(at);
    const close = this.directiveEnd(at);
    if (close) return { block: { type: "directive" }, end: close };
    if (isRule(text)) return { block: { type: "rule" }, end: at + 1 };
    const head = heading(text);
    if (head) return { block: { type: "heading", level: head.level, leaf: { text: head.text } }, end: at + 1 };
    if (table.begins(this.lines, at)) return table.read(this.lines, at);
    if (this.isQuote(at)) return this.quote(at);
    if (this.marker(at)) return this.list(at);
    return this.paragraph(at);
  }

  marker(at) {
    return this.depth < DEEPEST ? this.markers[at] : null;
  }

  beginsBlock(at) {
    const text = trim(this.lines[at]);
    return (
      text === "" ||
      this.isFence(at) ||
      this.directiveEnd(at) > 0 ||
      isRule(text) ||
      heading(text) !== null ||
      table.begins(this.lines, at) ||
      this.isQuote(at) ||
      this.marker(at) !== null
    );
  }

  paragraph(at) {
    let text = trim(this.lines[at]);
    let end = at + 1;
    while (end < this.lines.length && !this.beginsBlock(end)) {
      const line = trim(this.lines[end]);
      if (end === at + 1 && /^={3,}$/.test(line)) return { block: { type: "heading", level: 2, leaf: { text } }, end: end + 1 };
      text += `\n${line}`;
      end += 1;
    }
    return { block: { type: "paragraph", leaf: { text } }, end };
  }

  isQuote(at) {
    const text = trim(this.lines[at]);
    if (!text.startsWith(">") || this.depth >= DEEPEST) return false;
    const isNumber = (text) => /^[0-9=]/.test(text);
    const behind = text.slice(1);
    const goesOn = () => at + 1 < this.lines.length && quoted(trim(this.lines[at + 1])) !== null;
    return !isNumber(behind) && (!isNumber(trimStart(behind)) || goesOn());
  }

  quote(at) {
    const inner = [];
    for (const line of this.lines.slice(at)) {
      const text = quoted(trimStart(line));
      if (text === null) break;
      inner.push(text);
    }
    return { block: { type: "quote", blocks: blocks(inner, this.depth + 1) }, end: at + inner.length };
  }

  list(at) {
    const first = this.markers[at];
    const items = [];
    let isTight = true;
    let width = 0;
    let end = at;
    for (let next = at; next < this.lines.length; next++) {
      const line = this.lines[next];
      if (trim(line) === "") continue;
      const marker = this.markers[next];
      if (marker && isBeside(marker, first)) {
        width = marker.width;
        items.push([line.slice(marker.content)]);
      } else if (indent(line) >= first.indent + 2 && items.length) {
        items.at(-1).push(...Array(next - end).fill(""), dedent(line, width));
      } else {
        break;
      }
      isTight &&= next === end;
      end = next + 1;
    }
    const read = items.map((lines) => blocks(lines, this.depth + 1));
    return { block: { type: "list", first: first.number, isTight, items: read }, end };
  }

  /**
   * Where the lines from `::: termin` to `:::` end that begin here; 0 where none do, or another such block begins before.
   * What they make is the service's matter.
   */
  directiveEnd(at) {
    if (this.depth > 0 || !isOpening(this.lines[at])) return 0;
    const edge = this.lines.findIndex((line, other) => other > at && (isOpening(line) || isEnding(line)));
    return edge > 0 && isEnding(this.lines[edge]) ? edge + 1 : 0;
  }

  isFence(at) {
    const text = trim(this.lines[at]);
    return text.startsWith("```") && !text.replace(/^`+/, "").includes("`") && this.lastFence > at;
  }

  code(at) {
    const opening = this.lines[at];
    const info = trim(trim(opening).replace(/^`+/, ""));
    const lines = info ? [info] : [];
    let end = at + 1;
    for (; !isClosing(this.lines[end]); end++) lines.push(dedent(this.lines[end], indent(opening)));
    return { block: { type: "code", text: lines.join("\n"), isEmpty: !lines.length }, end: end + 1 };
  }
}

const isOpening = (text) => /^:{3,}\s*[\p{Alphabetic}-]{1,60}$/u.test(trim(text));
const isEnding = (text) => /^:{3,}$/.test(trim(text));
const isClosing = (text) => /^`{3,}$/.test(trim(text));

function isRule(text) {
  const signs = text.replace(/[ \t]/g, "");
  return /^(-{3,}|\*{3,}|_{3,})$/.test(signs);
}

function heading(text) {
  const level = /^#*/.exec(text)[0].length;
  const behind = text.slice(level);
  if (level < 1 || level > 6 || !/^[ \t]/.test(behind)) return null;
  if (level === 1 && /^[0-9]/.test(trimStart(behind))) return null;
  const bare = behind.replace(/#+$/, "");
  const shown = /[ \t]$/.test(bare) ? trim(bare) : trim(behind);
  return shown ? { level, text: shown } : null;
}

/** What stands behind the sign of a quote, or null. */
const quoted = (text) => (text.startsWith(">") ? text.slice(1).replace(/^ /, "") : null);

function dedent(text, columns) {
  let left = columns;
  let at = 0;
  while (left > 0 && (text[at] === " " || text[at] === "\t")) {
    left -= text[at] === "\t" ? 4 : 1;
    at += 1;
  }
  return text.slice(at);
}
