// Pairs the signs of bold, italic and strikethrough. As in src/mail/markdown/emphasis.rs.

/** Parts whose signs are paired: nodes, { begin: kind }, { end: kind }, and { loose: mark } without a partner. */
export function paired(nodes) {
  const runs = new Map();
  const open = [];
  for (const [at, mark] of nodes.entries()) {
    if (mark.type !== "mark") continue;
    const run = { sign: mark.sign, left: mark.length, ends: [], begins: [] };
    if (mark.canClose) while (run.left > 0 && close(open, run));
    runs.set(at, run);
    if (mark.canOpen && run.left > 0) open.push(run);
  }
  return nodes.flatMap((node, at) => {
    const run = runs.get(at);
    if (!run) return [node];
    return [
      ...run.ends.map((end) => ({ end })),
      ...(run.left > 0 ? [{ loose: { ...node, length: run.left } }] : []),
      ...run.begins.reverse().map((begin) => ({ begin })),
    ];
  });
}

/** Ends the nearest pair that this run can end; what lies above it has no partner any more. */
function close(open, run) {
  const at = open.findLastIndex((other) => other.sign === run.sign && taken(run.sign, other.left, run.left));
  if (at < 0) return false;
  open.length = at + 1;
  const other = open[at];
  const count = taken(run.sign, other.left, run.left);
  const kind = run.sign === "~" ? "strike" : count === 2 ? "strong" : "em";
  other.left -= count;
  other.begins.push(kind);
  run.left -= count;
  run.ends.push(kind);
  if (!other.left) open.pop();
  return true;
}

function taken(sign, open, close) {
  if (sign === "~") return open === 2 && close === 2 ? 2 : 0;
  if (open >= 2 && close >= 2) return 2;
  return open !== 2 && close !== 2 ? 1 : 0;
}
