// A button that copies what stands in a field. Without a script, or without a clipboard, there is none: the field can be
// selected and copied by hand.
"use strict";

for (const place of document.querySelectorAll("[data-copy]")) {
  const field = document.getElementById(place.dataset.copy);
  const said = place.querySelector("[role=status]");
  if (!field || !navigator.clipboard) continue;
  place.hidden = false;
  place.querySelector("button").addEventListener("click", async () => {
    said.textContent = "";
    try {
      await navigator.clipboard.writeText(field.value);
      said.textContent = place.dataset.copied;
    } catch {
      field.select();
      said.textContent = place.dataset.failed;
    }
  });
}
