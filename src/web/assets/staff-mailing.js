// The page of a mailing, live: counts down, shows how it goes, and is made anew when it becomes another page.
//
// Everything on it comes from the server, words and all; this only puts it in its place. Without it the page refreshes
// itself. Elements with data-live="NAME" show a value of the server's events (see src/web/staff/mailings/progress.rs).

const live = document.querySelector("[data-events]");
const said = document.querySelector("[data-said]");
const seconds = document.querySelector("[data-seconds]");

/** How often screen readers are told how far it is, at most. */
const SAY_EVERY = 30_000;
let saidAt = Date.now();

/** Says something to those who do not see the page change. */
function say(words) {
  if (said && words) said.textContent = words;
}

// A mailing begins, and ends, by the page being made anew: what that means is said there, once it can be heard.
const TURNED = "mailing-turned";

/** The page anew, without what was notified before. While somebody is typing a time it waits. */
function anew() {
  if (document.activeElement?.matches("input:not([type=hidden])")) return setTimeout(anew, 1000);
  sessionStorage.setItem(TURNED, location.pathname);
  location.replace(location.pathname);
}

const turned = sessionStorage.getItem(TURNED) === location.pathname;
sessionStorage.removeItem(TURNED);
if (turned || seconds) setTimeout(() => say(said?.dataset.said), 300);

function show(news) {
  const shown = live.dataset;
  if (news.phase !== shown.phase || (news.kind ?? "") !== shown.kind || news.plan !== shown.plan) return anew();
  for (const element of document.querySelectorAll("[data-live]")) {
    const value = news[element.dataset.live] ?? "";
    if (element.textContent !== value) element.textContent = value;
  }
  const bar = document.querySelector("progress");
  if (bar) {
    bar.max = news.audience;
    bar.value = news.ended;
    bar.textContent = `${news.percent} %`;
  }
  if (Date.now() - saidAt >= SAY_EVERY && said?.textContent !== news.sentence) {
    saidAt = Date.now();
    say(news.sentence);
  }
}

/** While nobody looks at the page it is told nothing: browsers have six connections to a place, and each page takes one. */
let events;

function follow() {
  if (document.hidden || events) return;
  events = new EventSource(live.dataset.events);
  events.onmessage = (event) => show(JSON.parse(event.data));
  // It comes back by itself, unless the answer was another one: too many pages are open, or the session is over.
  events.onerror = () => {
    if (events?.readyState === EventSource.CLOSED) setTimeout(anew, 5000);
  };
}

function rest() {
  events?.close();
  events = undefined;
}

if (live) {
  follow();
  document.addEventListener("visibilitychange", () => (document.hidden ? rest() : follow()));
  addEventListener("pagehide", rest);
  // A form that was sent leads on by itself. To make the page anew meanwhile would call that off, and nobody would be told
  // what was done.
  addEventListener("submit", () => {
    rest();
    setTimeout(follow, 5000);
  });
}

// From the browser's back and forward cache it would come as it was, and not as it is.
addEventListener("pageshow", (event) => {
  if (event.persisted) anew();
});

if (seconds) {
  const end = Date.now() + Number(seconds.dataset.seconds) * 1000;
  const count = setInterval(() => {
    const left = Math.max(0, Math.ceil((end - Date.now()) / 1000));
    seconds.textContent = left;
    if (left === 0) clearInterval(count);
  }, 200);
}
