// The menu of blocks: "/" at the beginning of an empty line opens it, what is typed behind it narrows it down. The text keeps
// the focus; screen readers follow `aria-activedescendant`.

import { Plugin } from "prosemirror-state";
import { schema } from "./schema.js";

/** `items()` gives { label, run }; `say` announces; `words` are those of the page. */
export function blockMenu({ box, items, say, words }) {
  let menu = null;
  box.setAttribute("role", "listbox");
  box.setAttribute("aria-label", words.menu);
  // The text keeps the focus.
  box.addEventListener("mousedown", (event) => event.preventDefault());

  /** What stands behind the "/", where the cursor is behind it and nothing else stands in the line. */
  const query = ({ selection: { $from, empty } }) => {
    const { parent } = $from;
    if (!empty || parent.type !== schema.nodes.paragraph || $from.parentOffset !== parent.content.size) return null;
    return /^\/([\p{L}\d ]{0,20})$/u.exec(parent.textContent)?.[1] ?? null;
  };

  const close = (view) => {
    menu = null;
    box.hidden = true;
    view.dom.removeAttribute("aria-activedescendant");
    view.dom.removeAttribute("aria-controls");
  };

  const choose = (view, item) => {
    const { $from } = view.state.selection;
    close(view);
    view.dispatch(view.state.tr.delete($from.start(), $from.end()));
    item.run(view);
  };

  function mark(view, at) {
    menu.at = at;
    [...box.children].forEach((option, number) => option.setAttribute("aria-selected", String(number === at)));
    const option = box.children[at];
    view.dom.setAttribute("aria-activedescendant", option.id);
    option.scrollIntoView({ block: "nearest" });
    say(words.menuAt.replace("{what}", menu.found[at].label).replace("{at}", at + 1).replace("{of}", menu.found.length));
  }

  function open(view, asked) {
    const begins = asked.trim().toLowerCase();
    const found = items().filter(({ label }) => label.toLowerCase().startsWith(begins) || label.toLowerCase().includes(` ${begins}`));
    const isSame = menu && !box.hidden && found.length === menu.found.length && found.every(({ label }, at) => label === menu.found[at].label);
    if (isSame) return;
    if (!found.length) return close(view);
    menu = { found, at: 0 };
    box.replaceChildren(
      ...found.map((item, number) => {
        const option = Object.assign(document.createElement("li"), { id: `block-${number}`, textContent: item.label });
        option.setAttribute("role", "option");
        option.addEventListener("click", () => choose(view, item));
        return option;
      }),
    );
    box.hidden = false;
    view.dom.setAttribute("aria-controls", box.id);
    const frame = box.offsetParent.getBoundingClientRect();
    const cursor = view.coordsAtPos(view.state.selection.from);
    // Where there is more room, above or below; and never more than there is.
    const bar = document.querySelector(".save-line")?.getBoundingClientRect().top ?? innerHeight;
    const [above, below] = [cursor.top, Math.min(innerHeight, bar) - cursor.bottom].map((room) => Math.max(room - 12, 120));
    const isAbove = below < Math.min(box.scrollHeight, above);
    box.style.maxHeight = `${isAbove ? above : below}px`;
    box.style.top = `${isAbove ? cursor.top - frame.top - box.offsetHeight - 4 : cursor.bottom - frame.top + 4}px`;
    box.style.left = `${Math.max(0, Math.min(cursor.left - frame.left, frame.width - box.offsetWidth))}px`;
    mark(view, 0);
  }

  let dismissed = null;
  return new Plugin({
    view: () => ({
      update(view) {
        const asked = view.editable && view.hasFocus() ? query(view.state) : null;
        if (asked === null) dismissed = null;
        if (asked === null || dismissed !== null) return menu && close(view);
        open(view, asked);
      },
      destroy: () => (box.hidden = true),
    }),
    props: {
      handleKeyDown(view, event) {
        if (!menu || event.isComposing) return false;
        const count = menu.found.length;
        const step = { ArrowDown: 1, ArrowUp: count - 1 }[event.key];
        if (step) mark(view, (menu.at + step) % count);
        else if (event.key === "Enter") choose(view, menu.found[menu.at]);
        else if (event.key === "Escape") {
          dismissed = true;
          close(view);
        } else return false;
        event.preventDefault();
        return true;
      },
      handleDOMEvents: { blur: (view) => void (menu && close(view)) },
    },
  });
}
