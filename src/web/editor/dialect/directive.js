// What stands in a block of fields. As in src/mail/markdown/directive.rs and vocabulary.rs.

import { trim } from "./characters.js";

/** The words of each kind and its fields; `needs` are those that it is nothing without, `hasText` allows lines of text. */
export const KINDS = {
  button: { words: ["knopf", "schaltfläche", "button"], keys: ["text", "link"], needs: ["text", "link"] },
  picture: {
    words: ["bild", "picture", "image"],
    keys: ["address", "description", "caption", "credit", "position", "text"],
    needs: ["address", "description"],
    hasText: true,
  },
  quote: { words: ["zitat", "quote"], keys: ["text", "name", "role"], needs: ["text", "name"], hasText: true },
  contact: { words: ["kontakt", "contact"], keys: ["name", "role", "phone", "mail"], needs: ["name"] },
  event: { words: ["termin", "event"], keys: ["title", "date", "begin", "end", "place"], needs: ["title", "date"] },
  file: { words: ["datei", "file"], keys: ["title", "address"], needs: ["title", "address"] },
};

export const WORDS = {
  text: ["text"],
  link: ["link", "adresse", "address", "url"],
  address: ["adresse", "address", "url"],
  description: ["beschreibung", "description"],
  caption: ["unterschrift", "bildunterschrift", "caption"],
  credit: ["nachweis", "bildnachweis", "credit"],
  position: ["platz", "position"],
  name: ["name"],
  role: ["rolle", "funktion", "role"],
  phone: ["telefon", "tel", "phone"],
  mail: ["e-mail", "email", "mail"],
  title: ["titel", "title"],
  date: ["datum", "date"],
  begin: ["beginn", "begin", "start"],
  end: ["ende", "end"],
  place: ["ort", "place", "location"],
};

const POSITIONS = { wide: ["breit", "wide"], left: ["links", "left"], right: ["rechts", "right"] };

/** Where a picture of this value stands; undefined for a value that is none. */
export const positionOf = (value) => (value ? Object.keys(POSITIONS).find((way) => POSITIONS[way].includes(value.toLowerCase())) : "wide");

/**
 * A block as { kind, opening, values }, its values by their keys. Null where a line of it is none of its fields, a field for the
 * second time, or a place that is none: only its Markdown shows that.
 */
export function readDirective(markdown) {
  const lines = markdown.split("\n");
  const opening = lines[0];
  const word = trim(trim(opening).replace(/^:+/, "")).toLowerCase();
  const kind = Object.keys(KINDS).find((kind) => KINDS[kind].words.includes(word));
  if (!kind) return null;
  const { keys, hasText } = KINDS[kind];
  const values = {};
  const text = [];
  for (const line of lines.slice(1, -1)) {
    const at = line.indexOf(":");
    const name = trim(line.slice(0, Math.max(at, 0))).toLowerCase();
    const key = at < 0 ? undefined : keys.find((key) => WORDS[key].includes(name));
    const value = trim(line.slice(at + 1));
    if (key === "text" && hasText) text.push(value);
    else if (key && !value) continue;
    else if (key && !(key in values)) values[key] = value;
    else if (hasText) text.push(line);
    else if (trim(line)) return null;
  }
  const content = text.join("\n").replace(/^(\s*\n)+|\s+$/g, "");
  const position = positionOf(values.position);
  const takesText = kind === "quote" || position !== "wide";
  if (!position || (content && !takesText)) return null;
  if (content) values.text = content;
  return { kind, opening, values };
}

/** What it still lacks, by the keys of its fields. */
export function lacking({ kind, values }) {
  const isBeside = positionOf(values.position) !== "wide";
  return [...KINDS[kind].needs, ...(isBeside ? ["text"] : [])].filter((key) => !values[key]);
}
