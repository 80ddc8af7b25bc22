// <rundbrief-signup>: the newsletter's signup box on any page. Documented at /embed.
(() => {
  if (customElements.get("rundbrief-signup")) return;
  const home = document.currentScript?.src;

  // An element. Its id is also the part that the site's style sheet may address.
  const make = (tag, attributes, ...children) => {
    const node = document.createElement(tag);
    for (const key in attributes) node.setAttribute(key, attributes[key]);
    if (node.id) node.setAttribute("part", node.id);
    node.append(...children.filter(Boolean));
    return node;
  };
  const plain = (tag, ...children) => make(tag, {}, ...children);
  const link = (to) => to && make("a", { href: to.url }, to.label);

  // The proof of work that the service asks for during a surge of signups. Only then is its script loaded.
  const solve = (solver, challenge) =>
    new Promise((resolve, reject) => {
      const script = make("script", { src: solver });
      script.onload = () => resolve(script.solve(challenge));
      script.onerror = reject;
      document.head.append(script);
    });

  class Signup extends HTMLElement {
    #begun;

    async connectedCallback() {
      if (this.#begun) return;
      this.#begun = true;
      let service;
      // Until everything is there, and when it does not come, people see the plain form inside.
      try {
        service = new URL(this.getAttribute("service") || home).origin;
        const lang = encodeURIComponent(this.closest("[lang]")?.lang ?? "");
        const answer = await fetch(`${service}/embed/box?lang=${lang}`);
        if (!answer.ok) throw answer.status;
        this.#show(await answer.json(), service);
      } catch {
        if (service && !this.childElementCount) this.append(link({ url: service, label: "Newsletter" }));
      }
    }

    #show(box, service) {
      const input = make("input", { id: "input", name: "email", inputmode: "email", autocomplete: "email", autocapitalize: "none", autocorrect: "off", spellcheck: false, required: "", "aria-describedby": "hint" });
      const trap = make("input", { name: "rb_extra", tabindex: -1, autocomplete: "off", "data-1p-ignore": "", "data-lpignore": true, "data-bwignore": "" });
      const error = make("p", { id: "error" });
      const label = plain("span", box.button);
      const button = make("button", { id: "button", "aria-describedby": "consent" }, label);
      const trouble = make("p", { id: "trouble", role: "alert" });
      const result = make("div", { id: "result", role: "status", tabindex: -1 });
      const form = make("form", { id: "form", novalidate: "" },
        make("h2", { id: "heading" }, box.heading),
        make("p", { id: "teaser" }, box.teaser),
        plain("div", make("label", { id: "label", for: "input" }, box.email_label), error, input, make("p", { id: "hint" }, box.email_hint)),
        make("label", { "aria-hidden": true }, box.honeypot_label, trap),
        plain("section",
          plain("h3", box.consent_heading), make("p", { id: "consent" }, box.consent),
          make("dl", { id: "facts" }, ...[box.sender, box.frequency, box.withdraw].flatMap((fact) => fact ? [plain("dt", fact.label), plain("dd", fact.text)] : [])),
          link(box.privacy), link(box.imprint)),
        plain("div", trouble, button));

      const send = async (captcha = "") => {
        const body = new URLSearchParams({ email: input.value, rb_extra: trap.value, locale: box.lang, consent_version: box.consent_version, shown: box.shown, captcha, page: location.href.slice(0, 500) });
        const answer = await fetch(`${service}/subscribe?lang=${box.lang}`, { method: "POST", headers: { Accept: "application/json" }, body, signal: AbortSignal.timeout(2e4) });
        if (!answer.ok) {
          const { detail, challenge } = await answer.json();
          return challenge && !captcha ? send(await solve(box.solver, challenge)) : [answer.status, detail];
        }
        const { suggestion, notice } = await answer.json();
        const { heading, text, sent_to, meant, correct } = box.success;
        const back = make("button", { id: "back" }, correct);
        back.onclick = () => {
          result.replaceChildren();
          result.before(form);
          input.value = suggestion ?? input.value;
          input.focus();
        };
        form.remove();
        const lines = [`${sent_to} ${input.value}`, suggestion && `${meant} ${suggestion}?`, ...(notice ? [notice] : text)];
        result.append(make("h2", { id: "heading" }, heading), ...lines.filter(Boolean).map((line) => plain("p", line)), back);
        result.focus();
        return [];
      };
      form.addEventListener("submit", async (event) => {
        event.preventDefault();
        if (button.hasAttribute("aria-disabled")) return;
        button.setAttribute("aria-disabled", true);
        label.textContent = box.sending;
        trouble.replaceChildren();
        const [status, message] = await send().catch(() => [-1]);
        button.removeAttribute("aria-disabled");
        label.textContent = box.button;
        const wrong = status === 422;
        error.textContent = wrong ? message : "";
        input.setAttribute("aria-invalid", wrong);
        input.setAttribute("aria-describedby", wrong ? "error hint" : "hint");
        if (wrong) input.focus();
        else if (status) trouble.append(message || box.trouble, " ", link(box.hosted));
      });

      // What was typed into the plain form goes on here.
      const typed = this.querySelector("[name=email]");
      const inUse = typed?.matches(":focus");
      input.value = typed?.value ?? "";
      const sheet = new CSSStyleSheet();
      sheet.replaceSync(`:host { --accent: var(--rundbrief-accent, ${box.accent}); --error: var(--rundbrief-error, #d43f2e); }${box.css}`);
      const root = this.attachShadow({ mode: "open" });
      root.adoptedStyleSheets = [sheet];
      root.append(make("div", { lang: box.lang }, form, result));
      if (inUse) input.focus();
    }
  }

  customElements.define("rundbrief-signup", Signup);
})();
