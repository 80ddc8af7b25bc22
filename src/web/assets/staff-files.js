// The dialog of the toolbar for a file that readers download: one that is there, or a new one. It gives a promise of its
// address and its title, or of nothing where somebody thought better of it. Without it both can be typed.
(() => {
  const dialogs = globalThis.rundbriefDialogs;
  const dialog = document.getElementById("file-dialog");
  if (!dialogs || !dialog) return;
  const form = dialog.querySelector("form");
  const title = form.elements.namedItem("title");
  const status = document.getElementById("file-dialog-status");
  const words = status.dataset;
  const list = document.getElementById("file-dialog-files");
  const input = document.getElementById("file-dialog-file");
  const search = document.getElementById("file-dialog-search");
  const say = (text) => (status.textContent = text ?? "");
  const chosen = () => list.querySelector("input:checked");

  // The title of the file is taken over; one that somebody has typed stays.
  let taken = "";
  function choose(file) {
    if (!title.value || title.value === taken) title.value = file.title;
    taken = file.title;
    say();
  }

  function choice(file) {
    const label = document.createElement("label");
    const radio = Object.assign(document.createElement("input"), { type: "radio", name: "file", value: file.url });
    radio.addEventListener("change", () => choose(file));
    const said = document.createElement("span");
    said.append(`${file.title} `, Object.assign(document.createElement("small"), { textContent: `${file.label}, ${file.created_at}` }));
    label.append(radio, said);
    return label;
  }

  // The answer to an older question is not shown.
  let asked = 0;
  async function load() {
    const own = ++asked;
    const q = search.value.trim();
    try {
      const answer = await fetch(`/staff/files?${new URLSearchParams({ q })}`, { headers: { Accept: "application/json" } });
      if (own !== asked) return;
      if (answer.redirected) return say(words.session);
      if (!answer.ok) throw answer.status;
      const { files } = await answer.json();
      // One that is chosen stays: it may have been uploaded meanwhile.
      const kept = chosen();
      list.replaceChildren(...(kept ? [kept.closest("label")] : []), ...files.filter(({ url }) => url !== kept?.value).map(choice));
      list.closest("fieldset").hidden = !list.children.length && !q;
      if (q && !list.children.length) say(words.noneFound);
      else if (status.textContent === words.noneFound) say();
    } catch {
      if (own === asked) say(words.failed);
    }
  }

  // An answer that comes after the dialog was closed, or after another file was chosen, is nobody's.
  let round = 0;
  async function upload(file) {
    const own = ++round;
    input.value = "";
    if (chosen()) chosen().checked = false;
    if (file.size > Number(words.most)) return say(words.large);
    const body = new FormData();
    body.append("file", file);
    say(words.working);
    list.setAttribute("aria-busy", "true");
    try {
      const answer = await fetch("/staff/files", { method: "POST", body, headers: { Accept: "application/json" } });
      const told = await answer.json().catch(() => ({}));
      if (own !== round || !dialog.open) return;
      if (answer.status !== 201) return say(told.detail ?? (answer.redirected ? words.session : words.failed));
      const one = choice(told);
      for (const other of list.querySelectorAll("input")) if (other.value === told.url) other.closest("label").remove();
      list.prepend(one);
      list.closest("fieldset").hidden = false;
      one.querySelector("input").checked = true;
      choose(told);
      say(words.ready);
      title.focus();
    } catch {
      if (own === round) say(words.failed);
    } finally {
      if (own === round) list.removeAttribute("aria-busy");
    }
  }

  dialogs.searchAsTyped(search, load);
  input.addEventListener("change", () => input.files[0] && upload(input.files[0]));
  form.addEventListener("submit", (event) => {
    if (event.submitter?.value !== "insert" || chosen()) return;
    event.preventDefault();
    if (list.hasAttribute("aria-busy")) return;
    say(words.choose);
    (list.querySelector("input") ?? input).focus();
  });

  dialogs.file = async (dropped) => {
    round += 1;
    list.removeAttribute("aria-busy");
    form.reset();
    taken = "";
    list.replaceChildren();
    list.closest("fieldset").hidden = true;
    say();
    load();
    const answer = dialogs.ask(dialog);
    if (dropped) upload(dropped);
    return answer;
  };
})();
