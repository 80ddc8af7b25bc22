// A block of fields as a card: what its readers get, as far as the editor knows it, and a form behind it. What is stored is
// its Markdown, to the last character until somebody changes it.

import { closeHistory } from "prosemirror-history";
import { TextSelection } from "prosemirror-state";
import { lacking, positionOf, readDirective } from "./dialect/directive.js";
import { goOnAt } from "./insert.js";
import { sourceBlock } from "./read.js";
import { schema } from "./schema.js";

const dialogs = () => globalThis.rundbriefDialogs;

/** A node view for cards; `words` are the texts of the page. */
export const cardView = (words) => (node, view, getPos) => {
  const dom = element("div", "card");
  let shown = null;
  const show = ({ attrs: { markdown } }) => {
    if (markdown === shown) return;
    shown = markdown;
    const read = readDirective(markdown);
    const { label, fields } = dialogs().blockKind(read.kind);
    const lacks = lacking(read).map((key) => fields[key]);
    const change = button(words.cardChange, `${words.cardChange}: ${label}`, () => changeCard(view, getPos()));
    const away = button(words.cardAway, `${words.cardAway}: ${label}`, () => {
      const pos = getPos();
      view.dispatch(closeHistory(view.state.tr.delete(pos, pos + view.state.doc.nodeAt(pos).nodeSize)));
      view.focus();
    });
    dom.replaceChildren(
      element("p", "card-kind", label),
      ...content(read),
      ...(lacks.length ? [element("p", "card-lacks", words.cardLacks.replace("{fields}", lacks.join(", ")))] : []),
      element("p", "card-actions", change, " ", away),
    );
  };
  show(node);
  return {
    dom,
    update(other) {
      if (other.type !== schema.nodes.card) return false;
      show(other);
      return true;
    },
    stopEvent: ({ target }) => target.closest?.("button") !== null,
    ignoreMutation: () => true,
  };
};

/** Opens the form of a card, and puts what was filled in into its place. */
export async function changeCard(view, pos) {
  const node = view.state.doc.nodeAt(pos);
  const { kind, opening, values } = readDirective(node.attrs.markdown);
  const fields = await dialogs().block(kind, { ...values, position: positionOf(values.position) });
  view.focus();
  // Somebody else's change may have come in between.
  if (!fields || view.state.doc.nodeAt(pos) !== node) return;
  const markdown = dialogs().blockText(opening, fields);
  // What a card cannot show, such as a text beside a picture that stands beside nothing, is shown as Markdown.
  const changed = readDirective(markdown) ? schema.nodes.card.create({ markdown }) : sourceBlock(markdown);
  const tr = view.state.tr.replaceWith(pos, pos + node.nodeSize, changed);
  view.dispatch(closeHistory(goOnAt(tr, pos + changed.nodeSize)));
}

/** What is typed while a card is selected stands behind it: a card is not replaced by a letter. */
export function typeBehind(view, text) {
  const { selection, tr } = view.state;
  if (selection.node?.type !== schema.nodes.card) return false;
  tr.insert(selection.to, schema.nodes.paragraph.create(null, schema.text(text)));
  view.dispatch(tr.setSelection(TextSelection.create(tr.doc, selection.to + 1 + text.length)).scrollIntoView());
  return true;
}

/** What a screen reader is told of a card that is selected. */
export function spokenCard(node) {
  const { kind, values } = readDirective(node.attrs.markdown);
  const about = values.title ?? values.name ?? values.text ?? values.description;
  return [dialogs().blockKind(kind).label, about].filter(Boolean).join(": ");
}

function content({ kind, values: v }) {
  const line = (name, ...parts) => (parts.some(Boolean) ? [element("p", name, ...parts.filter(Boolean))] : []);
  switch (kind) {
    case "picture": {
      const below = [v.caption, v.credit && (v.caption ? `(${v.credit})` : v.credit)].filter(Boolean).join(" ");
      const dom = element("div", `card-picture card-${positionOf(v.position)}`);
      const image = /^https?:/i.test(v.address) ? Object.assign(element("img"), { src: v.address, alt: v.description ?? "" }) : null;
      dom.append(...(image ? [image] : line("", v.description)), ...line("card-text", v.text));
      return [dom, ...line("card-small", below)];
    }
    case "button":
      return [...line("", v.text && element("span", "card-button", v.text)), ...line("card-small", v.link)];
    case "event": {
      const times = [v.begin, v.end].filter(Boolean).join(" – ");
      return [...line("card-title", v.title), ...line("", [v.date, times].filter(Boolean).join(", ")), ...line("", v.place)];
    }
    case "quote":
      return [...line("card-text card-quote", v.text), ...line("card-small", [v.name, v.role].filter(Boolean).join(", "))];
    case "contact":
      return [...line("card-title", v.name), ...line("", v.role), ...line("", v.phone), ...line("", v.mail)];
    default:
      return [...line("card-title", v.title), ...line("card-small", v.address)];
  }
}

function button(text, label, run) {
  const dom = Object.assign(element("button", "button button-quiet button-small", text), { type: "button", ariaLabel: label });
  dom.addEventListener("click", run);
  return dom;
}

function element(name, className = "", ...content) {
  const dom = Object.assign(document.createElement(name), { className });
  dom.append(...content);
  return dom;
}
