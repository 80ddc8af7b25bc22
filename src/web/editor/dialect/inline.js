// The text of a block as words, links, pictures, code, and the signs of bold, italic and strikethrough. As in
// src/mail/markdown/inline.rs, which says why.

import * as addresses from "./addresses.js";
import { charAt, charBefore, isBlank, isSpace, isWord, trim, trimStart } from "./characters.js";

const LABEL = 40;

const STARRED = new Set(
  ("inter trans queer cis homo frau frauen mann männer mädchen jungen lesben schwule leser leserin bürger schüler lehrer " +
    "kolleg partner teilnehmer mitarbeiter freund freunde").split(" "),
);

/** The parts of a text. In the cell of a table `<br>` is a line break. */
export function nodes(text, isCell) {
  const reader = new Reader(text, isCell);
  reader.read();
  return reader.out;
}

class Reader {
  constructor(text, isCell) {
    Object.assign(this, { text, isCell, at: 0, lineBegin: 0, out: [], brackets: [], ticks: nextTicks(text), part: null });
  }

  read() {
    while (this.at < this.text.length) {
      const c = charAt(this.text, this.at);
      if (c === "\n") {
        this.push({ type: "break" }, 1);
        this.lineBegin = this.at;
      } else if (c === "\\") this.backslash();
      else if (c === "`") this.code();
      else if (this.begins("![")) this.bracket(true);
      else if (c === "[") this.bracket(false);
      else if (c === "]") this.closeBracket();
      else if (c === "<") this.angle();
      else if (c === "*" || c === "_" || c === "~") this.mark(c);
      else if (isWord(c)) this.word();
      else this.literal(c.length);
    }
  }

  begins(sign) {
    return this.text.startsWith(sign, this.at);
  }

  rest() {
    return this.text.slice(this.at);
  }

  before() {
    return charBefore(this.text, this.at);
  }

  push(node, length) {
    this.out.push(node);
    this.at += length;
  }

  /** The next characters as text. */
  literal(length) {
    const text = this.text.slice(this.at, this.at + length);
    const followsBracket = this.brackets.length > 0 && this.brackets.at(-1).node + 1 === this.out.length;
    const last = this.out.at(-1);
    if (!followsBracket && last?.type === "text") {
      last.text += text;
      this.at += length;
    } else {
      this.push({ type: "text", text }, length);
    }
  }

  backslash() {
    const share = this.begins("\\\\") && isBlank(this.before()) && isWord(charAt(this.text, this.at + 2));
    if (share) return this.path();
    const behind = charAt(this.text, this.at + 1);
    const lineStart = trimStart(this.text.slice(this.lineBegin, this.at)) === "";
    const isNumber = /\d/.test(this.before());
    const isSign = (c) => c !== "" && ("*_~`[]<|!".includes(c) || (lineStart && "#>-+=•".includes(c)) || (isNumber && ".)".includes(c)));
    const further = charAt(this.text, this.at + 2);
    // A backslash is one where the next would be none.
    const hasMeaning = behind === "\\" ? further === "\\" || isSign(further) : isSign(behind);
    if (!hasMeaning) return this.literal(1);
    this.at += 1;
    this.literal(behind.length);
  }

  code() {
    const length = /^`+/.exec(this.rest())[0].length;
    const close = isWord(this.before()) ? undefined : this.ticks.get(this.at);
    const ends = close !== undefined && !isWord(charAt(this.text, close + length)) && !this.text.slice(this.at, close).includes("\n");
    if (!ends) return length === 3 ? this.push({ type: "leftover", text: "```" }, 3) : this.literal(length);
    const inner = this.text.slice(this.at + length, close);
    const isPadded = inner.length > 1 && inner.startsWith(" ") && inner.endsWith(" ") && trim(inner) !== "";
    this.push({ type: "code", text: isPadded ? inner.slice(1, -1) : inner }, close + length - this.at);
  }

  bracket(isImage) {
    const text = isImage ? "![" : "[";
    this.brackets.push({ node: this.out.length, isImage });
    this.push({ type: "text", text }, text.length);
  }

  closeBracket() {
    const open = this.brackets.pop();
    const behind = this.text.slice(this.at + 1);
    const found = destination(behind);
    if (!open || !found) {
      const sign = linkBegins(behind);
      return sign ? this.push({ type: "leftover", text: sign }, sign.length) : this.literal(1);
    }
    const inner = this.out.splice(open.node + 1);
    this.out.pop();
    if (open.isImage) {
      this.out.push({ type: "image", address: found.address, alt: inner.map(words).join("") });
    } else {
      this.brackets = this.brackets.filter(({ isImage }) => isImage);
      const unlinked = inner.flatMap((part) => (part.type === "link" ? part.inner : [part]));
      this.out.push({ type: "link", address: addresses.completed(found.address), isBare: false, inner: unlinked });
    }
    this.at += 1 + found.length;
  }

  angle() {
    const tag = this.isCell && /^<br ?\/?>/i.exec(this.rest())?.[0];
    if (tag) return this.push({ type: "break" }, tag.length);
    const behind = this.text.slice(this.at + 1);
    const shown = /^[^\p{White_Space}<>]*/u.exec(behind)[0];
    const isWeb = /^https?:\/\//i.test(shown);
    let address;
    if (isWeb || shown.startsWith("mailto:")) address = shown;
    else if (shown && addresses.mail(shown) === shown.length) address = `mailto:${shown}`;
    if (address === undefined || behind[shown.length] !== ">") return this.literal(1);
    const isMail = !isWeb && !shown.startsWith("mailto:");
    this.skip(isMail);
    this.bare(shown.length, address);
    this.skip(isMail);
  }

