// The running service: the demo, with a database and a mail catcher of its own, and what a visitor's mailbox holds.

import { execFile, spawn } from "node:child_process";
import { rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

import { limit } from "./slowness.mjs";

const program = process.env.RUNDBRIEF ?? new URL("../../target/debug/rundbrief", import.meta.url).pathname;

/**
 * Starts the demo; resolves when it answers. Nobody is taken for a program here for filling in forms as fast as these
 * tests do, unless the settings say so.
 */
export async function start(settings = {}) {
  const port = await freePort();
  // Made by the demo itself: its database runs as another user where root starts it, who has to get there.
  const dir = join(tmpdir(), `rundbrief-browser-${process.pid}-${port}`);
  const child = spawn(program, ["demo", "--port", String(port), "--dir", dir], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, RUST_LOG: "warn", FORM_SECONDS: "0", ...settings },
  });
  let said = "";
  child.stderr.on("data", (data) => (said += data));
  let introduced = "";
  child.stdout.on("data", (data) => (introduced += data));
  const ended = new Promise((resolve) => child.on("exit", resolve));
  const url = `http://127.0.0.1:${port}`;
  const answers = async () => (await fetch(`${url}/health/ready`).catch(() => null))?.ok;
  for (let tries = 0; !(await answers()) || !introduced.includes("Ctrl-C"); tries++) {
    if (child.exitCode !== null || tries > limit(300)) throw new Error(`the demo does not start: ${said}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  const [, email, password] = introduced.match(/Staff login +(\S+), password (\S+)/);
  const staff = { email, password };
  const stop = async () => {
    child.kill("SIGINT");
    await ended;
    await rm(dir, { recursive: true, force: true });
  };
  const run = (...command) => promisify(execFile)(program, ["--env-file", join(dir, "env"), ...command]);
  return { url, staff, stop, run, mail: (address, kind) => mail(url, address, kind), newAddress };
}

let addresses = 0;

/** An address that nobody has used yet. */
function newAddress() {
  addresses += 1;
  return `visitor${addresses}@example.org`;
}

/** The link of a kind (`confirm`, `unsubscribe`) in the newest mail to an address that has one. */
async function mail(url, address, kind) {
  for (let tries = 0; tries < limit(100); tries++) {
    const inbox = await (await fetch(`${url}/inbox`)).text();
    const numbers = [...inbox.matchAll(/href="\/inbox\/(\d+)"/g)].map((match) => Number(match[1]));
    for (const number of [...new Set(numbers)].sort((a, b) => b - a)) {
      const page = await (await fetch(`${url}/inbox/${number}`)).text();
      if (!page.includes(`an ${address},`)) continue;
      const body = await (await fetch(`${url}/inbox/${number}/body.html`)).text();
      const link = body.match(new RegExp(`${url}/${kind}/[A-Za-z0-9_-]+`));
      if (link) return link[0];
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`no mail with a link to ${kind} came for ${address}`);
}

/** A port that nobody listens on. */
function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}
