// The same tick in two forms, to send now and to send later, is one: whoever has made it need not make it again. Without this
// script each form asks for its own.
"use strict";

for (const tick of document.querySelectorAll("[data-ticks] input[type=checkbox]")) {
  tick.addEventListener("change", () => {
    for (const other of document.querySelectorAll(`[data-ticks] input[name=${tick.name}]`)) other.checked = tick.checked;
  });
}
