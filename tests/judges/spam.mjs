// The spam filters: SpamAssassin and rspamd, with local rules alone. Nothing is asked of the network.

import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

// Modules of rspamd that ask the network, and hfilter, which judges the relay that hands a mail over.
const NOT_ASKED = ["arc", "asn", "dkim", "dkim_signing", "dmarc", "fuzzy_check", "hfilter", "mx_check", "rbl", "rspamd_update", "spf"];
const CONFIG = "/etc/rspamd/rspamd.conf";

/** What a filter says of a mail: its score and the rules that count against it. */
const verdict = (score, hit) => ({
  score,
  complaints: Object.entries(hit).filter(([, points]) => points > 0).map(([rule, points]) => ({ rule, text: `${rule} ${points}` })),
});

/** @returns {object[] | null} a verdict for each file; null where SpamAssassin is not installed */
export function spamassassin(files) {
  if (!installed("spamassassin")) return null;
  const out = execFileSync("perl", [join(import.meta.dirname, "spamassassin.pl"), ...files], { encoding: "utf8" });
  return out.trim().split("\n").map((line) => JSON.parse(line)).map(({ score, hit }) => verdict(score, hit));
}

/** The same of rspamd, which runs for as long as it takes, on loopback, with its data in `folder`. */
export async function rspamd(files, folder) {
  if (!existsSync(CONFIG) || !installed("rspamd")) return null;
  const own = join(folder, "override.d");
  mkdirSync(own, { recursive: true });
  const port = await freePort();
  for (const name of NOT_ASKED) writeFileSync(join(own, `${name}.conf`), "enabled = false;\n");
  for (const name of ["controller", "proxy", "fuzzy"]) writeFileSync(join(own, `worker-${name}.inc`), "enabled = false;\ncount = 0;\n");
  writeFileSync(join(own, "worker-normal.inc"), `bind_socket = "127.0.0.1:${port}";\ncount = 1;\n`);
  writeFileSync(join(own, "logging.inc"), 'type = "console";\nlevel = "error";\n');
  // Nobody answers there.
  writeFileSync(join(own, "options.inc"), 'dns { nameserver = ["127.0.0.1:1"]; timeout = 0.1s; retransmits = 1; }\nrrd = "";\n');
  const folders = ["LOCAL_CONFDIR", "DBDIR", "RUNDIR", "LOGDIR"].map((name) => `--var=${name}=${folder}`);
  const server = spawn("rspamd", ["-f", "-i", "-c", CONFIG, ...folders], { stdio: ["ignore", "pipe", "pipe"] });
  let log = "";
  for (const stream of [server.stdout, server.stderr]) stream.on("data", (bytes) => (log = (log + bytes).slice(-4000)));
  const url = `http://127.0.0.1:${port}`;
  try {
    await answering(`${url}/ping`, server, () => log);
    const verdicts = [];
    for (const file of files) {
      const answer = await fetch(`${url}/checkv2`, { method: "POST", body: readFileSync(file) });
      const { score, symbols } = await answer.json();
      verdicts.push(verdict(score, Object.fromEntries(Object.values(symbols).map((symbol) => [symbol.name, symbol.score]))));
    }
    return verdicts;
  } finally {
    server.kill();
  }
}

function installed(program) {
  return (process.env.PATH ?? "").split(":").some((folder) => existsSync(join(folder, program)));
}

function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer().on("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

// The first start compiles its expressions, which takes half a minute on a slow machine.
async function answering(url, server, log) {
  for (let tries = 0; tries < 600; tries += 1) {
    if (server.exitCode !== null) throw new Error(`rspamd ended by itself:\n${log()}`);
    const answer = await fetch(url).catch(() => null);
    if (answer?.ok) return;
    await sleep(500);
  }
  throw new Error(`rspamd does not answer:\n${log()}`);
}
