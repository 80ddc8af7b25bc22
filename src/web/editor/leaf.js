// The text of a paragraph, heading or cell, character by character. Markdown has no way to write some of what an editor can
// hold: bold blanks, two line breaks in a row. `tidied` is the same text as it can be written.

import { isSpace, isWord } from "./dialect/characters.js";
import { schema } from "./schema.js";

const { hard_break: lineBreak } = schema.nodes;

/** The inline nodes as { c, node, marks }: a character, or "" and a node. */
export function atomsOf(nodes) {
  return nodes.flatMap((node) => {
    if (node.type === lineBreak) return [{ c: "\n", node, marks: node.marks }];
    if (!node.isText) return [{ c: "", node, marks: node.marks }];
    return [...node.text].map((c) => (c === "\n" ? { c, node: lineBreak.create(), marks: node.marks } : { c, node: null, marks: node.marks }));
  });
}

/** The other way round. */
export function nodesOf(atoms) {
  const out = [];
  let text = "";
  atoms.forEach(({ c, node, marks }, at) => {
    if (node) return out.push(node.mark(marks));
    text += c;
    const next = atoms[at + 1];
    if (next && !next.node && sameMarks(next.marks, marks)) return;
    out.push(schema.text(text, marks));
    text = "";
  });
  return out;
}

const sameMarks = (a, b) => a.length === b.length && a.every((mark, at) => mark.eq(b[at]));

const isGap = ({ c, node }) => node?.type === lineBreak || (!node && isSpace(c));

/** Without blanks at the edges of lines, with one break at a time, and with no blank at the edge of bold or the like. */
export function tidied(atoms) {
  const out = [];
  for (let at = 0; at < atoms.length; ) {
    if (!isGap(atoms[at])) {
      out.push(atoms[at++]);
      continue;
    }
    let end = at;
    while (end < atoms.length && isGap(atoms[end])) end += 1;
    const [before, behind] = [out.at(-1), atoms[end]];
    if (before && behind) {
      const lineBreaks = atoms.slice(at, end).filter(({ c }) => c === "\n");
      const gap = lineBreaks.length ? lineBreaks.slice(0, 1) : atoms.slice(at, end);
      const both = (mark) => mark.isInSet(before.marks) && mark.isInSet(behind.marks);
      out.push(...gap.map((atom) => ({ ...atom, marks: atom.marks.filter(both) })));
    }
    at = end;
  }
  return out;
}

/** With bold and the like over whole words: within one most of them cannot begin or end. */
export function wholeWords(atoms) {
  const out = [...atoms];
  for (let at = 0; at < out.length; ) {
    let end = at;
    while (end < out.length && !out[end].node && isWord(out[end].c)) end += 1;
    const marks = out.slice(at, end).flatMap((atom) => atom.marks.filter(({ type }) => type !== schema.marks.link));
    for (let inner = at; inner < end; inner++) {
      out[inner] = { ...out[inner], marks: marks.reduce((set, mark) => mark.addToSet(set), out[inner].marks) };
    }
    at = Math.max(end, at + 1);
  }
  return out;
}
