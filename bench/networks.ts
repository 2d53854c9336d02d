/**
 * Whole networks: training steps beside PyTorch's, and prediction beside bare onnxruntime-node, on the very same weights.
 * Every contender has a process of its own, and one computes at a time.
 */
import { fileURLToPath } from "node:url";
import { onednn } from "../src/index.ts";
import { coreCount } from "../src/platform/worker.ts";
import {
  type Contender,
  fastest,
  geometricMean,
  interleaved,
  median,
  type PartResult,
  type Ratio,
  ratioOf,
  type Timing,
} from "./measure.ts";
import {
  type Task as Chosen,
  type Exported,
  exported,
  learningRate,
  momentum,
  tasksOf,
  type Work,
} from "./networks/catalog.ts";
import type { Answer, Setting } from "./networks/served.ts";
import { startPython } from "./python.ts";
import { type Server, startServer } from "./server.ts";
import { milliseconds, significant } from "./table.ts";

/** Ours of one name against the faster of others, and what the geometric mean and the slowest of all have to reach. */
interface Comparison {
  readonly title: string;
  readonly ours: string;
  readonly theirs: readonly string[];
  readonly mean: number;
  readonly least?: number;
}

const [ours, oursHalf, oursOrt] = ["Striate", "Striate, bfloat16", "Striate, ort"] as const;
const [contiguous, channelsLast, torchHalf] = [
  "PyTorch, contiguous",
  "PyTorch, channels last",
  "PyTorch, bfloat16",
] as const;
const bare = "onnxruntime-node";

const single = [contiguous, channelsLast];
const comparisons = {
  training: [
    { title: "float32 against PyTorch", ours, theirs: single, mean: 1.15, least: 0.9 },
    { title: "bfloat16 against PyTorch in float32", ours: oursHalf, theirs: single, mean: 2.5, least: 1.2 },
    { title: "bfloat16 against PyTorch in bfloat16", ours: oursHalf, theirs: [torchHalf], mean: 1.05 },
  ],
  prediction: [
    { title: `float32 against ${bare}`, ours, theirs: [bare], mean: 1.3, least: 1 },
    { title: `bfloat16 against ${bare}`, ours: oursHalf, theirs: [bare], mean: 4 },
  ],
} as const satisfies Record<Work, readonly Comparison[]>;

export const isWork = (word: string): word is Work => Object.hasOwn(comparisons, word);
export const works = Object.keys(comparisons).filter(isWork);

const script = (name: string): string => fileURLToPath(new URL(`networks/${name}`, import.meta.url));

interface Runner extends Contender {
  /** The last step's loss. */
  loss(): number;
  /** The most memory that it took. */
  bytes(): number;
}

function runner(name: string, server: Pick<Server<unknown>, "ask" | "close">): Runner {
  let last: Answer | undefined;
  return {
    name,
    run: async (steps) => {
      last = await server.ask<Answer>(String(steps));
      return last.seconds;
    },
    loss: () => last!.loss,
    bytes: () => last!.bytes,
    close: () => server.close(),
  };
}

async function served(
  name: string,
  { network, files, batch }: Task,
  given: Pick<Setting, "side" | "work" | "precision">,
): Promise<Runner> {
  const setting: Setting = { ...network, ...files, learningRate, momentum, batch, ...given };
  const server = await startServer(process.execPath, [...process.execArgv, script("served.ts")], setting);
  if (!server) throw new Error(`${name} could not open ${network.title}`);
  return runner(name, server);
}

/** PyTorch, or why there is none. */
async function torch(
  name: string,
  { network, files, batch }: Task,
  layout: "contiguous" | "channels last",
  precision: "float32" | "bfloat16" = "float32",
): Promise<Runner> {
  const setting = { ...network, ...files, network: network.name, learningRate, momentum, batch, layout, precision };
  const python = await startPython(script("pytorch.py"), { ...setting, threads: coreCount() });
  if (typeof python === "string") throw new Error(python);
  return runner(name, python);
}

interface Task extends Chosen {
  readonly files: Exported;
}

const isSmall = ({ network }: Task): boolean => network.batch === 128;

/** All that do a piece of work; in bfloat16 too where `half`. */
function* contenders(task: Task, half: boolean): Generator<Promise<Runner>> {
  const { work } = task;
  yield served(ours, task, { side: "onednn", work, precision: "float32" });
  if (half) yield served(oursHalf, task, { side: "onednn", work, precision: "bfloat16" });
  if (work === "prediction") {
    yield served(bare, task, { side: "bare", work, precision: "float32" });
    return;
  }
  yield torch(contiguous, task, "contiguous");
  yield torch(channelsLast, task, "channels last");
  if (half) yield torch(torchHalf, task, "channels last", "bfloat16");
  if (isSmall(task)) yield served(oursOrt, task, { side: "ort", work, precision: "float32" });
}

interface Measured {
  readonly task: Task;
  readonly timings: ReadonlyMap<string, Timing>;
  /** The most memory that each took. */
  readonly bytes: ReadonlyMap<string, number>;
  /** How far apart the losses in float32 are after the same steps, as a part of the loss. */
  readonly spread: number;
}

