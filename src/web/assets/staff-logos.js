// Logos of the publication: one that was uploaded (staff-upload.js) fills in its address and the size that it is shown in.
// Without this script a logo is uploaded under "Bilder", and its address is copied from there.
for (const row of document.querySelectorAll("[data-logo]")) {
  const [widest, highest] = row.dataset.logo.split("x").map(Number);
  const field = (name) => row.querySelector(`input[name$="_${name}"]`);
  const upload = row.querySelector("[data-upload]");
  upload.hidden = false;
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
