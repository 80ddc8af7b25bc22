// The visual editor over the field for the text. What is seen is the text as it will be read; what is saved is the Markdown
// in the field, which follows each change. Without this script, and on request, the field itself is what is written in.

import { baseKeymap, chainCommands } from "prosemirror-commands";
import { gapCursor } from "prosemirror-gapcursor";
import { history, redo, undo } from "prosemirror-history";
import { InputRule, inputRules, textblockTypeInputRule, undoInputRule, wrappingInputRule } from "prosemirror-inputrules";
import { keymap } from "prosemirror-keymap";
import { liftListItem, sinkListItem, splitListItem } from "prosemirror-schema-list";
import { EditorState, NodeSelection, TextSelection } from "prosemirror-state";
import { goToNextCell, tableEditing } from "prosemirror-tables";
import { EditorView } from "prosemirror-view";
import { blockMenu } from "./block_menu.js";
import { cardView, changeCard, spokenCard, typeBehind } from "./card.js";
import { breakInCell, describe, doing, lineBreak, nextCell } from "./commands.js";
import { selectionOf } from "./find.js";
import { insertMarkdown } from "./insert.js";
import { readMarkdown } from "./read.js";
import { schema } from "./schema.js";
import { sourceView } from "./source_view.js";
import { labelOf, run, useTableBar, useToolbar } from "./toolbars.js";
import { looks, normalizing } from "./normalize.js";
import { writeMarkdown } from "./write.js";

const { nodes: n, marks: m } = schema;

/** Where a browser remembers that somebody writes Markdown. */
const CHOICE = "rundbrief-writing";

const text = document.getElementById("body");
const desk = document.getElementById("visual");
if (text && desk) start();

