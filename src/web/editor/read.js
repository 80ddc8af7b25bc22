// Markdown as a document of the editor. Each block keeps the lines that it was read from, so that what is not edited is
// written back as it was; a block that would come back as another one is shown as its Markdown.

import { read } from "./dialect/document.js";
import { readDirective } from "./dialect/directive.js";
import { readingOf } from "./dialect/reading.js";
import { toNode } from "./nodes.js";
import { schema } from "./schema.js";
import { blockMarkdown } from "./write_block.js";

const BREAK = /\r\n|[\n\r\v\f\u0085\u2028\u2029]/g;

/**
 * A text as { markdown, doc, originals, end }: for each block of the document { node, meant, source, gap, bound }: what it is shown
 * as, what it says among the others (null where the editor has no node for that), its lines, what stands before them, and the
 * first block that it has to be written together with; and what stands behind the last one.
 */
export function readMarkdown(markdown) {
  const breaks = [...markdown.matchAll(BREAK)];
  const startOf = (line) => (line ? breaks[line - 1].index + breaks[line - 1][0].length : 0);
  const endOf = (line) => breaks[line]?.index ?? markdown.length;
  let end = 0;
  const originals = read(markdown).blocks.map((block) => {
    const [from, to] = [startOf(block.from), endOf(block.to - 1)];
    const source = markdown.slice(from, to);
    const meant = toNode(block);
    const original = { node: shown(meant, block, source), meant, source, gap: markdown.slice(end, from), bound: block.bound ?? null };
    end = to;
    return original;
  });
  const content = originals.map(({ node }) => node);
  const doc = schema.nodes.doc.create(null, content.length ? content : [schema.nodes.paragraph.create()]);
  return { markdown, doc, originals, end: markdown.slice(end) };
}

/** The block as itself where it can be written again, else as its Markdown. */
function shown(node, block, source) {
  // These are breaks like any other, and would come back as one of those.
  const isOdd = /[\r\v\f\u0085\u2028\u2029]/.test(source);
  if (node && !isOdd && isWrittenAs(node, block)) return node;
  const markdown = source.replace(BREAK, "\n");
  return block.type === "directive" && readDirective(markdown) ? schema.nodes.card.create({ markdown }) : sourceBlock(markdown);
}

export const sourceBlock = (text) => schema.nodes.source.create(null, text ? [schema.text(text)] : []);

/** Whether the node, written anew, is this block again, and the same addresses in it are links by themselves. */
function isWrittenAs(node, block) {
  const written = read(blockMarkdown(node)).blocks;
  const again = written.length === 1 && toNode(written[0]);
  return again && again.eq(node) && String(bareLinks(written[0])) === String(bareLinks(block)) && written[0].isEmpty === block.isEmpty;
}

const bareLinks = (block) => readingOf([block]).filter((step) => step.startsWith("<bare "));
