// Texts of the dialect, the same ones in every run: with signs thrown in anywhere, and well formed.

/** Numbers below a limit, by a generator of its own. */
export function dice(seed) {
  let state = seed >>> 0 || 1;
  const below = (most) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state % most;
  };
  return { below, one: (list) => list[below(list.length)] };
}

const SIGNS = [
  "*", "**", "***", "_", "__", "~~", "`", "```", "[", "](", "](https://example.org)", "![", "]", ")", "(", "!", "<", ">", "#", "## ",
  "- ", "+ ", "* ", "> ", "1. ", "2. ", "17. ", "|", "|---|", "\\", "\n", "\n\n", "    ", "\t", "---", "===", "&amp;", "~~~", "• ",
  "\n- ", "\n  - ", "\n1. ", "\n2. ", "\n> ", "https://example.org/a_b", "www.example.org", "info@example.org", "innen", "\n::: termin\n", "\n:::\n",
  "C:\\neu", "😀", "\u00a0", "<br>",
];

/** Signs between words, with no regard to what they make. */
export function anything({ below, one }) {
  let text = "";
  for (let number = 0; number < below(20); number++) {
    for (let signs = below(4); signs > 0; signs--) text += one(SIGNS);
    text += `w${number}x${one(["", " ", " ", "\n", ": ", ". "])}`;
  }
  return text;
}

const WORDS = ["Kolleg*innen", "Wir", "treffen", "uns", "am", "16. Dezember", "(wie immer)", "3*4", "Schüler_innen", "C:\\neu", "AT&T", "https://example.org/?a[b]=1", "info@example.org", "„Zitat“", "5 €", "trans*"];

/** A text as somebody writes it who knows the dialect. */
export function wellFormed(dice) {
  const { below, one } = dice;
  const blocks = [];
  for (let number = 1 + below(6); number > 0; number--) blocks.push(block(dice, 0));
  return one(["", "\n", "\n\n"]) + blocks.join(one(["\n\n", "\n\n", "\n\n\n"])) + one(["", "\n", "\n\n"]);
}

function block(dice, depth) {
  const { below, one } = dice;
  const inner = () => block(dice, depth + 1);
  const kinds = [
    () => lines(dice),
    () => lines(dice),
    () => `${"#".repeat(2 + below(2))} ${words(dice)}`,
    () => list(dice, depth, () => one(["- ", "- ", "* ", "+ ", "• "])),
    () => list(dice, depth, null),
    () => (depth < 2 ? [inner(), inner()].join("\n\n").replace(/^/gm, "> ") : lines(dice)),
    () => one(["---", "* * *", "___"]),
    () => "```\nEin *Stern*\n\n  eingerückt\n```",
    () => table(dice),
    () => `![${words(dice)}](https://example.org/${below(9)}.png)`,
    () => "::: termin\nTitel: Treffen\nDatum: 16.12.2026\n:::",
  ];
  return one(kinds)();
}

function list(dice, depth, sign) {
  const bullet = sign?.();
  const gap = dice.one(["\n", "\n", "\n\n"]);
  const items = [];
  for (let number = 1; number <= 2 + dice.below(3); number++) {
    const begin = bullet ?? `${number}. `;
    const below = dice.below(4) || depth > 1 ? "" : gap + block(dice, depth + 2);
    items.push(begin + (words(dice) + below).replaceAll("\n", `\n${" ".repeat(begin.length)}`));
  }
  return items.join(gap);
}

function table(dice) {
  const columns = 1 + dice.below(3);
  const row = (cell) => `| ${Array.from({ length: columns }, cell).join(" | ")} |`;
  const words = () => dice.one(["", "eins", "**zwei**", "a\\|b", "eins<br>zwei", "1 * 2"]);
  return [row(words), row(() => dice.one(["---", ":--", "--:", ":-:"])), row(words), row(words)].join("\n");
}

const lines = (dice) => Array.from({ length: 1 + dice.below(3) }, () => words(dice)).join("\n");

function words(dice, depth = 0) {
  const { below, one } = dice;
  const inner = () => (depth < 2 ? words(dice, depth + 1) : one(WORDS));
  const one_ = () =>
    one([
      () => one(WORDS),
      () => one(WORDS),
      () => one(WORDS),
      () => `**${inner()}**`,
      () => `*${inner()}*`,
      () => `_${inner()}_`,
      () => `~~${inner()}~~`,
      () => `[${inner()}](https://example.org/b_(c))`,
      () => "`Code *x*`",
      () => "\\*",
    ])();
  return Array.from({ length: 1 + below(4) }, one_).join(" ");
}
