// Addresses that somebody typed as they are. As in src/mail/markdown/addresses.rs.

import { isWord } from "./characters.js";

const LOCAL = 64;
const ADDRESS = 2048;

/** The web address that a text begins with: { length, address }, or null. */
export function web(text) {
  const scheme = /^https?:\/\//i.exec(text)?.[0];
  if (!scheme && !/^www\./i.test(text)) return null;
  const end = endOf(text, scheme?.length ?? 0);
  if (end === null) return null;
  const shown = withoutPunctuation(text.slice(0, end));
  let address = scheme ? shown : `https://${shown}`;
  let url;
  try {
    url = new URL(address);
  } catch {
    return null;
  }
  const host = url.hostname;
  const isHost = host.replace(/^(www\.)+/, "").includes(".") || (scheme && host !== "");
  // eslint-disable-next-line no-control-regex
  if (!/^[\x00-\x7f]*$/.test(address)) address = url.href;
  return isHost ? { length: shown.length, address } : null;
}

function endOf(text, host) {
  const open = [];
  let isBehindHost = false;
  let at = 0;
  for (const c of text) {
    if (at > ADDRESS) return open.length ? open[0] : null;
    if (at >= host && /[/?#]/.test(c)) isBehindHost = true;
    let end = null;
    if (c === "[" || c === "{") {
      open.push(at);
    } else if ((c === "]" || c === "}") && (text.startsWith("](", at) || open.pop() === undefined)) {
      end = open.pop() ?? at;
    } else if (text.startsWith("**", at) || text.startsWith("~~", at)) {
      end = at;
    } else if (/[\p{White_Space}\p{Cc}<>"`„“”«»‚‘]/u.test(c) || (c === "|" && !isBehindHost)) {
      end = at;
    }
    if (end !== null) return open.length ? Math.min(end, open[0]) : end;
    at += c.length;
  }
  return open.length ? open[0] : text.length;
}

/** How many characters the e-mail address has that a text begins with; 0 for none. */
export function mail(text) {
  const local = /^[A-Za-z0-9._%+-]+/.exec(text.slice(0, LOCAL + 1))?.[0].length ?? 0;
  if (!local || local > LOCAL || text[local] !== "@") return 0;
  let domain = "";
  for (const c of text.slice(local + 1)) {
    if (domain.length >= 254 || !(isWord(c) || c === "." || c === "-")) break;
    domain += c;
  }
  domain = domain.replace(/[.-]+$/, "");
  const dot = domain.lastIndexOf(".");
  if (dot < 0) return 0;
  const top = domain.slice(dot + 1);
  const isTop = ([...top].length >= 2 && /^\p{Alphabetic}+$/u.test(top)) || top.startsWith("xn--");
  const hasLabels = domain.slice(0, dot).split(".").every((label) => label && !label.startsWith("-"));
  return isTop && hasLabels ? local + 1 + domain.length : 0;
}

/** What an address in a link leads to: without a scheme it is a web or an e-mail address. */
export function completed(address) {
  if (address.includes(":")) return address;
  if (address && mail(address) === address.length) return `mailto:${address}`;
  if (address && web(address)?.length === address.length) return `https://${address}`;
  return address;
}

function withoutPunctuation(address) {
  let unclosed = 0;
  for (const c of address) unclosed += c === "(" ? 1 : c === ")" ? -1 : 0;
  let end = address.length;
  while (end > 0) {
    const last = address[end - 1];
    if (last === ")" && unclosed < 0) unclosed += 1;
    else if (!".,;:!?'_*~|…–".includes(last)) break;
    end -= 1;
  }
  return address.slice(0, end);
}

export function isLinkable(address) {
  return /^(https?|mailto):/i.test(address) && URL.canParse(address);
}