  skip(isShown) {
    if (isShown) this.literal(1);
    else this.at += 1;
  }

  /** A path of Windows, up to the next blank. */
  path() {
    this.literal(/^[^\p{White_Space}]*/u.exec(this.rest())[0].length);
  }

  word() {
    const rest = this.rest();
    if (/^[A-Za-z]:\\/.test(rest) && !isWord(this.before())) return this.path();
    if (this.mayBeginAddress()) {
      const web = addresses.web(rest);
      if (web) return this.bare(web.length, web.address);
      const mail = addresses.mail(rest);
      if (mail) return this.bare(mail, `mailto:${rest.slice(0, mail)}`);
    }
    this.literal(/^[\p{Alphabetic}\p{N}]+/u.exec(rest)[0].length);
  }

  mayBeginAddress() {
    const before = this.before();
    if (before === "") return true;
    if (before !== ":") return !isWord(before) && !"/@.-=&?#%+".includes(before);
    const label = /[^\p{White_Space}]*$/u.exec(this.text.slice(this.lineBegin, this.at - 1))[0];
    return [...label].length <= LABEL && !/[/@]/.test(label);
  }

  bare(length, address) {
    const inner = [{ type: "text", text: this.text.slice(this.at, this.at + length) }];
    this.push({ type: "link", address, isBare: true, inner }, length);
  }

  endsPartOfWord(sign, length) {
    if (!this.part || this.part.sign !== sign || length !== 2 || sign === "_") return false;
    return !/\p{White_Space}/u.test(this.text.slice(this.part.at, this.at));
  }

  namesGender(sign) {
    const rest = this.text.slice(this.at + 1);
    if (rest.startsWith("innen")) {
      const behind = charAt(rest, 5);
      return !(isWord(behind) || behind === sign);
    }
    const before = this.text.slice(this.lineBegin, this.at);
    const word = /[\p{Alphabetic}\p{N}]*$/u.exec(before)[0];
    const parted = rest.replace(/^ +/, "");
    const isParted = parted.startsWith("innen") && !isWord(charAt(parted, 5));
    return !before.slice(0, before.length - word.length).endsWith(sign) && (isParted || STARRED.has(word.toLowerCase()));
  }

  mark(sign) {
    let length = 1;
    while (this.text[this.at + length] === sign) length += 1;
    const before = this.before();
    const behind = charAt(this.text, this.at + length);
    const canBe = sign === "~" ? length === 2 : length <= 3;
    const withinWord = isWord(before) && isWord(behind);
    const namesGender = length === 1 && this.namesGender(sign);
    const canOpen =
      canBe && !isBlank(behind) && !isWord(before) && (length === 2 || before !== "/") && !namesGender && !")]}.,;:?".includes(behind);
    const canClose =
      canBe &&
      !isBlank(before) &&
      (!withinWord || this.endsPartOfWord(sign, length)) &&
      (length === 2 || behind === "" || !"-/'’".includes(behind)) &&
      !(namesGender && isWord(before)) &&
      !"([{".includes(before);
    this.part = canOpen && length === 2 ? { sign, at: this.at + length } : null;
    if (canOpen || canClose || (canBe && length === 2 && !withinWord)) this.push({ type: "mark", sign, length, canOpen, canClose }, length);
    else this.literal(length);
  }
}

/** `(address)`: the address, and how many characters it takes with its brackets; or null. */
export function destination(text) {
  if (!text.startsWith("(")) return null;
  if (text[1] === "<") {
    const angled = text.slice(2);
    const end = angled.search(/[><\n]/);
    if (end < 0 || !angled.startsWith(">)", end)) return null;
    return { address: trim(angled.slice(0, end)), length: end + 4 };
  }
  const address = text.slice(1).replace(/^ +/, "");
  let round = 0;
  let square = 0;
  let end = -1;
  let at = 0;
  for (const c of address) {
    if (c === "]" && address.startsWith("](", at)) end = at;
    else if (c === "(") round += 1;
    else if (c === ")" && round > 0) round -= 1;
    else if (c === "[") square += 1;
    else if (c === "]" && square > 0) square -= 1;
    else if (isSpace(c) || c === ")" || c === "]") end = at;
    if (end >= 0) break;
    at += c.length;
  }
  if (end < 0) return null;
  const closing = address.slice(end).replace(/^ +/, "");
  if (!closing.startsWith(")") || round || square) return null;
  return { address: address.slice(0, end), length: text.length - (closing.length - 1) };
}

function linkBegins(behind) {
  const isAddress = (text) => {
    const bare = text.replace(/^[( <]+/, "");
    return addresses.web(bare) !== null || addresses.mail(bare) > 0;
  };
  return ["](", "] ("].find((sign) => behind.startsWith(sign.slice(1)) && isAddress(behind.slice(sign.length - 1)));
}

/** What a picture's text says, without its signs. */
function words(part) {
  if (part.type === "mark") return part.sign === "~" || part.length > 3 ? part.sign.repeat(part.length) : "";
  if (part.type === "break") return " ";
  if (part.type === "image") return part.alt;
  if (part.type !== "link") return part.text;
  const shown = part.inner.map(words).join("");
  return part.isBare ? shown : `${shown} (${part.address})`;
}

/** For each run of backticks the next one of the same length. */
function nextTicks(text) {
  const later = new Map();
  const next = new Map();
  for (const { index, 0: run } of [...text.matchAll(/`+/g)].reverse()) {
    if (later.has(run.length)) next.set(index, later.get(run.length));
    later.set(run.length, index);
  }
  return next;
}
