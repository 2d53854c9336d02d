/** `npm run onnx-cases -- DIR`: the ONNX standard's own cases on every engine, or on that of STRIATE_ENGINE. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { chosenEngine, engineVariable } from "../../src/cli/engine.ts";
import type { Engine } from "../../src/engine/engine.ts";
import { ort } from "../../src/engine/ort/ort.ts";
import { reference } from "../../src/engine/reference.ts";
import { failureOf } from "./case.ts";
import { misses } from "./misses.ts";

const [folder, filter = ""] = process.argv.slice(2);
if (folder === undefined) {
  process.stderr.write("onnx-cases: a folder is missing. Usage: npm run onnx-cases -- DIR [PART OF A NAME]\n");
  process.exit(2);
}

/** Every engine, or the one that the environment names, or the end of it. */
function engines(): readonly Engine[] {
  if (!process.env[engineVariable]) return [reference, ort];
  try {
    return [chosenEngine()];
  } catch (error) {
    process.stderr.write(`onnx-cases: ${(error as Error).message}\n`);
    return process.exit(2);
  }
}

const names = readdirSync(folder, { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && entry.name.includes(filter))
  .map((entry) => entry.name)
  .sort();

let isAsKnown = names.length > 0;
const totals: string[] = [];
for (const engine of engines()) {
  let failed = 0;
  for (const name of names) {
    const failure = await failureOf(join(folder, name), engine);
    if (failure === undefined) continue;
    failed += 1;
    const reason = misses[name];
    isAsKnown &&= reason !== undefined;
    process.stdout.write(`${engine.name} ${name}: ${failure}${reason ? ` (known: ${reason})` : ""}\n`);
  }
  totals.push(`${engine.name}: ${names.length - failed} passed, ${failed} failed`);
  await engine.close();
}
process.stdout.write(`${totals.join("\n")}\n`);
process.exitCode = isAsKnown ? 0 : 1;
