// A block that stands in the text as its Markdown: marked as such, and editable as text.

/** A node view; `label` says what it is. */
export const sourceView = (label) => () => {
  const dom = document.createElement("div");
  dom.className = "source";
  const said = Object.assign(document.createElement("p"), { className: "source-label", textContent: label, contentEditable: "false" });
  const contentDOM = document.createElement("pre");
  dom.append(said, contentDOM);
  return { dom, contentDOM, ignoreMutation: (change) => change.type !== "selection" && !contentDOM.contains(change.target) };
};
