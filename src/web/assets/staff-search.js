// Searches while one types: the list below the form is fetched anew, a moment after the last key. Without this script the
// form has a button.
"use strict";

const form = document.querySelector("form[data-search]");
const list = document.getElementById(form.dataset.search);
const said = document.querySelector("[data-search-said]");
let timer;
let running;

async function search() {
  running?.abort();
  running = new AbortController();
  const asked = new URLSearchParams(new FormData(form));
  for (const [name, value] of [...asked]) if (!value) asked.delete(name);
  const address = `${form.action}?${asked}`;
  asked.set("part", "list");
  try {
    const answer = await fetch(`${form.action}?${asked}`, { signal: running.signal });
    // Logged out, or something is wrong: the page itself says what.
    if (answer.redirected || !answer.ok) return location.assign(address);
    const part = new DOMParser().parseFromString(await answer.text(), "text/html");
    list.replaceChildren(...part.body.childNodes);
    said.textContent = list.querySelector("[data-count]").textContent;
    history.replaceState(null, "", address);
  } catch (error) {
    if (error.name !== "AbortError") form.submit();
  }
}

form.addEventListener("input", () => {
  clearTimeout(timer);
  timer = setTimeout(search, 150);
});
form.addEventListener("submit", (event) => {
  event.preventDefault();
  clearTimeout(timer);
  search();
});
