/** `npm run bench -- [training] [prediction] [start] [operators] [--only SHAPE] [--json FILE]`: how fast Striate is beside others, on this machine. */
import { writeFile } from "node:fs/promises";
import { cpus } from "node:os";
import { parseArgs } from "node:util";
import { ort } from "../src/index.ts";
import { type PartResult, runs } from "./measure.ts";
import { operatorsPart } from "./operators.ts";
import { predictionPart } from "./prediction.ts";
import { startPart } from "./start.ts";
import { formatPart } from "./table.ts";
import { trainingPart } from "./training.ts";

const parts: Readonly<Record<string, (only: string) => Promise<PartResult>>> = {
  training: trainingPart,
  prediction: predictionPart,
  start: startPart,
  operators: operatorsPart,
};

const usage = `Usage: npm run bench -- [${Object.keys(parts).join("] [")}] [--only SHAPE] [--json FILE]`;

/** `--only` chooses the operators whose shape's name holds it. */
function chosen(): { names: readonly string[]; file: string | undefined; only: string } | undefined {
  try {
    const options = { json: { type: "string" }, only: { type: "string" } } as const;
    const { positionals, values } = parseArgs({ allowPositionals: true, options });
    if (positionals.some((name) => !Object.hasOwn(parts, name))) return undefined;
    const names = positionals.length > 0 ? positionals : Object.keys(parts);
    return { names, file: values.json, only: values.only ?? "" };
  } catch {
    return undefined;
  }
}

const choice = chosen();
if (!choice) {
  process.stderr.write(`${usage}\n`);
  process.exitCode = 2;
} else {
  const machine = `${cpus().length} x ${cpus()[0]?.model ?? "unknown processor"}, Node ${process.versions.node}`;
  process.stdout.write(
    `${machine}\nMedians of ${runs} interleaved runs, each the median of its steps. Speed is their time / ours: above 1, ours is faster.\n`,
  );
  const results: Record<string, PartResult> = {};
  for (const name of choice.names) {
    results[name] = await parts[name]!(choice.only);
    process.stdout.write(`\n${formatPart(results[name])}\n`);
  }
  if (choice.file) await writeFile(choice.file, `${JSON.stringify({ machine, parts: results }, undefined, 2)}\n`);
  await ort.close();
}
