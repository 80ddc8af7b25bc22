// Shows how far an import is. When it has come to the next step, the page is loaded anew. Without this script the page
// reloads itself every few seconds.
"use strict";

const shown = document.querySelector("[data-progress]");
const bar = shown.querySelector("progress");
const read = shown.querySelector("[data-read]");

async function look() {
  try {
    const answer = await fetch(shown.dataset.progress);
    const now = answer.ok && !answer.redirected ? await answer.json() : {};
    if (now.state !== shown.dataset.state) return location.reload();
    bar.value = now.percent;
    read.textContent = now.read;
  } catch {
    // Away for a moment: asked again.
  }
  setTimeout(look, 1000);
}

setTimeout(look, 500);
