// Which lines begin an item of a list, and which only look like it. As in src/mail/markdown/lists.rs, which says why.

import { trim, trimStart } from "./characters.js";

const HIGHEST = 999;
const MONTHS = /^(jan|jän|feb|mär|mrz|mar|apr|mai|may|jun|jul|aug|sep|okt|oct|nov|dez|dec|maer|juno|julei)/;

/** Columns of blanks at the beginning of a line; a tab is four. */
export function indent(text) {
  let columns = 0;
  for (const c of text) {
    if (c !== " " && c !== "\t") break;
    columns += c === "\t" ? 4 : 1;
  }
  return columns;
}

export const isBeside = (marker, first) => marker.sign === first.sign && marker.indent <= first.indent + 1;

/** For each line the item that it begins: { indent, width, content, number, sign }, or null. */
export function markers(lines, isInner) {
  const candidates = lines.map(candidate);
  const kept = judge(lines, candidates, isInner);
  const isOtherwise = kept.some((marker, at) => !marker && candidates[at]);
  return isOtherwise ? judge(lines, candidates, isInner) : kept;
}

/** Groups the candidates to lists, and takes out those that make no list. */
function judge(lines, candidates, isInner) {
  const kept = lines.map(() => null);
  const refused = [];
  let run = [];
  const close = () => {
    const isKept = isList(lines, run, isInner);
    for (const { at, marker } of run) {
      if (isKept) kept[at] = marker;
      else refused.push(at);
    }
    run = [];
  };
  lines.forEach((line, at) => {
    if (trim(line) === "") return;
    const first = run[0]?.marker;
    const marker = candidates[at];
    if (marker && first && isBeside(marker, first)) {
      run.push({ at, marker });
    } else if (!(first && indent(line) >= first.indent + 2)) {
      close();
      if (marker) run.push({ at, marker });
    }
  });
  close();
  for (const at of refused) candidates[at] = null;
  return kept;
}

function isList(lines, run, isInner) {
  if (!run.length) return false;
  const content = ({ at, marker }) => lines[at].slice(marker.content);
  const start = run[0].marker.number;
  if (start !== null) {
    const countsOn = run.every(({ marker }, step) => marker.number === start + step);
    return run.length >= 2 && countsOn && start <= HIGHEST && !run.some((item) => continuesDate(content(item)));
  }
  const isAlone = run.length === 1;
  return run.every((item) => {
    const { at, marker } = item;
    const isEmpty = (at) => trim(lines[at] ?? "") === "";
    const isApart = isEmpty(at - 1) && (isEmpty(at + 1) || indent(lines[at + 1]) > marker.indent);
    const isNumber = /^[0-9]/.test(content(item));
    if (marker.sign === "+") return !isAlone && !isNumber;
    if (marker.sign === "*") return !isAlone;
    if (marker.sign === "-") return !isAlone || ((isApart || isInner) && !isNumber);
    return true;
  });
}

function candidate(text) {
  const bare = trimStart(text);
  const digits = /^[0-9]+/.exec(bare)?.[0];
  let length, number, sign;
  if (digits) {
    if (digits.length > 9 || (digits.length > 1 && digits[0] === "0") || bare[digits.length] !== ".") return null;
    [length, number, sign] = [digits.length + 1, Number(digits), "."];
  } else if (/^[-*+•▪◦‣●○■]/.test(bare)) {
    [length, number, sign] = [1, null, bare[0]];
  } else {
    return null;
  }
  const behind = bare.slice(length);
  const words = trimStart(behind);
  if (!words || words.length === behind.length) return null;
  return { indent: indent(text), width: indent(text) + length + 1, content: text.length - words.length, number, sign };
}

function continuesDate(text) {
  const word = /^[\p{Alphabetic}\p{N}]*/u.exec(text)[0].toLowerCase();
  const count = [...word].length;
  return (count >= 3 && count <= 9 && MONTHS.test(word)) || /^[0-9]/.test(text);
}
