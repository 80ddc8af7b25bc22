// The form of the publication: its colour is picked beside the field in which it is written, and logos are uploaded.
//
// A logo that was uploaded (staff-upload.js) fills in its address and the size that it is shown in; these fields are hidden.
// Without this script a logo is uploaded under "Bilder", and its address is copied from there.
for (const picker of document.querySelectorAll("[data-colour-of]")) {
  const field = document.getElementById(picker.dataset.colourOf);
  const show = () => (picker.value = /^#[\da-f]{6}$/i.test(field.value) ? field.value : "#0f6470");
  show();
  picker.hidden = false;
  field.addEventListener("input", show);
  picker.addEventListener("input", () => (field.value = picker.value));
}

for (const row of document.querySelectorAll("[data-logo]")) {
  const [widest, highest] = row.dataset.logo.split("x").map(Number);
  const field = (name) => row.querySelector(`input[name$="_${name}"]`);
  const upload = row.querySelector("[data-upload]");
  upload.hidden = false;
  const address = row.querySelector(".logo-address");
  // Where something is wrong with it, it is to be seen.
  address.hidden = !row.hasAttribute("aria-describedby");
  const remove = row.querySelector("[data-logo-remove]");
  const offer = () => (remove.hidden = !field("url").value);
  offer();
  remove.addEventListener("click", () => {
    for (const name of ["url", "alt", "width", "height"]) field(name).value = "";
    for (const part of row.querySelectorAll(".logo-now")) part.remove();
    for (const part of row.querySelectorAll(".upload-preview")) part.hidden = true;
    offer();
    upload.querySelector("input").focus();
  });
  let altBefore;
  upload.addEventListener("rundbrief:upload", () => (altBefore = field("alt").value));
  upload.addEventListener("rundbrief:image", ({ detail: { url, width, height, alt } }) => {
    // Never larger than it is: that would blur it.
    const scale = Math.min(1, widest / width, highest / height);
    // What another logo says is not what this one says; what was written meanwhile is.
    const isOther = field("url").value && field("url").value !== url;
    if ((isOther && field("alt").value === altBefore) || !field("alt").value) field("alt").value = alt ?? "";
    for (const part of row.querySelectorAll(".logo-now")) part.remove();
    field("url").value = url;
    field("width").value = Math.max(1, Math.round(width * scale));
    field("height").value = Math.max(1, Math.round(height * scale));
    offer();
    // Whoever went on typing elsewhere is not called back.
    const isHere = row.contains(document.activeElement) || document.activeElement === document.body;
    if (!field("alt").value && isHere) field("alt").focus();
  });

  // Saved while it is still on its way: that waits for it. If it fails, what is wrong stands at the file.
  const form = row.closest("form");
  let button;
  const goOn = () => form.requestSubmit(button);
  upload.addEventListener("rundbrief:upload", () => upload.removeEventListener("rundbrief:image", goOn));
  form.addEventListener("submit", (event) => {
    if (!upload.hasAttribute("aria-busy")) return;
    event.preventDefault();
    button = event.submitter;
    upload.addEventListener("rundbrief:image", goOn, { once: true });
  });
}
