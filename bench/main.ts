/** `npm run bench -- [PART…] [NETWORK…]`: how fast Striate is beside others, on this machine. */
import { writeFile } from "node:fs/promises";
import { cpus } from "node:os";
import { parseArgs } from "node:util";
import { engineOfEnvironment, engineVariable } from "../src/cli/engine.ts";
import type { Engine } from "../src/engine/engine.ts";
import { ort } from "../src/index.ts";
import { distancePart } from "./distance.ts";
import { type PartResult, runs } from "./measure.ts";
import { memoryPart } from "./memory.ts";
import { networks, type Work } from "./networks/catalog.ts";
import { isWork, networksPart, works } from "./networks.ts";
import { operatorsPart } from "./operators.ts";
import { predictionPart } from "./prediction.ts";
import { startPart } from "./start.ts";
import { formatPart } from "./table.ts";
import { trainingPart } from "./training.ts";

interface Choice {
  readonly names: readonly string[];
  /** Networks to measure, or none for all. */
  readonly networks: readonly string[];
  readonly works: readonly Work[];
  /** What the name of an operator's shape has to hold for it to be measured. */
  readonly only: string;
  readonly file: string | undefined;
  /** What ours runs on, where it is not oneDNN and others that are compared. */
  readonly engine: Engine;
}

const parts: Readonly<Record<string, (choice: Choice) => Promise<PartResult>>> = {
  training: ({ engine }) => trainingPart(engine),
  prediction: ({ engine }) => predictionPart(engine),
  start: startPart,
  operators: ({ only, engine }) => operatorsPart(only, engine),
  networks: (choice) => networksPart(choice.networks, choice.works),
  memory: (choice) => memoryPart(choice.networks, choice.works),
  distance: (choice) => distancePart(choice.networks, choice.works),
};

const isNetwork = (word: string): boolean => networks.some(({ name }) => name === word);

const usage = `Usage: npm run bench -- [PART...] [NETWORK...] [--work ${works.join("|")}] [--only SHAPE] [--json FILE]
PART is one of ${Object.keys(parts).join(", ")}; all of them unless given.
NETWORK is one of ${networks.map(({ name }) => name).join(", ")}:
networks that are measured, in training and in prediction
or in the one of --work.
--only chooses the operators whose shape's name holds it.
Training, prediction and operators run on the engine that ${engineVariable} of the environment names, ONNX Runtime (ort)
unless it does; start on that or auto. Networks and memory compare engines, oneDNN first, whatever it says; distance is
of oneDNN.`;

async function chosen(): Promise<Choice | undefined> {
  try {
    const engine = process.env[engineVariable] ? await engineOfEnvironment() : ort;
    const options = { json: { type: "string" }, only: { type: "string" }, work: { type: "string" } } as const;
    const { positionals, values } = parseArgs({ allowPositionals: true, options });
    const { json, only = "", work } = values;
    if (work !== undefined && !isWork(work)) return undefined;
    const named = positionals.filter(isNetwork);
    const rest = positionals.filter((word) => !isNetwork(word));
    if (rest.some((name) => !Object.hasOwn(parts, name))) return undefined;
    const names = new Set(
      positionals.length === 0
        ? Object.keys(parts)
        : named.length > 0 && !rest.some((name) => name === "memory" || name === "distance")
          ? [...rest, "networks"]
          : rest,
    );
    return { names: [...names], networks: named, works: work ? [work] : works, only, file: json, engine };
  } catch (error) {
    process.stderr.write(`bench: ${(error as Error).message}\n`);
    return undefined;
  }
}

const choice = await chosen();
if (!choice) {
  process.stderr.write(`${usage}\n`);
  process.exitCode = 2;
} else {
  const machine = `${cpus().length} x ${cpus()[0]?.model ?? "unknown processor"}, Node ${process.versions.node}`;
  process.stdout.write(
    `${machine}\nMedians of ${runs} interleaved runs, each the median of its steps. Speed is their time / ours: above 1, ours is faster.\nTraining, prediction and operators run on ${choice.engine.name}.\n`,
  );
  const results: Record<string, PartResult> = {};
  for (const name of choice.names)
    try {
      results[name] = await parts[name]!(choice);
      process.stdout.write(`\n${formatPart(results[name])}\n`);
    } catch (error) {
      process.stdout.write(`\n${name}: not measured. ${(error as Error).message}\n`);
      process.exitCode = 1;
    }
  if (choice.file) await writeFile(choice.file, `${JSON.stringify({ machine, parts: results }, undefined, 2)}\n`);
  await choice.engine.close();
}