const agreementSteps = 3;

async function measured(task: Task, half: boolean): Promise<Measured> {
  const runners: Runner[] = [];
  try {
    for (const starting of contenders(task, half)) runners.push(await starting);
    for (const each of runners) await each.run(agreementSteps);
    const losses = runners.filter(({ name }) => name !== oursHalf && name !== torchHalf).map((each) => each.loss());
    const timings = await interleaved(runners);
    return {
      task,
      timings: new Map(timings.map((timing) => [timing.name, timing])),
      bytes: new Map(runners.map((each) => [each.name, each.bytes()])),
      spread: (Math.max(...losses) - Math.min(...losses)) / Math.max(...losses),
    };
  } finally {
    for (const each of runners) await each.close();
  }
}

/** Our speed in a comparison, where both sides were measured. */
function speedIn({ ours: own, theirs }: Comparison, { timings }: Measured): Ratio | undefined {
  const [timing, others] = [timings.get(own), theirs.flatMap((name) => timings.get(name) ?? [])];
  return timing && others.length > 0 ? ratioOf(timing, fastest(others)) : undefined;
}

const megabytes = (bytes: number): string => `${Math.round(bytes / 2 ** 20)} MB`;

/** Tables with a row for each network: times and our speeds, and memory. */
function tablesOf(work: Work, all: readonly Measured[]): string[][][] {
  const names = [...new Set(all.flatMap(({ timings }) => [...timings.keys()]))];
  const compared = comparisons[work].filter((each) => all.some((one) => speedIn(each, one)));
  const named = ({ task }: Measured): string[] => [task.network.title, String(task.batch)];
  const times = all.map((one) => [
    ...named(one),
    ...names.map((name) => {
      const timing = one.timings.get(name);
      return timing ? milliseconds(median(timing.secondsPerStep)) : "";
    }),
    ...compared.flatMap((each) => {
      const ratio = speedIn(each, one);
      return ratio ? [significant(ratio.speed), ratio.against] : ["", ""];
    }),
  ]);
  const memory = all.map((one) => [
    ...named(one),
    ...names.map((name) => (one.bytes.has(name) ? megabytes(one.bytes.get(name)!) : "")),
  ]);
  const speeds = compared.flatMap(({ ours: own }) => [own === oursHalf ? "speed, bfloat16" : "speed", "against"]);
  return [
    [[work, "batch", ...names, ...speeds], ...times],
    [[`${work}, memory`, "batch", ...names], ...memory],
  ];
}

function ratiosOf(work: Work, all: readonly Measured[]): Ratio[] {
  return comparisons[work].flatMap((comparison: Comparison) => {
    const rows = all.flatMap((one) => {
      const ratio = speedIn(comparison, one);
      return ratio ? [{ name: `${one.task.network.title}, batch ${one.task.batch}`, speed: ratio.speed }] : [];
    });
    if (rows.length === 0) return [];
    const slowest = rows.reduce((least, each) => (each.speed < least.speed ? each : least));
    const row = (which: string, speed: number, target: number | undefined): Ratio => ({
      against: `${work}, ${comparison.title}, ${which}`,
      speed,
      target,
      met: target === undefined ? undefined : speed >= target,
    });
    return [
      row(`geometric mean of ${rows.length}`, geometricMean(rows.map(({ speed }) => speed)), comparison.mean),
      row(`slowest: ${slowest.name}`, slowest.speed, comparison.least),
    ];
  });
}

/** @param names of the networks to measure, all unless given; @param chosenWorks what to measure of each */
export async function networksPart(names: readonly string[], chosenWorks: readonly Work[]): Promise<PartResult> {
  const all: Record<Work, Measured[]> = { training: [], prediction: [] };
  const half = (await onednn.about()).auto === "bfloat16";
  await onednn.close();
  const notes = new Set<string>();
  for (const task of tasksOf(names, chosenWorks)) {
    const { network, work, batch } = task;
    process.stderr.write(`${network.title}, ${work}, batch ${batch}\n`);
    try {
      all[work].push(await measured({ ...task, files: exported(network) }, half));
    } catch (error) {
      notes.add(`Not measured: ${network.title}, ${work}. ${(error as Error).message}`);
    }
  }
  const spread = Math.max(0, ...all.training.map((each) => each.spread));
  return {
    title: "Networks, training steps (SGD with momentum, cross-entropy) and prediction",
    unit: "step",
    timings: [],
    tables: chosenWorks.filter((work) => all[work].length > 0).flatMap((work) => tablesOf(work, all[work])),
    ratios: chosenWorks.flatMap((work) => ratiosOf(work, all[work])),
    notes: [
      ...notes,
      ...(all.training.length > 0
        ? [
            `After ${agreementSteps} steps from the same weights on the same batch, losses in float32 differ by ${spread.toExponential(1)} of themselves at most.`,
          ]
        : []),
      ...(half ? [] : ["bfloat16 is left out: this processor has no matrix units (AMX) for it."]),
      `Every contender has a process of its own and ${coreCount()} threads; one computes at a time.`,
      "Memory is the most that a process took beyond what it had before it opened the network: ours reads it from its file.",
    ],
  };
}
