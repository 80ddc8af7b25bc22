// Uploading a picture: by dropping it, by pasting it, by choosing a file. Without this script a place with
// data-upload-submits works as a part of its form, and the others stay hidden.
//
// It begins at every <div data-upload="/staff/images"> that holds
//   an <input type="file">,
//   a <p role="status">, whose data-working (a 0 in it becomes the percentage), data-processing, data-ready, data-failed,
//   data-session and data-large (for files above data-most bytes) are what it says,
//   a <p class="field-error" hidden>, for what went wrong.
// Fields named alt and credit inside it are sent along as far as they are filled in.
//
// The picture is sent at once. What the service answers ({id, url, width, height, thumbnail, alt, credit}) goes out as
// the event "rundbrief:image", which bubbles from the element, its `detail` the answer; "rundbrief:upload" says when it
// has begun. Inside a form of its own
// (data-upload-submits) nothing is sent before the form is: the script then adds dropping, pasting and the preview.
for (const area of document.querySelectorAll("[data-upload]")) {
  const input = area.querySelector("input[type=file]");
  const status = area.querySelector("[role=status]");
  const error = area.querySelector(".field-error");
  const preview = area.querySelector("img") ?? document.createElement("img");
  // Shown as soon as a picture is chosen. An <img> without an address would be no valid HTML, so the page has none.
  Object.assign(preview, { className: "upload-preview", alt: "", hidden: true });
  area.append(preview);
  const waitsForForm = "uploadSubmits" in area.dataset;
  let request;

  const say = (text) => (status.textContent = text ?? "");
  const fail = (text) => {
    say("");
    error.textContent = text ?? "";
    error.hidden = !text;
    if (text) input.setAttribute("aria-invalid", "true");
    else input.removeAttribute("aria-invalid");
  };

  const show = (file) => {
    if (preview.src.startsWith("blob:")) URL.revokeObjectURL(preview.src);
    preview.hidden = !file;
    if (file) preview.src = URL.createObjectURL(file);
  };
  // What the browser cannot show is told by the service, which says why.
  preview.addEventListener("error", () => (preview.hidden = true));

  const send = (file) => {
    request?.abort();
    const form = new FormData();
    for (const name of ["alt", "credit"]) {
      const field = area.querySelector(`[name=${name}]`);
      if (field?.value) form.append(name, field.value);
    }
    form.append("image", file);
    area.dispatchEvent(new CustomEvent("rundbrief:upload", { bubbles: true }));
    // fetch does not tell how far it is.
    request = new XMLHttpRequest();
    request.open("POST", area.dataset.upload);
    request.setRequestHeader("Accept", "application/json");
    request.responseType = "json";
    request.upload.onprogress = ({ loaded, total }) => {
      const percent = Math.floor((100 * loaded) / total);
      say(percent < 100 ? status.dataset.working.replace("0", percent) : status.dataset.processing);
    };
    request.onload = ({ target: { status: code, response } }) => {
      area.removeAttribute("aria-busy");
      if (code === 201 && response) {
        say(status.dataset.ready);
        area.dispatchEvent(new CustomEvent("rundbrief:image", { bubbles: true, detail: response }));
      } else if (response?.detail) {
        fail(response.detail);
      } else {
        // Led to the login, or a page that is none of ours.
        fail(code === 200 ? status.dataset.session : status.dataset.failed);
      }
    };
    request.onerror = request.ontimeout = () => {
      area.removeAttribute("aria-busy");
      fail(status.dataset.failed);
    };
    area.setAttribute("aria-busy", "true");
    say(status.dataset.working);
    request.send(form);
  };

  const take = (file) => {
    fail();
    // Said before it is sent: a service that stops reading looks like a broken line.
    if (file.size > (Number(status.dataset.most) || Infinity)) {
      show();
      input.value = "";
      return fail(status.dataset.large);
    }
    show(file);
    if (!waitsForForm) return send(file);
    // A file that was dropped or pasted becomes the form's.
    const files = new DataTransfer();
    files.items.add(file);
    input.files = files.files;
  };

  // The whole place looks like one to press.
  area.addEventListener("click", (event) => {
    if (!event.target.closest("input, label")) input.click();
  });
  input.addEventListener("change", () => input.files[0] && take(input.files[0]));

  const pictureIn = (data) => [...(data?.files ?? [])].find(({ type }) => type.startsWith("image/"));
  area.addEventListener("dragover", (event) => {
    if (![...event.dataTransfer.items].some(({ kind }) => kind === "file")) return;
    event.preventDefault();
    area.classList.add("upload-over");
  });
  area.addEventListener("dragleave", (event) => {
    if (!area.contains(event.relatedTarget)) area.classList.remove("upload-over");
  });
  area.addEventListener("drop", (event) => {
    event.preventDefault();
    area.classList.remove("upload-over");
    // Whatever it is: the service says why it takes none of it.
    const file = pictureIn(event.dataTransfer) ?? event.dataTransfer.files[0];
    if (file) take(file);
  });
  // Pasted anywhere on the page that has one such place; texts go where they always go.
  document.addEventListener("paste", (event) => {
    const file = pictureIn(event.clipboardData);
    // Office programs put a picture of a text beside it: the text was meant. A picture copied from a page has no text.
    const types = event.clipboardData?.types ?? [];
    if (event.defaultPrevented || (types.includes("text/html") && types.includes("text/plain"))) return;
    if (!file || document.querySelectorAll("[data-upload]").length !== 1) return;
    event.preventDefault();
    take(file);
  });

  area.classList.add("upload-ready");
}
