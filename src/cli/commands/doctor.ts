/** `striate doctor`: what this machine computes with, and what is missing. */
import type { Command } from "commander";
import { type EngineName, engineNames, engines } from "../../engine/choose.ts";
import { type EngineFacts, memoryLimit } from "../../engine/engine.ts";
import { coreCount, machineMemory } from "../../platform/worker.ts";
import { type Finish, newCommand, type Outcome } from "../command.ts";
import { engineVariable } from "../engine.ts";
import { type Processor, processorOf } from "../machine.ts";
import { columnsOf, counted, table, wrap } from "../text.ts";
import { versions } from "../version.ts";

export const makeCommand = (finish: Finish): Command =>
  newCommand({ seedOf: "nothing here", examples: ["striate doctor", "striate doctor --json"] }, (command) =>
    command.action(async () => finish(await examine())),
  );

interface Findings {
  readonly engines: readonly EngineFacts[];
  /** What `auto` stands for. */
  readonly auto: string;
  /** What the environment names, if anything. */
  readonly environment?: string;
  readonly processor: Processor;
  readonly threads: number;
  /** Bytes of the machine, and the most that a run takes unless told otherwise. */
  readonly memory: { readonly machine: number; readonly run: number };
  /** What is wrong, each with its mend. */
  readonly missing: readonly string[];
}

async function examine(): Promise<Outcome> {
  const facts = await Promise.all(engines.map((engine) => engine.about()));
  const environment = process.env[engineVariable] || undefined;
  const missing = facts.flatMap(({ name, missing: lack }) => {
    if (!lack) return [];
    const mend = lack.mend === undefined ? "" : ` ${lack.mend}.`;
    return [`${name}: ${lack.found}.${mend}`];
  });
  if (environment !== undefined && !engineNames.includes(environment as EngineName))
    missing.push(`${engineVariable} is ${environment}, which is no engine: one of ${engineNames.join(", ")}.`);
  const found: Findings = {
    engines: facts,
    auto: facts.find(({ missing: lack }) => !lack)!.name,
    environment,
    processor: processorOf(),
    threads: coreCount(),
    memory: { machine: machineMemory(), run: memoryLimit({}) },
    missing,
  };
  return { document: { versions: versions(), ...found }, text: () => words(found), exitCode: 0 };
}

const gibibytes = (bytes: number): string => `${(bytes / 2 ** 30).toFixed(1)} GiB`;

function words(found: Findings): string {
  const { striate, node, system } = versions();
  const rows = found.engines.map(({ name, title, version, library, missing }) =>
    missing ? [name, "missing", ""] : [name, [title, version].filter(Boolean).join(" "), library ?? ""],
  );
  const columns = [{ title: "engine" }, { title: "is" }, { title: "library", shrinks: "start" }] as const;
  const { environment, processor, threads, memory } = found;
  const chosen = environment === undefined ? "" : `; ${engineVariable} asks for ${environment}`;
  const pairs: [string, string][] = [
    ["auto", `${found.auto}${chosen}`],
    ["processor", `${processor.model}, ${counted(threads, "thread")}`],
    ["instructions", instructionsOf(found)],
    ["precision", precisionsOf(found)],
    ["memory", `${gibibytes(memory.machine)}, of which a run may take ${gibibytes(memory.run)}`],
    ["missing", found.missing.length === 0 ? "nothing" : found.missing.join("\n")],
  ];
  const width = Math.max(...pairs.map(([name]) => name.length)) + 2;
  const facts = pairs.map(([name, text]) => {
    const lines = wrap(text, columnsOf() - width).split("\n");
    return lines.map((line, index) => `${(index === 0 ? name : "").padEnd(width)}${line}`).join("\n");
  });
  return [`Striate ${striate}, Node ${node}, ${system}`, table(columns, rows), facts.join("\n")].join("\n\n");
}

function instructionsOf({ engines: all, processor }: Findings): string {
  const used = all.flatMap(({ title, instructions }) => (instructions ? [`${title} uses ${instructions}`] : []));
  const names = Object.keys(processor.instructions);
  const having = names.filter((name) => processor.instructions[name]);
  const lacking = names.filter((name) => !processor.instructions[name]);
  const told = [
    having.length > 0 ? [`has ${having.join(" ")}`] : [],
    lacking.length > 0 ? [`lacks ${lacking.join(" ")}`] : [],
  ].flat();
  const lines = [...used, ...told];
  return lines.length > 0 ? lines.join("\n") : "unknown";
}

function precisionsOf({ engines: all }: Findings): string {
  const here = all.filter(({ missing }) => !missing);
  const having = here.filter(({ precisions }) => precisions.includes("bfloat16"));
  const bfloat = having.length > 0 ? `bfloat16 on ${having.map(({ name }) => name).join(", ")}` : "no bfloat16";
  const isMatrix = having.some(({ auto }) => auto === "bfloat16");
  const why = `oneDNN computes it ${isMatrix ? "with" : "without"} the processor's matrix units (AMX)`;
  const picked = `auto is ${isMatrix ? "bfloat16" : "float32"}`;
  return `float32; ${bfloat}\n${having.length > 0 ? `${picked}: ${why}` : picked}`;
}
