// The editor of an update: saves as it is typed, says who else is here, and keeps the mail beside it up to date.
// Without this script the form has its button, and the views of the mail are links.
(() => {
  const form = document.getElementById("editor");
  if (!form) return;
  const field = (name) => form.elements.namedItem(name);
  const saved = document.getElementById("saved");
  const others = document.getElementById("others");
  const plurals = new Intl.PluralRules(document.documentElement.lang);
  const conflict = document.getElementById("conflict");
  const changed = document.getElementById("changed");
  const mail = document.getElementById("mail");
  const heading = document.querySelector("h1");
  // A mail is planned that has the text of before until somebody takes over the new one.
  const planned = document.getElementById("planned-old");
  const words = form.dataset;
  const content = () => new URLSearchParams(new FormData(form));

  // Saving: a second after the last key, never two at once, again after trouble.
  let known = content().toString();
  let timer, isSaving = false, isStopped = false, isLeaving = false;

  const isChanged = () => content().toString() !== known;

  async function save() {
    if (isSaving || isStopped || !isChanged()) return;
    isSaving = true;
    if (!isLoggedOut()) saved.textContent = words.saving;
    const sent = content();
    let again = 1000;
    try {
      const answer = await fetch(form.action, { method: "POST", body: sent, headers: { Accept: "application/json" }, signal: AbortSignal.timeout(20000) });
      if (answer.status === 409) {
        isStopped = true;
        conflict.firstElementChild.textContent = (await answer.json()).message;
        conflict.hidden = false;
        shows("text");
        saved.textContent = words.unsaved;
        conflict.scrollIntoView({ block: "center" });
      } else if (answer.redirected) {
        sayLoggedOut();
        again = 5000;
      } else if (!answer.ok) {
        throw answer.status;
      } else {
        const { version, saved_at, unfinished, preheader } = await answer.json();
        field("version").value = version;
        sent.set("version", version);
        known = sent.toString();
        saved.textContent = words.saved.replace("{at}", saved_at);
        tell(unfinished);
        document.getElementById("inbox-preheader").textContent = preheader;
        if (planned) planned.hidden = false;
        show();
      }
    } catch {
      saved.textContent = words.trouble;
      again = 5000;
    }
    isSaving = false;
    if (isChanged()) later(again);
  }

  // The session is over. The text stays here until somebody has logged in, in another tab. Said once, so that the link
  // keeps the focus and nobody hears it again and again.
  const isLoggedOut = () => saved.querySelector("a") !== null;

  function sayLoggedOut() {
    if (isLoggedOut()) return;
    saved.replaceChildren(words.session, " ", Object.assign(document.createElement("a"), { href: "/staff/login", target: "_blank", textContent: words.login }));
  }

  function later(milliseconds = 1000) {
    clearTimeout(timer);
    timer = setTimeout(save, milliseconds);
  }

  // What is still missing, below its field.
  function tell(unfinished) {
    for (const line of form.querySelectorAll(".missing")) {
      const text = unfinished[line.id.replace("-missing", "")] ?? "";
      line.textContent = text;
      line.hidden = !text;
    }
  }

  form.addEventListener("input", () => {
    if (!isLoggedOut()) saved.textContent = words.unsaved;
    if (field("title").value) heading.textContent = field("title").value;
    document.getElementById("inbox-subject").textContent = field("title").value;
    // Without a teaser it is the first sentence of the text, which the service knows once it is saved.
    if (field("teaser").value) document.getElementById("inbox-preheader").textContent = field("teaser").value;
    later();
  });
  // The button and the Enter key save as typing does, and stay here: a form that is sent may end at the login, without the
  // text. Only to see both texts one has to go, and then it is made sure before that there is somebody logged in.
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (!isStopped && !isChanged()) return (saved.textContent = words.all);
    if (!isStopped) return later(0);
    try {
      const answer = await fetch(words.here, { method: "POST" });
      if (answer.redirected) return sayLoggedOut();
      if (!answer.ok) throw answer.status;
      isLeaving = true;
      form.submit();
    } catch {
      saved.textContent = words.trouble;
    }
  });
  // Whoever goes on to another page of ours, by a link or by another button, takes along what is typed, and is not asked about it.
  async function isAllSaved() {
    while (isSaving) await new Promise((resolve) => setTimeout(resolve, 50));
    await save();
    return !isChanged();
  }

  document.addEventListener("click", async (event) => {
    const link = event.target.closest("a[href^='/staff']:not([target])");
    if (!link || !isChanged() || isStopped || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    if (await isAllSaved()) location.assign(link.href);
  });
  const waiting = new WeakSet();
  document.addEventListener("submit", async (event) => {
    const { target: other, submitter } = event;
    if (event.defaultPrevented || other === form || other.getAttribute("method") === "dialog" || !isChanged() || isStopped) return;
    event.preventDefault();
    // A second press is the same wish.
    if (waiting.has(other)) return;
    waiting.add(other);
    const isSaved = await isAllSaved();
    waiting.delete(other);
    if (isSaved) other.requestSubmit(submitter);
  });
  addEventListener("beforeunload", (event) => {
    if (isChanged() && !isLeaving) event.preventDefault();
  });

  // A picture that was uploaded: its address, and what is known of it where nobody has written something.
  const upload = form.querySelector("[data-upload]");
  upload.hidden = false;
  let before = {};
  upload.addEventListener("rundbrief:upload", () => {
    before = { alt: field("image_alt").value, credit: field("image_credit").value };
  });
  upload.addEventListener("rundbrief:image", ({ detail }) => {
    // What was said of another picture is not true of this one; what was written meanwhile is.
    const isOther = field("image").value && field("image").value !== detail.url;
    field("image").value = detail.url;
    for (const name of ["alt", "credit"]) {
      const text = field(`image_${name}`);
      if ((isOther && text.value === before[name]) || !text.value) text.value = detail[name] ?? "";
    }
    field("image").dispatchEvent(new Event("input", { bubbles: true }));
    // Whoever went on typing elsewhere is not called back.
    const isHere = upload.closest("fieldset").contains(document.activeElement) || document.activeElement === document.body;
    if (!field("image_alt").value && isHere) field("image_alt").focus();
  });

  // Where there is no room for both beside each other: the text or the mail.
  const views = document.getElementById("desk-views");
  const shows = (what) => {
    form.parentElement.dataset.shows = what;
    for (const view of views.children) view.setAttribute("aria-pressed", String(view.dataset.shows === what));
  };
  views.hidden = false;
  views.addEventListener("click", (event) => event.target.dataset.shows && shows(event.target.dataset.shows));
  // The links to another look at the mail, where they are followed, lead to it.
  shows(location.hash === "#preview" ? "mail" : "text");

  // The mail: another look at it is another address; a new version keeps its place.
  const address = new URL(mail.src);

  function show(change = {}) {
    for (const [name, value] of Object.entries(change)) {
      if (name === "part") address.pathname = address.pathname.replace(/mail\.\w+$/, value === "text" ? "mail.txt" : "mail.html");
      else address.searchParams.set(name, value);
    }
    address.searchParams.set("v", field("version").value);
    const top = mail.contentWindow?.scrollY ?? 0;
    mail.addEventListener("load", () => mail.contentWindow?.scrollTo(0, top), { once: true });
    mail.contentWindow.location.replace(address);
  }

  for (const view of document.querySelectorAll("[data-view]")) {
    view.addEventListener("click", (event) => {
      event.preventDefault();
      const { view: name, value } = view.dataset;
      for (const other of document.querySelectorAll(`[data-view=${name}]`)) other.removeAttribute("aria-current");
      view.setAttribute("aria-current", "true");
      if (name === "width") mail.className = `mail mail-${value}`;
      else show({ [name]: value });
    });
  }

  // Who else is here.
  async function here() {
    try {
      const answer = await fetch(words.here, { method: "POST" });
      if (!answer.ok || answer.redirected) return;
      const { others: names, version, changed_by: who } = await answer.json();
      if (version > Number(field("version").value) && !isSaving && !isStopped && changed.hidden) {
        changed.hidden = false;
        changed.textContent = changed.dataset.text.replace("{who}", who ?? "");
      }
      const text = others.dataset[plurals.select(names.length)];
      others.textContent = names.length ? text.replace("{who}", names.join(", ")) : "";
      others.hidden = !names.length;
    } catch {
      // The next one may come through.
    }
  }
  here();
  setInterval(here, 15000);
})();
