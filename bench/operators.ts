/** The speed of single operators over the shapes of two networks, beside PyTorch in both of its memory layouts. */
import { fileURLToPath } from "node:url";
import type { Engine } from "../src/engine/engine.ts";
import { type Graph, makeGraph, nodesOf } from "../src/graph/graph.ts";
import { parameterValue, stateValue, type Value } from "../src/graph/value.ts";
import { Random, scalar, Tensor } from "../src/index.ts";
import { slice } from "../src/ops/core/arrange.ts";
import { add } from "../src/ops/core/elementwise.ts";
import { reshape } from "../src/ops/core/shape.ts";
import { coreCount } from "../src/platform/worker.ts";
import { sizeOf } from "../src/tensor/shape.ts";
import {
  type Contender,
  fastest,
  geometricMean,
  interleaved,
  median,
  type PartResult,
  type Ratio,
  ratioOf,
  timed,
} from "./measure.ts";
import { batch, type Family, families, isDepthwise, type Job } from "./operators/jobs.ts";
import { type Python, startPython } from "./python.ts";
import { milliseconds, significant } from "./table.ts";

/** Seconds that each of the five runs of a contender takes. */
const runSeconds = 0.04;

const random = new Random(1, "operators");
const noise = Float32Array.from({ length: 1 << 16 }, () => random.normal());

/** Noise, the same over and over where it is long; variances are above 0. */
function drawn(name: string, shape: readonly number[]): Tensor {
  const data = new Float32Array(sizeOf(shape));
  for (let start = 0; start < data.length; start += noise.length)
    data.set(noise.subarray(0, data.length - start), start);
  return new Tensor("float32", shape, name === "variance" ? data.map((value) => value * value + 0.5) : data);
}

/** So many operators of a kind a program has, one after the other, each with operands of its own; PyTorch takes as many in turn. */
const repeats = 8;

/**
 * Our program: the operands are variables, which stay where they are from run to run as a network's activations do, and
 * are no constants, since something is updated; of each result one element is used. As in a network, an operator follows
 * another within a program: after a call threads and caches have to be woken first, which takes more than the call itself.
 */
async function striate(
  engine: Engine,
  job: Pick<Job, "operands" | "build">,
): Promise<Contender & { readonly lowering: string }> {
  const count = stateValue("count", { dtype: "float32", shape: [] });
  const variables = new Map([["count", scalar(0)]]);
  const results = Array.from({ length: repeats }, (_, index) => {
    const operands = Object.entries(job.operands).map(([name, shape]): [string, Value] => {
      variables.set(`${name} ${index}`, drawn(name, shape));
      return [name, parameterValue(`${name} ${index}`, { dtype: "float32", shape })];
    });
    return job.build(Object.fromEntries(operands));
  });
  const elements = results.map((y) => slice(reshape(y, [-1]), { axis: 0, start: 0, end: 1 }));
  const graph = makeGraph([], { y: elements.reduce((sum, each) => add(sum, each)) }, [
    { variable: count, next: add(count, 1) },
  ]);
  const program = await engine.compile(graph, variables, { threads: coreCount() });
  return {
    name: "Striate",
    lowering: namesOf(engine.lower(makeGraph([], { y: results[0]! }, [{ variable: count, next: count }]))),
    run: (steps) => timed(steps, () => program.run({})),
    close: () => program.dispose(),
  };
}

/** The operators of a lowered graph, in order; those that move nothing left out. */
const namesOf = (graph: Graph): string =>
  nodesOf(graph)
    .filter(({ op }) => !["Reshape", "Identity", "Unsqueeze"].includes(op.name))
    .map(({ op, attributes: { group } }) => {
      if (op.body) return `${op.name} of (${namesOf(op.body)})`;
      const where = op.name === "Conv" && op.domain !== "" ? " in blocks" : "";
      return `${op.name}${where}${typeof group === "number" && group > 1 ? ` of ${group} groups` : ""}`;
    })
    .join(", ");

const layouts = ["contiguous", "channels last"] as const;

const pytorch = (python: Python, job: Job, layout: string): Contender => ({
  name: `PyTorch, ${layout}`,
  run: (steps) => python.ask(JSON.stringify({ job: { ...job.torch, layout, repeats }, steps })),
  close: async () => {},
});

/**
 * Threads that have done their work wait for more by spinning, and take a core from whoever is next: ours for 45 ms, PyTorch's
 * for 4 to 8. So many milliseconds pass before a turn, and its first steps, in which every operand comes from far since caches
 * are full of the other's data, are not counted.
 */
const rests = { striate: { milliseconds: 10, uncounted: 1 }, pytorch: { milliseconds: 50, uncounted: repeats } };

/** A contender that rests first where another had the turn before. */
function rested(
  contender: Contender,
  { milliseconds, uncounted }: { milliseconds: number; uncounted: number },
  turn: { last?: Contender },
): Contender {
  return {
    ...contender,
    async run(steps) {
      if (turn.last !== contender) await new Promise((resolve) => setTimeout(resolve, milliseconds));
      turn.last = contender;
      return (await contender.run(steps + uncounted)).slice(uncounted);
    },
  };
}

/** What a call takes whose operators do nothing, in seconds: in a network it is no part of them. */
async function emptyCall(engine: Engine): Promise<number> {
  const x = { x: [1] };
  const empty = await striate(engine, { operands: x, build: (of) => of.x! });
  const [timing] = await interleaved([empty], runSeconds);
  await empty.close();
  return median(timing!.secondsPerStep);
}

