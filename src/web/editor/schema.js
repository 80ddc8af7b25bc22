// What a text may consist of. Everything else stays in a block that shows its Markdown.

import { Schema } from "prosemirror-model";
import { tableNodes } from "prosemirror-tables";
import { isLinkable } from "./dialect/addresses.js";
import { readDirective } from "./dialect/directive.js";

const alignment = {
  default: null,
  getFromDOM: (cell) => ["left", "center", "right"].find((way) => cell.classList.contains(`to-${way}`)) ?? null,
  setDOMAttr: (value, attrs) => {
    if (value) attrs.class = `to-${value}`;
  },
};

const tables = tableNodes({ tableGroup: "block", cellContent: "inline*", cellAttributes: { align: alignment } });

/** What is pasted as a card and is none, is text. */
const cardAttrs = (markdown) => readDirective(markdown) !== null && { markdown };

const headingTag = (level) => (level <= 2 ? "h2" : "h3");

export const schema = new Schema({
  nodes: {
    doc: { content: "(block | source | card)+" },
    paragraph: { content: "inline*", group: "block", parseDOM: [{ tag: "p" }], toDOM: () => ["p", 0] },
    heading: {
      content: "(text | image)*",
      group: "block",
      defining: true,
      attrs: { level: { default: 2, validate: "number" } },
      parseDOM: [1, 2, 3, 4, 5, 6].map((level) => ({
        tag: `h${level}`,
        getAttrs: (dom) => ({ level: Number(dom.getAttribute("data-level")) || Math.min(Math.max(level, 2), 3) }),
      })),
      toDOM: ({ attrs: { level } }) => [headingTag(level), { "data-level": level }, 0],
    },
    quote: { content: "block+", group: "block", defining: true, parseDOM: [{ tag: "blockquote" }], toDOM: () => ["blockquote", 0] },
    bullet_list: {
      content: "item+",
      group: "block",
      attrs: { isTight: { default: true } },
      parseDOM: [{ tag: "ul", getAttrs: (dom) => ({ isTight: !dom.classList.contains("loose") }) }],
      toDOM: ({ attrs: { isTight } }) => ["ul", isTight ? {} : { class: "loose" }, 0],
    },
    ordered_list: {
      content: "item+",
      group: "block",
      attrs: { first: { default: 1, validate: "number" }, isTight: { default: true } },
      parseDOM: [{ tag: "ol", getAttrs: (dom) => ({ first: dom.start, isTight: !dom.classList.contains("loose") }) }],
      toDOM: ({ attrs: { first, isTight } }) => ["ol", { start: first, ...(isTight ? {} : { class: "loose" }) }, 0],
    },
    item: { content: "paragraph block*", defining: true, parseDOM: [{ tag: "li" }], toDOM: () => ["li", 0] },
    ...tables,
    code: {
      content: "text*",
      group: "block",
      marks: "",
      code: true,
      defining: true,
      parseDOM: [{ tag: "pre:not(.source)", preserveWhitespace: "full" }],
      toDOM: () => ["pre", ["code", 0]],
    },
    rule: { group: "block", parseDOM: [{ tag: "hr" }], toDOM: () => ["hr"] },
    // Markdown that the editor cannot show: it is kept as it is, and may be changed as text.
    source: {
      content: "text*",
      marks: "",
      code: true,
      defining: true,
      isolating: true,
      parseDOM: [{ tag: "pre.source", preserveWhitespace: "full" }],
      toDOM: () => ["pre", { class: "source" }, 0],
    },
    // A block of fields, as its Markdown; what is seen of it is made in card.js.
    card: {
      atom: true,
      draggable: true,
      attrs: { markdown: { validate: "string" } },
      parseDOM: [{ tag: "div.card[data-markdown]", getAttrs: (dom) => cardAttrs(dom.getAttribute("data-markdown")) }],
      toDOM: ({ attrs: { markdown } }) => ["div", { class: "card", "data-markdown": markdown }],
      leafText: ({ attrs: { markdown } }) => markdown,
    },
    text: { group: "inline" },
    image: {
      group: "inline",
      inline: true,
      draggable: true,
      attrs: { src: { validate: "string" }, alt: { default: "", validate: "string" } },
      parseDOM: [{ tag: "img[src]", getAttrs: (dom) => ({ src: dom.getAttribute("src"), alt: dom.alt }) }],
      toDOM: ({ attrs: { src, alt } }) => ["img", { src, alt }],
    },
    hard_break: { group: "inline", inline: true, selectable: false, parseDOM: [{ tag: "br" }], toDOM: () => ["br"], leafText: () => "\n" },
  },
  marks: {
    link: {
      attrs: { href: { validate: "string" } },
      inclusive: false,
      parseDOM: [{ tag: "a[data-href]", getAttrs: (dom) => ({ href: dom.getAttribute("data-href") }) }],
      // A link that leads nowhere from a mail leads nowhere here.
      toDOM: ({ attrs: { href } }) => ["a", { "data-href": href, title: href, ...(isLinkable(href) ? { href } : {}) }, 0],
    },
    strong: { parseDOM: [{ tag: "strong" }, { tag: "b" }], toDOM: () => ["strong", 0] },
    em: { parseDOM: [{ tag: "em" }, { tag: "i" }], toDOM: () => ["em", 0] },
    strike: { parseDOM: [{ tag: "s" }, { tag: "del" }], toDOM: () => ["s", 0] },
    code_text: { code: true, parseDOM: [{ tag: "code" }], toDOM: () => ["code", 0] },
  },
});
