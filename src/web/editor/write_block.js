// A block of the editor as Markdown. What is written is read again before it counts: signs that would be taken for some of
// the dialect get a backslash only where they have to.

import { destination } from "./dialect/inline.js";
import { web } from "./dialect/addresses.js";
import { charBefore, isBlank, isWord, trimStart } from "./dialect/characters.js";
import { readCell } from "./dialect/document.js";
import { atomsOf, nodesOf, tidied, wholeWords } from "./leaf.js";
import { leafNodes, nodesIn } from "./nodes.js";
import { schema } from "./schema.js";

const { nodes: n, marks: m } = schema;

const written = new WeakMap();

/**
 * The block, which is tidy (tidy.js), as it is written anew, with more or less care for what stands beside it: at 1 it has a
 * backslash before every number that would make a list together with others, at 2 before every sign.
 */
export function blockMarkdown(node, care = 0) {
  if (care) return firstThatReads(node, care);
  if (!written.has(node)) written.set(node, firstThatReads(node, care));
  return written.get(node);
}

const BULLETS = ["-", "•"];

/** A list of bullets behind another one, which it is not to go on with. */
export const withOtherBullet = (node, care) => write(node, { base: "-", bullet: "•", care });

function firstThatReads(node, care) {
  const ways = BULLETS.map((base) => write(node, { base, bullet: base, care }));
  const reads = (markdown) => {
    const found = nodesIn(markdown);
    return found.length === 1 && found[0]?.eq(node);
  };
  return ways.find(reads) ?? ways[0];
}

function write(node, how) {
  switch (node.type) {
    case n.paragraph:
      return leafMarkdown(node, how.isInner ? "inner" : "outer", how.care);
    case n.heading:
      return `${"#".repeat(node.attrs.level)} ${leafMarkdown(node, "heading", how.care)}`;
    case n.quote: {
      const lines = writeAll(node.children, "\n\n", { ...how, isInner: true }).split("\n");
      // A number behind the sign is "more than" where nothing follows.
      if (lines.length === 1 && /^[0-9=]/.test(lines[0])) lines.push("");
      return lines.map((line) => `> ${line}`.trimEnd()).join("\n");
    }
    case n.bullet_list:
    case n.ordered_list: {
      const gap = node.attrs.isTight ? "\n" : "\n\n";
      const items = node.children.map((item, number) => {
        const sign = node.type === n.bullet_list ? how.bullet : `${node.attrs.first + number}.`;
        const inner = writeAll(item.children, gap, { ...how, isInner: true });
        return `${sign} ${inner.replace(/\n(?!\n|$)/g, `\n${" ".repeat(sign.length + 1)}`)}`;
      });
      return items.join(gap);
    }
    case n.table:
      return tableMarkdown(node, how.care);
    case n.code:
      return `\`\`\`\n${node.textContent ? `${node.textContent}\n` : ""}\`\`\``;
    case n.source:
    case n.card:
      return markdownOf(node);
    default:
      return "---";
  }
}

/** What stands in the editor as its Markdown, seen or not. */
export const markdownOf = (node) => (node.type === n.card ? node.attrs.markdown : node.textContent);

export const isMarkdown = (node) => node.type === n.source || node.type === n.card;

function writeAll(nodes, gap, how) {
  let bullet = how.base;
  const texts = nodes.map((node, at) => {
    const follows = node.type === n.bullet_list && nodes[at - 1]?.type === n.bullet_list;
    bullet = follows && bullet === how.base ? BULLETS.find((other) => other !== how.base) : how.base;
    return write(node, { ...how, bullet });
  });
  return texts.join(gap);
}

function tableMarkdown(table, care) {
  const rows = table.children.map((row) => row.children.map((cell) => leafMarkdown(cell, "cell", care)));
  const ways = table.firstChild.children.map((cell) => ({ left: ":--", center: ":-:", right: "--:" })[cell.attrs.align] ?? "---");
  const line = (cells) => `| ${cells.join(" | ")} |`;
  return [line(rows[0]), line(ways), ...rows.slice(1).map(line)].join("\n");
}

/** The leaf as text; `place` is "outer", "inner" (of a list or quote), "heading" or "cell". */
function leafMarkdown(leaf, place, care = 0) {
  const { children } = leaf;
  const found = (nodes, place) => firstFound(nodes, place, ESCAPES.slice(care));
  const whole = nodesOf(tidied(wholeWords(atomsOf(children))));
  return found(children, place) ?? found(whole, place) ?? inlineMarkdown(children, { escape: all, em: "*", place, isPlain: true });
}

/** Whether Markdown has a way to write this text as it is. */
export const isWritable = (leaf, place) => firstFound(nodesOf(tidied(atomsOf(leaf.children))), place, ESCAPES) !== null;

/** How it is written so that it is read as these nodes again, or null. */
function firstFound(nodes, place, escapes) {
  if (!nodes.length) return "";
  for (const escape of escapes) {
    for (const em of ["*", "_"]) {
      const text = inlineMarkdown(nodes, { escape, em, place });
      if (reads(text, nodes, place)) return text;
    }
  }
  return null;
}

function reads(text, nodes, place) {
  const isSame = (others) => others.length === nodes.length && others.every((other, at) => other.eq(nodes[at]));
  if (place === "cell") return !text.includes("\n") && isSame(leafNodes(readCell(text)));
  const blocks = nodesIn(place === "heading" ? `## ${text}` : text, place === "inner" ? 1 : 0);
  const type = place === "heading" ? n.heading : n.paragraph;
  return blocks.length === 1 && blocks[0]?.type === type && isSame(blocks[0].children);
}

