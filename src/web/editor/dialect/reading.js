// A text as what its readers get, step by step: the same list as the service's reader gives (src/mail/markdown/event.rs).
// Two texts with the same reading are the same mail.

import { read } from "./document.js";

/** The steps as texts: "<p>", "t:Ein Satz.", "</>". */
export function reading(markdown) {
  return readingOf(read(markdown).blocks);
}

export function readingOf(blocks) {
  const out = [];
  for (const block of blocks) blockSteps(block, out, false);
  return out;
}

function within(tag, out, inner) {
  out.push(tag);
  inner();
  out.push("</>");
}

function blockSteps(block, out, isTight) {
  const all = (blocks, isTight) => blocks.forEach((inner) => blockSteps(inner, out, isTight));
  switch (block.type) {
    case "paragraph":
      if (isTight) return leafSteps(block.leaf, out);
      return within("<p>", out, () => leafSteps(block.leaf, out));
    case "heading":
      return within(`<h${block.level}>`, out, () => leafSteps(block.leaf, out));
    case "quote":
      return within("<quote>", out, () => all(block.blocks, false));
    case "list":
      return within(block.first === null ? "<ul>" : `<ol ${block.first}>`, out, () => {
        for (const item of block.items) within("<li>", out, () => all(item, block.isTight));
      });
    case "table":
      return within(`<table ${block.alignments.map((way) => way?.[0] ?? "-").join("")}>`, out, () => {
        block.rows.forEach((row, number) => {
          within(number ? "<row>" : "<head>", out, () => {
            for (const cell of row) within("<cell>", out, () => leafSteps(cell, out));
          });
        });
      });
    case "code":
      return within("<code>", out, () => out.push(`t:${block.text}${block.isEmpty ? "" : "\n"}`));
    default:
      return out.push("hr");
  }
}

const TAGS = { em: "<em>", strong: "<strong>", strike: "<s>" };

function leafSteps(leaf, out) {
  // What came before this leaf stays apart from its text.
  const steps = [];
  partSteps(leaf.parts, steps);
  out.push(...steps);
}

function partSteps(parts, out) {
  for (const part of parts) {
    if (part.begin) out.push(TAGS[part.begin]);
    else if (part.end) out.push("</>");
    else if (part.type === "text" || part.type === "leftover") text(part.text, out);
    else if (part.type === "code") out.push(`c:${part.text}`);
    else if (part.type === "break") out.push("br");
    else if (part.type === "image") within(`<img ${part.address}>`, out, () => out.push(`t:${part.alt}`));
    else within(`<${part.isBare ? "bare" : "a"} ${part.address}>`, out, () => partSteps(part.inner, out));
  }
}

function text(text, out) {
  if (out.at(-1)?.startsWith("t:")) out[out.length - 1] += text;
  else out.push(`t:${text}`);
}
