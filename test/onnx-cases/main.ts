/** `npm run onnx-cases -- DIR`: the ONNX standard's own cases on every engine that is here, or on that of STRIATE_ENGINE. */
import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { engineOfEnvironment, engineVariable } from "../../src/cli/engine.ts";
import { engines as all } from "../../src/engine/choose.ts";
import type { Engine } from "../../src/engine/engine.ts";
import { failureOf } from "./case.ts";
import { misses } from "./misses.ts";

const usage = "Usage: npm run onnx-cases -- DIR [PART OF A NAME], a folder with a folder for each case";

/** What the command line asks for, or the end of it: the cases, on every engine or on the one the environment names. */
async function opened([folder, filter = "", ...more]: readonly string[]) {
  try {
    if (folder === undefined) throw new Error("a folder is missing");
    if (more.length > 0) throw new Error(`found ${more.join(" ")} after the part of a name`);
    if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) throw new Error(`${folder} is no folder`);
    const names = readdirSync(folder)
      .filter((name) => name.includes(filter) && existsSync(join(folder, name, "model.onnx")))
      .sort();
    if (names.length === 0) throw new Error(`${folder} has no case${filter && ` with ${filter} in its name`}`);
    const engines: readonly Engine[] = process.env[engineVariable] ? [await engineOfEnvironment()] : all.toReversed();
    return { folder, names, engines };
  } catch (error) {
    process.stderr.write(`onnx-cases: ${(error as Error).message}\n${usage}\n`);
    return process.exit(2);
  }
}

const { folder, names, engines } = await opened(process.argv.slice(2));
let isAsKnown = true;
const totals: string[] = [];
for (const engine of engines) {
  const { missing } = await engine.about();
  if (missing) {
    totals.push(`${engine.name}: not run, as there is ${missing.found}. ${missing.mend}.`);
    continue;
  }
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
