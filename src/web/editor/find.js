// Where words of the Markdown stand in what is shown.

import { NodeSelection, TextSelection } from "prosemirror-state";
import { schema } from "./schema.js";

const { nodes: n, marks: m } = schema;

/** What is shown for the characters from `start` to before `end` of the Markdown that was loaded; at least their block. */
export function selectionOf(doc, { originals, markdown }, { start, end }) {
  let [offset, pos] = [0, 0];
  for (const { gap, source } of originals) {
    const from = offset + gap.length;
    const node = doc.nodeAt(pos);
    offset = from + source.length;
    if (start < offset) {
      const words = markdown.slice(start, end);
      const found = placesOf(doc, pos, node, words);
      const number = markdown.slice(from, start).split(words).length - 1;
      return found[number] ?? found.at(-1) ?? whole(doc, pos, node);
    }
    pos += node.nodeSize;
  }
  return TextSelection.atEnd(doc);
}

/** The words, links that lead to them, and pictures with them, in the order of the text. */
function placesOf(doc, pos, block, words) {
  const found = [];
  doc.nodesBetween(pos, pos + block.nodeSize, (node, at) => {
    if (node.isTextblock) {
      // Each part that is no text takes one place.
      const text = node.textBetween(0, node.content.size, "", "\ufffc");
      for (let index = text.indexOf(words); index >= 0; index = text.indexOf(words, index + words.length)) {
        found.push(TextSelection.create(doc, at + 1 + index, at + 1 + index + words.length));
      }
    } else if (node.type === n.card && node.attrs.markdown.includes(words)) {
      found.push(NodeSelection.create(doc, at));
    } else if (node.type === n.image && (node.attrs.src.includes(words) || node.attrs.alt === words)) {
      found.push(NodeSelection.create(doc, at));
    } else if (m.link.isInSet(node.marks)?.attrs.href.includes(words) && !node.text?.includes(words)) {
      found.push(TextSelection.create(doc, at, at + node.nodeSize));
    }
  });
  return found.sort((a, b) => a.from - b.from);
}

function whole(doc, pos, block) {
  if (block.isAtom) return NodeSelection.create(doc, pos);
  return TextSelection.between(doc.resolve(pos + 1), doc.resolve(pos + block.nodeSize - 1));
}