// Ways to keep a sign from being taken for one of the dialect: not at all, at the beginnings of lines, everywhere, and
// everywhere with addresses in angle brackets, behind which a backslash is none of the address.
const none = { text: (text) => text, lines: (text) => text };
const starts = { text: none.text, lines: atStarts };
const all = { text: (text) => everywhere(text, behindAddress), lines: atStarts };
const angled = { text: (text) => everywhere(text, inAngles), lines: atStarts };
const ESCAPES = [none, starts, all, angled];

function atStarts(text) {
  const numbers = text.replace(/^(\d{1,9})\.(?=\s)/gm, "$1\\.");
  const signs = numbers.replace(/^([-+•*](?=\s)|-{3,}\s*$|#{1,6}(?=\s)|={3,}\s*$|>)/gm, "\\$1");
  return signs.replace(/^[|:\- ]*$/gm, (line) => line.replaceAll("|", "\\|"));
}

const SIGNS = "*_~`[]<|";

/** `address` says how an address is written, with what follows it: (its length, the text from there on) → { out, length }. */
function everywhere(text, address) {
  let out = "";
  for (let at = 0; at < text.length; ) {
    const rest = text.slice(at);
    const before = charBefore(text, at);
    // In paths of Windows a backslash is one.
    const path = (!isWord(before) && /^[A-Za-z]:\\\S*/.exec(rest)?.[0]) || (isBlank(before) && /^\\\\[\p{L}\p{N}]\S*/u.exec(rest)?.[0]);
    const isAddress = !path && !isWord(before) && web(rest);
    if (path || isAddress) {
      const kept = path ? { out: path, length: path.length } : address(isAddress.length, rest);
      out += kept.out;
      at += kept.length;
      continue;
    }
    const [c, next] = [rest[0], rest[1] ?? ""];
    const isWithinWord = (c === "*" || c === "_") && isWord(before) && isWord(next);
    const wouldBeNone = () => {
      const isStart = trimStart(text.slice(text.lastIndexOf("\n", at - 1) + 1, at)) === "";
      return next === "" || `\\!${SIGNS}${isStart ? "#>-+=•" : ""}${/\d/.test(before) ? ".)" : ""}`.includes(next);
    };
    const needs = c === "\\" ? wouldBeNone() : (SIGNS.includes(c) && !isWithinWord) || (c === "!" && next === "[");
    out += needs ? `\\${c}` : c;
    at += 1;
  }
  return out;
}

/** A backslash behind an address would belong to it: what ends the address stays as it is. */
function behindAddress(length, rest) {
  const end = /^[.,;:!?'_*~|…–]*[^\s\p{L}\p{N}]?/u.exec(rest.slice(length))[0];
  const out = rest.slice(0, length) + end;
  return { out, length: out.length };
}

function inAngles(length, rest) {
  const address = rest.slice(0, length);
  return /^https?:/i.test(address) ? { out: `<${address}>`, length } : behindAddress(length, rest);
}

function inlineMarkdown(nodes, how) {
  const items = nodes.map((node) => ({ node, marks: how.isPlain ? node.marks.filter(({ type }) => type === m.link) : node.marks }));
  return how.escape.lines(runs(items, how));
}

/** What lasts longest stands outside. */
function runs(items, how) {
  let out = "";
  for (let at = 0; at < items.length; ) {
    const { node, marks } = items[at];
    const outer = marks.filter(({ type }) => type !== m.code_text);
    if (!outer.length) {
      out += marks.length ? code(node.text) : single(node, how);
      at += 1;
      continue;
    }
    const ends = outer.map((mark) => {
      let end = at;
      while (end < items.length && mark.isInSet(items[end].marks)) end += 1;
      return end;
    });
    const end = Math.max(...ends);
    const mark = outer[ends.indexOf(end)];
    const inner = items.slice(at, end).map((item) => ({ ...item, marks: mark.removeFromSet(item.marks) }));
    out += around(mark, runs(inner, how), how);
    at = end;
  }
  return out;
}

function around(mark, inner, { em }) {
  const sign = { strong: "**", em, strike: "~~" }[mark.type.name];
  return sign ? sign + inner + sign : `[${inner}](${target(mark.attrs.href)})`;
}

function single(node, { escape, place }) {
  if (node.type === n.hard_break) return place === "cell" ? "<br>" : "\n";
  const inCell = (text) => (place === "cell" ? text.replace(/\\?\|/g, "\\|") : text);
  if (node.type === n.image) return `![${inCell(escape.text(node.attrs.alt))}](${target(node.attrs.src)})`;
  return inCell(escape.text(node.text));
}

function code(text) {
  const lengths = new Set((text.match(/`+/g) ?? []).map((run) => run.length));
  let length = 1;
  while (lengths.has(length)) length += 1;
  const sign = "`".repeat(length);
  const isEdge = /^`|`$|^ .* $/.test(text);
  return isEdge ? `${sign} ${text} ${sign}` : sign + text + sign;
}

/** An address as it may stand between the brackets of a link. */
function target(address) {
  if (destination(`(${address})`)?.address === address) return address;
  if (destination(`(<${address}>)`)?.address === address) return `<${address}>`;
  return encodeURI(address).replace(/[()<>[\]]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
}
