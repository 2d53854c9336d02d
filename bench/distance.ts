/** How far whole networks' steps are from the sum of their primitives and from the processor's peak, and what takes the time. */
import type { Program } from "../src/engine/engine.ts";
import { mostRuns, type RunTime } from "../src/engine/profile.ts";
import { inputValue, makeGraph, matmul, onednn, Random, Tensor } from "../src/index.ts";
import { coreCount } from "../src/platform/worker.ts";
import { type PartResult, timed } from "./measure.ts";
import { exported, learningRate, momentum, type Task, tasksOf, type Work } from "./networks/catalog.ts";
import { opened } from "./networks/program.ts";
import { milliseconds, significant } from "./table.ts";

interface Distance {
  /** Of the shortest run, in seconds. */
  readonly shortest: number;
  /** From call to result, at the shortest, in seconds. */
  readonly call: number;
  /** Of each primitive's shortest time, in seconds. */
  readonly sum: number;
  /** Two for each multiply-accumulate. */
  readonly operations: number;
  /** Parts of the sum by what computes. */
  readonly shares: readonly number[];
}

/** What computes, by the operators' names; the rest is by elements, or moves them. */
const kinds: readonly (readonly [title: string, names: RegExp])[] = [
  ["convolutions, products", /Conv|Gemm|MatMul/],
  ["normalisation", /Normalization/],
  ["the rest", /(?:)/],
];

async function distance(program: Program, feeds: Readonly<Record<string, Tensor>>): Promise<Distance> {
  const calls = await timed(mostRuns + 1, () => program.run(feeds));
  const runs: readonly RunTime[] = await program.profile();
  const steps = runs[0]!.steps.map((step, place) => ({
    ...step,
    seconds: Math.min(...runs.map(({ steps }) => steps[place]!.milliseconds)) / 1000,
  }));
  const sum = steps.reduce((seconds, step) => seconds + step.seconds, 0);
  const shares = kinds.map(() => 0);
  for (const { operator, seconds } of steps)
    shares[kinds.findIndex(([, names]) => names.test(operator))]! += seconds / sum;
  return {
    shortest: Math.min(...runs.map((run) => run.milliseconds)) / 1000,
    call: Math.min(...calls),
    sum,
    operations: 2 * steps.reduce((macs, step) => macs + step.macs, 0),
    shares,
  };
}

/** The most operations a second: of a product of large matrices. */
async function peak(): Promise<number> {
  const length = 2048;
  const random = new Random(1, "matrix");
  const matrix = new Tensor(
    "float32",
    [length, length],
    Float32Array.from({ length: length ** 2 }, () => random.uniform()),
  );
  const x = inputValue("x", matrix);
  const program = await onednn.compile(makeGraph([x], { y: matmul(x, x) }), new Map(), { profile: true });
  const { operations, sum } = await distance(program, { x: matrix });
  await program.dispose();
  return operations / sum;
}

async function row({ network, work, batch }: Task, most: number): Promise<string[]> {
  const sample = { ...network, ...exported(network), batch, work, learningRate, momentum };
  const { program, feeds } = await opened(sample, onednn, { profile: true });
  const { shortest, call, sum, operations, shares } = await distance(program, feeds);
  await program.dispose();
  const times = [sum, shortest, call].map(milliseconds);
  const rate = operations / shortest;
  const percent = shares.map((share) => `${Math.round(100 * share)}%`);
  return [
    ...[network.title, work, String(batch), ...times],
    ...[operations, rate].map((value) => String(Number((value / 1e9).toPrecision(3)))),
    ...[significant(rate / most), ...percent],
  ];
}

/** @param names of the networks to measure, all unless given; @param works what to measure of each */
export async function distancePart(names: readonly string[], works: readonly Work[]): Promise<PartResult> {
  const most = await peak();
  const rows: string[][] = [];
  for (const task of tasksOf(names, works)) {
    process.stderr.write(`${task.network.title}, ${task.work}, batch ${task.batch}\n`);
    rows.push(await row(task, most));
  }
  await onednn.close();
  const titles = ["sum of primitives", "shortest step", "shortest call", "GFLOP", "GFLOP/s", "of the peak"];
  return {
    title: "Distance of whole networks from the sum of their primitives and from the peak",
    unit: "step",
    timings: [],
    tables: [[["float32, oneDNN", "work", "batch", ...titles, ...kinds.map(([title]) => title)], ...rows]],
    ratios: [],
    notes: [
      `Peak: ${Math.round(most / 1e9)} GFLOP/s, of a product of 2048x2048 matrices on ${coreCount()} threads.`,
      `Each primitive's time is its shortest in ${mostRuns} steps. A call is from the calling thread to oneDNN's and back.`,
      "GFLOP are of direct convolutions: Winograd's algorithm needs a quarter, so that a rate can be above the peak.",
    ],
  };
}
