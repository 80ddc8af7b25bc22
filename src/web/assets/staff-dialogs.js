// The dialogs of the toolbar: a link with its text, a picture, from the library or a new one, what a picture shows, and
// the fields of a block. Each gives a promise of what was filled in, or of nothing where somebody thought better of it.
// Everything can be typed without them.
globalThis.rundbriefDialogs = (() => {
  const links = document.getElementById("link-dialog");
  const library = document.getElementById("library");
  const said = document.getElementById("alt-dialog");
  if (!links || !library || !said) return undefined;
  const field = (dialog, name) => dialog.querySelector("form").elements.namedItem(name);

  // The browser gives the focus back to where it was.
  function ask(dialog) {
    dialog.returnValue = "";
    dialog.showModal();
    const fields = () => Object.fromEntries([...new FormData(dialog.querySelector("form"))].map(([name, value]) => [name, value.trim()]));
    return new Promise((resolve) => {
      dialog.addEventListener("close", () => resolve(dialog.returnValue === "insert" ? fields() : undefined), { once: true });
    });
  }

  // Looks for what is typed a moment after the last key. Enter inserts nothing.
  function searchAsTyped(search, load) {
    let timer;
    search.addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(load, 300);
    });
    search.addEventListener("keydown", (event) => {
      if (event.key === "Enter") event.preventDefault();
    });
  }

  // A link that is there may lose its address: then it is text.
  function link(text, address = "") {
    field(links, "text").value = text;
    field(links, "address").value = address;
    field(links, "address").required = !address;
    const asked = ask(links);
    field(links, text ? "address" : "text").focus();
    return asked;
  }

  function alt(shows) {
    field(said, "alt").value = shows;
    return ask(said);
  }

  const blocks = document.getElementById("block-dialog");
  const ofKind = (kind) => blocks.querySelector(`[data-kind=${kind}]`);
  const lines = (kind) => [...ofKind(kind).querySelectorAll("[data-word]")];

  // What people call a kind of block, and its fields by their keys.
  function blockKind(kind) {
    const fields = Object.fromEntries(lines(kind).map(({ dataset }) => [dataset.key, dataset.word]));
    return { label: ofKind(kind).querySelector("legend").textContent, fields };
  }

  // The fields of a block as [word, value], beginning with what it says so far, by its keys.
  async function block(kind, values = {}) {
    for (const other of blocks.querySelectorAll("[data-kind]")) other.hidden = other.disabled = other.dataset.kind !== kind;
    blocks.querySelector("h2").textContent = blockKind(kind).label;
    for (const line of lines(kind)) {
      const value = values[line.dataset.key] ?? "";
      if (line.options) for (const option of line.options) option.selected = option.dataset.position === (value || "wide");
      else line.value = value;
    }
    const asked = ask(blocks);
    lines(kind)[0].focus();
    return (await asked) && lines(kind).map((line) => [line.dataset.word, line.value.trim()]);
  }

  // A block of fields as it stands in the text. A line of text that looks like a field or like the end of the block has the
  // word before it, too.
  function blockText(begin, fields) {
    const isOdd = (line) => /^\s*([\p{L}-]+\s*:(?!\/\/)|:{3})/u.test(line);
    const written = ([word, value]) => value.split("\n").map((line, number) => (number && !isOdd(line) ? line : `${word}: ${line}`));
    return [begin, ...fields.filter(([, value]) => value).flatMap(written), ":::"].join("\n");
  }

  const status = document.getElementById("library-status");
  const words = status.dataset;
  const pictures = document.getElementById("library-pictures");
  const more = document.getElementById("library-more");
  const search = document.getElementById("library-search");
  const file = document.getElementById("library-file");
  const say = (text) => (status.textContent = text ?? "");
  const chosen = () => pictures.querySelector("input:checked");

  // What is said of a picture is taken over; what somebody has typed meanwhile stays.
  const taken = { alt: "", credit: "" };
  function choose(image) {
    for (const name of ["alt", "credit"]) {
      const input = field(library, name);
      if (!input.value || input.value === taken[name]) input.value = image[name];
      taken[name] = image[name];
    }
    say();
  }

  const known = new Map();
  function choice(image) {
    known.set(image.url, image);
    const label = Object.assign(document.createElement("label"), { className: "library-picture" });
    const input = Object.assign(document.createElement("input"), { type: "radio", name: "picture", value: image.url });
    input.addEventListener("change", () => choose(image));
    const alt = image.alt || pictures.dataset.untitled.replace("{at}", image.created_at);
    const frame = Object.assign(document.createElement("span"), { className: "picture-frame" });
    frame.append(Object.assign(document.createElement("img"), { src: image.thumbnail, alt, loading: "lazy" }));
    label.append(input, frame);
    return label;
  }

  // The answer to an older question is not shown.
  let older, asked = 0;
  async function load(isMore) {
    const number = ++asked;
    const query = new URLSearchParams({ q: search.value.trim() });
    if (isMore && older) query.set("before", older);
    try {
      const answer = await fetch(`/staff/images?${query}`, { headers: { Accept: "application/json" } });
      if (number !== asked) return;
      if (answer.redirected) return say(words.session);
      if (!answer.ok) throw answer.status;
      const told = await answer.json();
      older = told.older;
      more.hidden = !older;
      const kept = chosen()?.closest("label");
      const shown = told.images.filter(({ url }) => url !== kept?.querySelector("input").value).map(choice);
      if (isMore) pictures.append(...shown);
      else pictures.replaceChildren(...(kept ? [kept] : []), ...shown);
      // From the last picture that was there, the keyboard goes on to the first new one.
      if (isMore) shown[0]?.querySelector("input").focus();
      if (!pictures.children.length) say(search.value.trim() ? words.noneFound : words.none);
      else if (status.textContent === words.noneFound) say();
    } catch {
      if (number === asked) say(words.failed);
    }
  }

  async function upload(picture) {
    file.value = "";
    if (picture.size > Number(words.most)) return say(words.large);
    const form = new FormData();
    form.append("image", picture);
    say(words.processing);
    try {
      const answer = await fetch("/staff/images", { method: "POST", body: form, headers: { Accept: "application/json" } });
      const told = await answer.json().catch(() => ({}));
      if (answer.status !== 201) return say(told.detail ?? (answer.redirected ? words.session : words.failed));
      const one = choice({ created_at: new Date().toLocaleDateString(document.documentElement.lang), ...told });
      for (const other of pictures.querySelectorAll("input")) if (other.value === told.url) other.closest("label").remove();
      pictures.prepend(one);
      one.querySelector("input").checked = true;
      choose(told);
      say(words.ready);
      if (!field(library, "alt").value) field(library, "alt").focus();
    } catch {
      say(words.failed);
    }
  }

  searchAsTyped(search, load);
  more.addEventListener("click", () => load(true));
  file.addEventListener("change", () => file.files[0] && upload(file.files[0]));
  library.querySelector("form").addEventListener("submit", (event) => {
    if (event.submitter?.value !== "insert" || chosen()) return;
    event.preventDefault();
    say(words.choose);
    (pictures.querySelector("input") ?? file).focus();
  });

  // A picture with what is said of it: {picture, alt, caption, credit, position}. One that was dropped or pasted is uploaded.
  async function picture(dropped) {
    library.querySelector("form").reset();
    Object.assign(taken, { alt: "", credit: "" });
    pictures.replaceChildren();
    more.hidden = true;
    say();
    load();
    const answer = ask(library);
    if (dropped) upload(dropped);
    const told = await answer;
    const image = told && known.get(told.picture);
    // The library knows it from now on, too.
    if (image && !image.alt) {
      image.alt = told.alt;
      fetch(`/staff/images/${image.id}`, { method: "POST", body: new URLSearchParams({ alt: told.alt, credit: told.credit }) }).catch(() => {});
    }
    return told;
  }

  return { block, blockKind, blockText, ask, link, picture, alt, searchAsTyped };
})();
