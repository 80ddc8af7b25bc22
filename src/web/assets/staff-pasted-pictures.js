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
    const bytes = new Uint8Array(hex.reduce((all, part) => all + part.length, 0) >> 1);
    let at = 0;
    let high = -1;
    for (const part of hex) {
      for (let n = 0; n < part.length; n++) {
        const digit = Number.parseInt(part[n], 16);
        if (Number.isNaN(digit)) continue;
        if (high < 0) high = digit;
        else {
          bytes[at++] = high * 16 + digit;
          high = -1;
        }
      }
    }
    return bytes.subarray(0, at);
  }

  // What does not stand in the text itself: copies for older programs, bullets that are pictures, heads and feet of pages.
  const isAside = (word) => /^(nonshppict|shprslt|listpicture|background|header[lrf]?|footer[lrf]?)$/.test(word);

  // The pictures of an RTF in their order, each as a function that gives the file, or nothing: for one that no browser shows, such
  // as a drawing (WMF, EMF), and for one that was cropped, of which the whole is there. A line across the page is none.
  function inRtf(rtf) {
    const tokens = /\\bin(\d+) ?|\\([a-z]+)(-?\d+)? ?|\\[^a-z]|[{}]|[^{}\\]+/gi;
    const kinds = { pngblip: "image/png", jpegblip: "image/jpeg" };
    const found = [];
    const around = [];
    let group = { isHidden: false, isPicture: false, picture: null };
    for (let token = tokens.exec(rtf); token; token = tokens.exec(rtf)) {
      const [written, binary, word, number] = token;
      if (written === "{") {
        around.push(group);
        group = { isHidden: group.isHidden, isPicture: false, picture: group.picture };
      } else if (written === "}") {
        const { isHidden, isPicture, picture } = group;
        if (isPicture && !isHidden && !picture.isLine) found.push(picture.kind && !picture.isCropped ? () => new File([bytesOf(picture.hex)], "", { type: picture.kind }) : null);
        group = around.pop() ?? group;
      } else if (binary) {
        // As bytes, which an RTF in a clipboard does not have.
        tokens.lastIndex += Number(binary);
      } else if (word) {
        if (word === "pict") Object.assign(group, { isPicture: true, picture: { kind: "", hex: [], isLine: false, isCropped: false } });
        if (isAside(word)) group.isHidden = true;
        if (group.isPicture && Object.hasOwn(kinds, word)) group.picture.kind = kinds[word];
        if (group.picture && word === "defshp") group.picture.isLine = true;
        if (group.isPicture && word.startsWith("piccrop") && Number(number) > 0) group.picture.isCropped = true;
      } else if (group.isPicture) {
        group.picture.hex.push(written);
      } else if (group.picture && written.includes("fHorizRule")) {
        group.picture.isLine = true;
      }
    }
    return found;
  }

  // The bytes in a `data:` address, when they are wanted.
  function inAddress(address) {
    const [, kind] = /^data:(image\/[\w.+-]+)(?:;[\w=-]+)*;base64,/i.exec(address) ?? [];
    return kind && (() => {
      try {
        const text = atob(address.slice(address.indexOf(",") + 1).replace(/\s/g, ""));
        const bytes = new Uint8Array(text.length);
        for (let at = 0; at < bytes.length; at++) bytes[at] = text.charCodeAt(at);
        return new File([bytes], "", { type: kind });
      } catch {
        return null;
      }
    });
  }

  // What an image shows, if somebody said so: programs fill in names of files, and what they take it for.
  function described(image) {
    const alt = (image.getAttribute("alt") ?? "").replace(/[[\]\\`*_<>\s]+/g, " ").trim();
    const isMade = /^[^ ]+\.\w{3,4}$|automatisch generierte|KI-generiert|automatically generated|AI-generated/i.test(alt);
    return isMade || alt.length > 500 ? "" : alt;
  }

  // Which file of the RTF each local image is. That is known by their order alone: so their numbers have to be the same, of the
  // local images, or of all, for an RTF may hold those that the HTML holds, too.
  function filesOf(source, rtf) {
    const all = globalThis.rundbriefAllImages(source);
    const locals = all.filter((image) => /^file:/i.test(image.getAttribute("src") ?? ""));
    const files = locals.length && rtf ? inRtf(rtf) : [];
    const counted = [locals, all].find((images) => images.length === files.length) ?? [];
    return new Map(counted.map((image, number) => [image, files[number]]));
  }

  // Where each picture comes from: {alt, and file (a function), address or url}, url for one that is here already; and how many
  // more there are that cannot be had.
  function find(html, rtf) {
    const source = globalThis.rundbriefDocument(html);
    const files = filesOf(source, rtf);
    const pictures = globalThis.rundbriefImages(source).map((image) => {
      const src = image.getAttribute("src") ?? "";
      const alt = described(image);
      if (src.startsWith(`${location.origin}/images/`)) return { alt, url: src };
      if (/^https?:/i.test(src)) return { alt, address: src };
      return { alt, file: (/^file:/i.test(src) && files.get(image)) || inAddress(src) };
    });
    const shapes = new Set([...source.querySelectorAll("img")].flatMap((image) => image.getAttribute("v:shapes")?.split(/\s+/) ?? []));
    const drawn = [...source.querySelectorAll("v\\:imagedata")].filter((data) => !shapes.has(data.parentElement?.id));
    return { pictures, others: source.querySelectorAll("object, svg").length + drawn.length };
  }

  async function send({ alt, file: made, address }, signal) {
    const file = made?.();
    if (made && !file) throw words.failed;
    if (file && file.size > Number(words.most)) throw words.large;
    const body = file ? new FormData() : new URLSearchParams({ address, alt });
    if (file) {
      body.append("image", file);
      body.append("alt", alt);
    }
    const answer = await fetch(file ? "/staff/images" : "/staff/images/fetch", { method: "POST", body, headers: { Accept: "application/json" }, signal });
    const told = await answer.json().catch(() => ({}));
    if (answer.status !== 201) throw told.detail ?? (answer.redirected ? words.session : words.failed);
    // Of one that is in the library, it is known what it shows.
    return { address: told.url, alt: alt || told.alt };
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
      let sent = picture.url && { address: picture.url, alt: picture.alt };
      if (!sent && (picture.file || picture.address) && number < most && !stop.signal.aborted) {
        try {
          sent = await send(picture, stop.signal);
        } catch (reason) {
          if (!stop.signal.aborted) reasons.add(typeof reason === "string" ? reason : words.failed);
        }
      }
      taken.push(sent);
    }
    if (dialog.open) dialog.close();
    return { taken, reasons: [...reasons] };
  }

  return { find, upload };
})();