/** PyTorch's times and our speeds: with the same tensors as ours, and with tensors in whichever layout it is faster in. */
interface Beside {
  readonly seconds: readonly number[];
  readonly same: number;
  readonly faster: number;
}

interface Measured {
  readonly job: Job;
  readonly lowering: string;
  readonly ours: number;
  readonly beside?: Beside;
}

async function measure(engine: Engine, job: Job, python: Python | undefined, call: number): Promise<Measured> {
  const own = await striate(engine, job);
  try {
    const turn = {};
    const torch = python ? layouts.map((layout) => rested(pytorch(python, job, layout), rests.pytorch, turn)) : [];
    const [timing, ...theirs] = await interleaved([rested(own, rests.striate, turn), ...torch], runSeconds);
    const one = (seconds: number) => Math.max((seconds - call) / repeats, 1e-6);
    const net = { ...timing!, secondsPerStep: timing!.secondsPerStep.map(one) };
    const measured = { job, lowering: own.lowering, ours: median(net.secondsPerStep) };
    if (theirs.length === 0) return measured;
    const seconds = theirs.map(({ secondsPerStep }) => median(secondsPerStep));
    const [same, faster] = [theirs[0]!, fastest(theirs)].map((each) => ratioOf(net, each).speed);
    return { ...measured, beside: { seconds, same: same!, faster: faster! } };
  } finally {
    await own.close();
  }
}

function ratiosOf(
  { title, target, least, leastDepthwise }: Family,
  all: readonly Measured[],
  of: "same" | "faster",
): Ratio[] {
  const speeds = all.flatMap(({ job, beside }) => (beside ? { job, speed: beside[of] } : []));
  if (speeds.length === 0) return [];
  const whose = of === "same" ? "PyTorch, same tensors" : "PyTorch, faster layout";
  const row = (what: string, speed: number, limit: number | undefined): Ratio => ({
    against: `${whose}, ${title}, ${what}`,
    speed,
    target: limit,
    met: limit === undefined ? undefined : speed >= limit,
  });
  const worst = (some: typeof speeds, limit: number | undefined) => {
    if (some.length === 0) return [];
    const { job, speed } = some.reduce((slow, each) => (each.speed < slow.speed ? each : slow));
    return [row(`slowest: ${job.name}`, speed, limit)];
  };
  const mean = geometricMean(speeds.map(({ speed }) => speed));
  const depthwise = speeds.filter(({ job }) => isDepthwise(job));
  const others = leastDepthwise === undefined ? speeds : speeds.filter(({ job }) => !isDepthwise(job));
  return [
    row(`geometric mean of ${speeds.length} shapes`, mean, target),
    ...(speeds.length > 1 ? worst(others, least) : []),
    ...(leastDepthwise === undefined ? [] : worst(depthwise, leastDepthwise)),
  ];
}

const columns = [
  "network",
  "ours",
  ...layouts.map((layout) => `PyTorch ${layout}`),
  "speed",
  "of faster",
  "lowered to",
];

const rowOf = ({ job, lowering, ours, beside }: Measured): string[] => [
  job.name,
  job.network,
  milliseconds(ours),
  ...(beside?.seconds ?? layouts.map(() => undefined)).map((each) => (each === undefined ? "" : milliseconds(each))),
  ...[beside?.same, beside?.faster].map((speed) => (speed === undefined ? "" : significant(speed))),
  lowering,
];

/** @param only what a family and shape ("convolution, input gradient: depthwise 32, …") have to hold to be measured; @param engine what ours runs on */
export async function operatorsPart(only: string, engine: Engine): Promise<PartResult> {
  const script = fileURLToPath(new URL("operators/pytorch.py", import.meta.url));
  const started = await startPython(script, { threads: coreCount() });
  const python = typeof started === "string" ? undefined : started;
  const call = await emptyCall(engine);
  const ratios: Ratio[] = [];
  const tables = [];
  try {
    for (const family of families) {
      const measured = [];
      const jobs = family.jobs.filter(({ name }) => `${family.title}: ${name}`.includes(only));
      if (jobs.length === 0) continue;
      process.stderr.write(`${family.title}: ${jobs.length} shapes\n`);
      for (const job of jobs) {
        const each = await measure(engine, job, python, call);
        measured.push(each);
        const [name, , ...figures] = rowOf(each).slice(0, -1);
        process.stderr.write(`  ${name}: ${figures.join(", ")}\n`);
      }
      ratios.push(...ratiosOf(family, measured, "same"), ...ratiosOf(family, measured, "faster"));
      tables.push([[family.title, ...columns], ...measured.map(rowOf)]);
    }
  } finally {
    await python?.close();
  }
  return {
    title: `Single operators, batch ${batch}, shapes of ResNet-50 and MobileNet v2 at 224x224`,
    unit: "call",
    timings: [],
    tables,
    ratios,
    notes: [
      typeof started === "string" ? started : started.note,
      "Ours takes and gives contiguous tensors, with whatever it rearranges counted. PyTorch has the same tensors (speed), and those that lie channels last already, as its results then do too (the faster of both: of faster).",
      `Our programs have ${repeats} operators, one after the other; the call of a program whose operators do nothing, ${milliseconds(call)}, is taken off: in a network an operator is no call.`,
      "Weights are inputs, as in training: none is arranged beforehand. Each run takes about 0.04 s, after a rest in which the threads of the one before come to rest and steps that are not counted.",
    ],
  };
}
