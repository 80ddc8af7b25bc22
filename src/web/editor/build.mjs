// Makes dist/staff-visual.js of the editor and of what it is built on: one file, with the licences in it.

import { readFile, writeFile } from "node:fs/promises";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const here = (path) => new URL(path, import.meta.url);
const OUT = here("dist/staff-visual.js");

/** Of bytes on the way to a browser. */
const MOST = 150_000;

/** What may be bundled: all it asks for is to be named. */
const LICENCES = ["MIT"];

const { metafile, outputFiles } = await build({
  entryPoints: [here("editor.js").pathname],
  absWorkingDir: here(".").pathname,
  bundle: true,
  format: "iife",
  target: "es2022",
  charset: "utf8",
  minify: true,
  legalComments: "none",
  metafile: true,
  write: false,
});

const packages = new Set(Object.keys(metafile.inputs).flatMap((path) => /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1] ?? []));
const names = [];
const texts = new Set();
for (const name of [...packages].sort()) {
  const { version, license } = JSON.parse(await readFile(here(`node_modules/${name}/package.json`), "utf8"));
  if (!LICENCES.includes(license)) throw new Error(`${name} has the licence ${license}, which is not among ${LICENCES}`);
  names.push(`${name} ${version} (${license})`);
  texts.add((await readFile(here(`node_modules/${name}/LICENSE`), "utf8")).trim());
}
const banner = `/*!\nRundbrief's visual editor. Bundled with it:\n\n${names.join("\n")}\n\n${[...texts].join("\n\n---\n\n").replaceAll("*/", "* /")}\n*/\n`;
const bundle = banner + outputFiles[0].text;
const size = gzipSync(bundle, { level: 9 }).length;
if (size > MOST) throw new Error(`the bundle has ${size} bytes with gzip, and may have ${MOST}`);
await writeFile(OUT, bundle);
console.log(`editor: dist/staff-visual.js, ${Math.round(size / 1000)} KB with gzip, ${names.length} packages`);