function start() {
  const bar = document.getElementById("toolbar");
  const tableBar = document.getElementById("table-toolbar");
  const choice = document.getElementById("writing-mode");
  const live = document.getElementById("visual-said");
  const words = desk.dataset;
  let loaded;
  let isShown = false;
  let isOwnChange = false;
  // A Tab key behind Escape leaves the text, whatever stands there.
  let isLeaving = false;

  // The same words twice are said twice.
  const say = (said) => (live.textContent = live.textContent === said ? `${said}\u00a0` : said);
  const telling = { say, words };

  const key = (name) => (_, __, view) => (run(view, name, { button: bar.querySelector(`[data-do=${name}]`), ...telling }), true);
  const stays = (command) => (state, dispatch, view) => !isLeaving && command(state, dispatch, view);
  const keys = {
    "Mod-b": key("bold"),
    "Mod-i": key("italic"),
    "Mod-k": key("link"),
    "Mod-z": undo,
    "Mod-y": redo,
    "Shift-Mod-z": redo,
    "Alt-F10": () => (bar.querySelector("button[tabindex='0']")?.focus(), true),
    Backspace: undoInputRule,
    Enter: chainCommands(describe, breakInCell, splitListItem(n.item)),
    "Shift-Enter": lineBreak,
    Tab: stays(chainCommands(nextCell, sinkListItem(n.item))),
    "Shift-Tab": stays(chainCommands(goToNextCell(-1), liftListItem(n.item))),
    Escape: () => ((isLeaving = true), say(words.leave), true),
  };

  const rules = [
    textblockTypeInputRule(/^(##+)\s$/, n.heading, ([, signs]) => ({ level: Math.min(signs.length, 6) })),
    wrappingInputRule(/^[-*•]\s$/, n.bullet_list),
    new InputRule(/\*\*([^*\s](?:[^*]*[^*\s])?)\*\*$/, (state, [, inner], from, to) => {
      const bold = m.strong.create();
      return state.tr.replaceWith(from, to, schema.text(inner, bold.addToSet(state.doc.resolve(from).marks()))).removeStoredMark(m.strong);
    }),
  ];

  const menu = blockMenu({ box: document.getElementById("block-menu"), items: menuItems, ...telling });
  const plugins = [menu, keymap(keys), keymap(baseKeymap), inputRules({ rules }), history(), gapCursor(), tableEditing(), normalizing, looks(words.placeholder)];

  const view = new EditorView(
    { mount: document.getElementById("visual-text") },
    {
      state: EditorState.create({ schema, plugins }),
      nodeViews: { source: sourceView(words.source), card: cardView(words) },
      attributes: {
        role: "textbox",
        "aria-multiline": "true",
        "aria-labelledby": "body-label",
        "aria-describedby": `visual-keys ${text.getAttribute("aria-describedby")}`,
        "aria-placeholder": words.placeholder,
        spellcheck: "true",
      },
      dispatchTransaction(tr) {
        view.updateState(view.state.apply(tr));
        if (tr.docChanged) writeBack();
        showState();
      },
      handleKeyDown(_, { key }) {
        if (key !== "Escape" && key !== "Tab" && key !== "Shift") isLeaving = false;
        return false;
      },
      handleTextInput: (view, _, __, text) => typeBehind(view, text),
      handleDoubleClickOn(view, _, node, pos) {
        if (node.type !== n.card) return false;
        changeCard(view, pos);
        return true;
      },
      // Where a picture stands, the editor itself says only what is around it.
      handleDoubleClick(view, _, { target }) {
        const at = target.nodeName === "IMG" ? view.posAtDOM(target, 0) : -1;
        if (at < 0 || view.state.doc.nodeAt(at)?.type !== n.image) return false;
        view.dispatch(view.state.tr.setSelection(NodeSelection.create(view.state.doc, at)));
        return describe(view.state, view.dispatch, view);
      },
      handleDOMEvents: {
        paste: takePaste,
        drop: takeDrop,
        // The field tells of each change, once its text has it.
        input: (_, event) => void event.stopPropagation(),
        focus: () => void (isLeaving = false),
      },
    },
  );

  const showButtons = useToolbar(bar, view, { isShown: () => isShown, ...telling });
  const showTableBar = useTableBar(tableBar, view, telling);

  /** The picture that was selected last, so that it is told once. */
  let told = null;

  function showState() {
    const { node } = view.state.selection;
    if (node?.type === n.image && node !== told) say(words.picture.replace("{alt}", node.attrs.alt));
    if (node?.type === n.card && node !== told) say(words.card.replace("{what}", spokenCard(node)));
    told = node ?? null;
    showButtons(isShown ? view.state : null);
    showTableBar(isShown ? view.state : null);
  }

  /** Shows what stands in the field. */
  function load() {
    loaded = readMarkdown(text.value);
    const { doc } = loaded;
    const needsEnd = doc.lastChild.type !== n.paragraph;
    const shown = needsEnd ? doc.copy(doc.content.addToEnd(n.paragraph.create())) : doc;
    view.updateState(EditorState.create({ doc: shown, plugins, selection: TextSelection.atStart(shown) }));
    showState();
  }

  const isUpToDate = () => loaded !== undefined && text.value === writeMarkdown(view.state.doc, loaded);

  /** Puts what is shown into the field. */
  function writeBack() {
    const markdown = writeMarkdown(view.state.doc, loaded);
    if (markdown === text.value) return;
    isOwnChange = true;
    text.value = markdown;
    text.dispatchEvent(new InputEvent("input", { bubbles: true }));
    isOwnChange = false;
  }

  function show(visual) {
    isShown = visual;
    desk.hidden = !visual;
    text.hidden = visual;
    bar.setAttribute("aria-controls", visual ? "visual-text" : "body");
    choice.setAttribute("aria-pressed", String(!visual));
    if (visual && !isUpToDate()) load();
    showState();
  }

  /** What the menu of blocks offers: what the toolbar makes of whole lines, and what has no button there. */
  function menuItems() {
    const buttons = [...bar.querySelectorAll("[data-do]")].filter(({ dataset }) => !["bold", "italic", "strike", "link"].includes(dataset.do));
    const ofBar = buttons.map((button) => ({ label: labelOf(button), name: button.dataset.do, button }));
    const more = ["subheading", "table", "rule"].map((name) => ({ label: words[name], name }));
    const all = [...ofBar, ...more.filter(({ name }) => !ofBar.some((item) => item.name === name))];
    return all.map(({ label, name, button }) => ({
      label,
      run: (view) => (doing[name] ? run(view, name, { button, label, ...telling }) : button.click()),
    }));
  }

  // The field's own scripts know what to make of what is pasted or dropped; what they make comes back as Markdown.
  function takePaste(_, event) {
    const { clipboardData } = event;
    const html = clipboardData?.getData("text/html") ?? "";
    // What was copied here is known better than as Markdown.
    if (!clipboardData || html.includes("data-pm-slice") || view.state.selection.$from.parent.type.spec.code) return false;
    event.preventDefault();
    event.stopPropagation();
    hand(clipboardData);
    return true;
  }

  function hand(clipboardData) {
    const isLeft = text.dispatchEvent(new ClipboardEvent("paste", { clipboardData, cancelable: true }));
    const plain = clipboardData.getData("text/plain").replace(/\r\n?/g, "\n");
    if (isLeft && plain) insertMarkdown(view, plain);
  }

  function takeDrop(_, event) {
    const { dataTransfer } = event;
    if (view.dragging || !dataTransfer) return false;
    event.preventDefault();
    const place = view.posAtCoords({ left: event.clientX, top: event.clientY });
    if (place) view.dispatch(view.state.tr.setSelection(TextSelection.near(view.state.doc.resolve(place.pos))));
    if (text.dispatchEvent(new DragEvent("drop", { dataTransfer, cancelable: true }))) hand(dataTransfer);
    return true;
  }

  text.addEventListener("rundbrief:insert", (event) => {
    if (!isShown) return;
    event.preventDefault();
    insertMarkdown(view, event.detail);
    // Whoever types in another field by now goes on there.
    if (!document.activeElement?.matches("input, textarea, select")) view.focus();
  });
  text.addEventListener("rundbrief:select", (event) => {
    if (!isShown) return;
    event.preventDefault();
    view.focus();
    view.dispatch(view.state.tr.setSelection(selectionOf(view.state.doc, loaded, event.detail)).scrollIntoView());
  });
  text.addEventListener("input", () => !isOwnChange && isShown && load());
  // The browser puts back what was typed before, when somebody comes back to the page.
  addEventListener("pageshow", () => isShown && !isUpToDate() && load());
  document.getElementById("body-label").addEventListener("click", () => isShown && view.focus());
  const goTo = () => location.hash === "#body" && isShown && view.focus();
  addEventListener("hashchange", goTo);

  choice.hidden = false;
  choice.addEventListener("click", () => {
    show(!isShown);
    try {
      localStorage.setItem(CHOICE, isShown ? "visual" : "markdown");
    } catch {
      // A browser that remembers nothing asks again.
    }
    if (isShown) view.focus();
    else text.focus();
  });
  show(remembered() !== "markdown");
  goTo();
}

function remembered() {
  try {
    return localStorage.getItem(CHOICE);
  } catch {
    return null;
  }
}
