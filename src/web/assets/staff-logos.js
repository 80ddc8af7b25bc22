// Logos of the publication: one that was uploaded (staff-upload.js) fills in its address and the size that it is shown in.
// Without this script a logo is uploaded under "Bilder", and its address is copied from there.
for (const row of document.querySelectorAll("[data-logo]")) {
  const [widest, highest] = row.dataset.logo.split("x").map(Number);
  const field = (name) => row.querySelector(`input[name$="_${name}"]`);
  const upload = row.querySelector("[data-upload]");
  upload.hidden = false;
  upload.addEventListener("rundbrief:image", ({ detail: { url, width, height, alt } }) => {
    // Never larger than it is: that would blur it.
    const scale = Math.min(1, widest / width, highest / height);
    field("url").value = url;
    field("width").value = Math.max(1, Math.round(width * scale));
    field("height").value = Math.max(1, Math.round(height * scale));
    if (!field("alt").value) field("alt").value = alt ?? "";
    if (!field("alt").value) field("alt").focus();
  });
}
