// Leads from a finding of the check to the very words it is about: `?line=3&words=…#body`. Without this script the link leads
// to their field.
(() => {
  const asked = new URLSearchParams(location.search);
  const line = Number(asked.get("line"));
  const field = document.getElementById(location.hash.slice(1));
  if (!field?.matches("input, textarea") || !(line || asked.has("words"))) return;
  const place = placeOf(field.value, line, (asked.get("words") ?? "").replace(/…$/, ""));
  if (!place) {
    field.focus();
  } else if (field.dispatchEvent(new CustomEvent("rundbrief:select", { detail: place, cancelable: true }))) {
    field.setSelectionRange(place.start, place.end);
    field.focus();
  }
  // Whoever loads the page again is where they were.
  for (const name of ["line", "words"]) asked.delete(name);
  history.replaceState(history.state, "", `?${asked}${location.hash}`);

  // Where the words stand, in their line if they do; an address may have got a slash at its end. Else the line.
  function placeOf(text, line, words) {
    const ends = [...text.matchAll(/\r\n|[\n\r\v\f\u0085\u2028\u2029]/g)].map(({ index, 0: sign }) => [index, index + sign.length]);
    const from = ends[line - 2]?.[1] ?? 0;
    for (const said of [words, words.replace(/\/$/, "")]) {
      const near = said ? text.indexOf(said, from) : -1;
      const start = near < 0 && said ? text.indexOf(said) : near;
      if (start >= 0) return { start, end: start + said.length };
    }
    return line ? { start: from, end: ends[line - 1]?.[0] ?? text.length } : null;
  }
})();
