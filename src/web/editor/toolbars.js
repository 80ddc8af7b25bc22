// The toolbar of the page, which both ways of writing share, and that of a table.

import { addColumnAfter, addRowAfter, deleteColumn, deleteRow, deleteTable, isInTable, selectedRect } from "prosemirror-tables";
import { doing } from "./commands.js";

/** Runs the buttons that the editor knows, and shows which of them are on. `isShown` says whether it is the way to write. */
export function useToolbar(bar, view, { isShown, say, words }) {
  const known = () => [...bar.querySelectorAll("[data-do]")].filter((button) => doing[button.dataset.do]);

  // Before the script that writes Markdown hears of it.
  bar.addEventListener(
    "click",
    (event) => {
      const button = event.target.closest("[data-do]");
      const what = isShown() && button && doing[button.dataset.do];
      if (!what) return;
      event.preventDefault();
      event.stopImmediatePropagation();
      run(view, button.dataset.do, { button, say, words });
    },
    true,
  );
  bar.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !isShown()) return;
    event.preventDefault();
    view.focus();
  });
  return (state) => {
    for (const button of known()) {
      const { isOn } = doing[button.dataset.do];
      if (!isOn) continue;
      if (state) button.setAttribute("aria-pressed", String(Boolean(isOn(state))));
      else button.removeAttribute("aria-pressed");
    }
  };
}

/** Does what a button says, and tells those who do not see it what has come of it. */
export function run(view, name, { button, say, words, label = labelOf(button) }) {
  const { run, isOn } = doing[name];
  const isDone = run(view.state, view.dispatch, view, button);
  view.focus();
  if (!isDone) say(words.notHere.replace("{what}", label));
  else if (!isOn) say(label);
  else if (name !== "link") say((isOn(view.state) ? words.on : words.off).replace("{what}", label));
}

export const labelOf = (button) => (button?.querySelector(".unseen") ?? button)?.textContent.trim() ?? "";

const align = (way) => (state, dispatch) => {
  if (!isInTable(state)) return false;
  const { map, tableStart, left, right, table } = selectedRect(state);
  const tr = state.tr;
  // The head's cell stands for its column.
  for (let column = left; column < right; column++) {
    const pos = map.map[column];
    const cell = table.nodeAt(pos);
    tr.setNodeMarkup(tableStart + pos, null, { ...cell.attrs, align: way });
  }
  dispatch?.(tr);
  return true;
};

const TABLE = {
  row: addRowAfter,
  column: addColumnAfter,
  rowAway: deleteRow,
  columnAway: deleteColumn,
  left: align("left"),
  center: align("center"),
  right: align("right"),
  tableAway: deleteTable,
};

/** A toolbar that is there while the cursor is in a table; its buttons have `data-table`. Its arrow keys are those of the other one. */
export function useTableBar(bar, view, { say, words }) {
  bar.addEventListener("click", (event) => {
    const button = event.target.closest("[data-table]");
    if (!button) return;
    const isDone = TABLE[button.dataset.table](view.state, view.dispatch);
    view.focus();
    say(isDone ? labelOf(button) : words.notHere.replace("{what}", labelOf(button)));
  });
  const buttons = [...bar.querySelectorAll("button")];
  buttons.forEach((button, number) => (button.tabIndex = number ? -1 : 0));
  bar.addEventListener("keydown", (event) => {
    const at = buttons.indexOf(event.target);
    const last = buttons.length - 1;
    const next = { ArrowRight: at < last ? at + 1 : 0, ArrowLeft: at ? at - 1 : last, Home: 0, End: last }[event.key];
    if (event.key === "Escape") view.focus();
    if (next === undefined || at < 0) return;
    event.preventDefault();
    buttons[at].tabIndex = -1;
    buttons[next].tabIndex = 0;
    buttons[next].focus();
  });
  return (state) => (bar.hidden = !(state && isInTable(state)));
}
