// The pictures of what is pasted, which come in three ways: in the HTML itself (LibreOffice, Word on the web), beside it as RTF
// (Word, Outlook), or as an address that the service fetches (web pages, Google Docs). They are uploaded before the text is
// inserted, while a dialog tells how far that is.
globalThis.rundbriefPastedPictures = (() => {
  const dialog = document.getElementById("pasting-dialog");
  if (!dialog) return undefined;
  const status = document.getElementById("pasting-status");
  const progress = document.getElementById("pasting-progress");
  const words = document.getElementById("library-status").dataset;
  // More than a mail can use.
  const most = 50;

  function bytesOf(hex) {
    const digits = hex.join("").replace(/\s/g, "");
    const bytes = new Uint8Array(digits.length >> 1);
    for (let at = 0; at < bytes.length; at++) bytes[at] = Number.parseInt(digits.slice(2 * at, 2 * at + 2), 16);
    return bytes;
  }

  // The pictures of an RTF in their order: a file each, or nothing for one that no browser shows, such as a drawing (WMF, EMF).
  // Those that stand there a second time for older programs, and bullets that are pictures, do not count.
  function inRtf(rtf) {
    const tokens = /\\bin(\d+) ?|\\([a-z]+)-?\d* ?|\\[^a-z]|[{}]|[^{}\\]+/gi;
    const kinds = { pngblip: "image/png", jpegblip: "image/jpeg" };
    const found = [];
    const around = [];
    let group = { isHidden: false, isPicture: false, kind: "", hex: [] };
    for (let token = tokens.exec(rtf); token; token = tokens.exec(rtf)) {
      const [written, binary, word] = token;
      if (written === "{") {
        around.push(group);
        group = { isHidden: group.isHidden, isPicture: false, kind: "", hex: [] };
      } else if (written === "}") {
        if (group.isPicture && !group.isHidden) found.push(group.kind ? new File([bytesOf(group.hex)], "", { type: group.kind }) : null);
        group = around.pop() ?? group;
      } else if (binary) {
        // As bytes, which an RTF in a clipboard does not have.
        tokens.lastIndex += Number(binary);
      } else if (word) {
        if (word === "pict") group.isPicture = true;
        if (/^(nonshppict|shprslt|listpicture|background)$/.test(word)) group.isHidden = true;
        if (group.isPicture && Object.hasOwn(kinds, word)) group.kind = kinds[word];
      } else if (group.kind) {
        group.hex.push(written);
      }
    }
    return found;
  }

  // The bytes in a `data:` address.
  function inAddress(address) {
    const [, kind, base64] = /^data:(image\/[\w.+-]+)(?:;[\w=-]+)*;base64,(.*)$/is.exec(address) ?? [];
    try {
      return kind ? new File([Uint8Array.from(atob(base64.replace(/\s/g, "")), (sign) => sign.codePointAt(0))], "", { type: kind }) : null;
    } catch {
      return null;
    }
  }

  // What an image shows, if somebody said so: programs fill in names of files, and what they take it for.
  function described(image) {
    const alt = (image.getAttribute("alt") ?? "").replace(/[[\]\\`*_<>\s]+/g, " ").trim();
    const isMade = /^[^ ]+\.\w{3,4}$|automatisch generierte|KI-generiert|automatically generated|AI-generated/i.test(alt);
    return isMade || alt.length > 500 ? "" : alt;
  }

  // Where each picture comes from: {alt, and file, address or url}, url for one that is here already; and how many more there
  // are that cannot be had.
  function find(html, rtf) {
    const source = globalThis.rundbriefDocument(html);
    const images = globalThis.rundbriefImages(source);
    const isLocal = (image) => /^file:/i.test(image.getAttribute("src") ?? "");
    const locals = images.filter(isLocal);
    const files = locals.length && rtf ? inRtf(rtf) : [];
    // Which is which is known by their order alone.
    const fileOf = new Map(files.length === locals.length ? locals.map((image, number) => [image, files[number]]) : []);
    const pictures = images.map((image) => {
      const src = image.getAttribute("src") ?? "";
      const alt = described(image);
      if (src.startsWith(`${location.origin}/images/`)) return { alt, url: src };
      if (/^https?:/i.test(src)) return { alt, address: src };
      return { alt, file: (isLocal(image) && fileOf.get(image)) || inAddress(src) };
    });
    return { pictures, others: source.querySelectorAll("object, svg").length };
  }

  async function send({ alt, file, address }, signal) {
    if (file && file.size > Number(words.most)) throw words.large;
    const body = file ? new FormData() : new URLSearchParams({ address, alt });
    if (file) {
      body.append("image", file);
      body.append("alt", alt);
    }
    const answer = await fetch(file ? "/staff/images" : "/staff/images/fetch", { method: "POST", body, headers: { Accept: "application/json" }, signal });
    const told = await answer.json().catch(() => ({}));
    if (answer.status !== 201) throw told.detail ?? (answer.redirected ? words.session : words.failed);
    return told.url;
  }

  // The address of each picture and what it shows, nothing for one that did not come along; and why some did not.
  async function upload(pictures) {
    const stop = new AbortController();
    const reasons = new Set();
    const taken = [];
    dialog.addEventListener("close", () => stop.abort(), { once: true });
    progress.max = pictures.length;
    dialog.showModal();
    for (const [number, picture] of pictures.entries()) {
      progress.value = number;
      status.textContent = status.dataset.step.replace("{number}", number + 1).replace("{all}", pictures.length);
      let { url } = picture;
      if (!url && (picture.file || picture.address) && number < most && !stop.signal.aborted) {
        try {
          url = await send(picture, stop.signal);
        } catch (reason) {
          if (!stop.signal.aborted) reasons.add(typeof reason === "string" ? reason : words.failed);
        }
      }
      taken.push(url && { address: url, alt: picture.alt });
    }
    if (dialog.open) dialog.close();
    return { taken, reasons: [...reasons] };
  }

  return { find, upload };
})();
