// What the service's reader (src/mail/markdown) calls a letter and a blank. An empty text is the edge of the text.

export const isWord = (c) => /^[\p{Alphabetic}\p{N}]/u.test(c);
export const isSpace = (c) => /^\p{White_Space}/u.test(c);
export const isBlank = (c) => c === "" || isSpace(c);

export const trimStart = (text) => text.replace(/^\p{White_Space}+/u, "");
export const trimEnd = (text) => text.replace(/\p{White_Space}+$/u, "");
export const trim = (text) => trimEnd(trimStart(text));

/** The character that begins there, also one of two UTF-16 units. */
export const charAt = (text, at) => (at < text.length ? String.fromCodePoint(text.codePointAt(at)) : "");

/** The character before that place. */
export function charBefore(text, at) {
  if (at <= 0) return "";
  const last = text.charCodeAt(at - 1);
  const isSecond = last >= 0xdc00 && last <= 0xdfff && at > 1;
  return charAt(text, at - (isSecond ? 2 : 1));
}
