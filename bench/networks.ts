/**
 * Whole networks: training steps beside PyTorch's, and prediction beside bare onnxruntime-node, on the very same weights.
 * Every contender has a process of its own, and one computes at a time.
 */
import { fileURLToPath } from "node:url";
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
import { type Exported, exported, type Network, networks, predicted } from "./networks/catalog.ts";
import type { Answer, Setting } from "./networks/served.ts";
import { type Python, startPython } from "./python.ts";
import { startServer } from "./server.ts";
import { milliseconds, significant } from "./table.ts";

const learningRate = 0.001;
const momentum = 0.9;

/** What the geometric mean and the slowest of all have to reach. */
const targets = { training: { mean: 1.15, least: 0.9 }, prediction: { mean: 1.3, least: 1 } } as const;
export type Work = keyof typeof targets;
export const isWork = (word: string): word is Work => Object.hasOwn(targets, word);
export const works = Object.keys(targets).filter(isWork);

const script = (name: string): string => fileURLToPath(new URL(`networks/${name}`, import.meta.url));

interface Runner extends Contender {
  /** The last step's loss. */
  loss(): number;
  /** The most memory that it took. */
  bytes(): number;
}

function runner(name: string, server: Pick<Python, "ask" | "close">): Runner {
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
  network: Network,
  files: Exported,
  given: Pick<Setting, "side" | "work" | "batch">,
): Promise<Runner> {
  const setting: Setting = { ...network, ...files, learningRate, momentum, ...given };
  const server = await startServer(process.execPath, [...process.execArgv, script("served.ts")], setting);
  if (!server) throw new Error(`${name} could not open ${network.title}`);
  return runner(name, server);
}

const layouts = ["contiguous", "channels last"] as const;

/** PyTorch in each of its layouts, or why there is none. */
async function torch(network: Network, files: Exported): Promise<Runner[] | string> {
  const runners: Runner[] = [];
  for (const layout of layouts) {
    const setting = { ...network, ...files, network: network.name, learningRate, momentum, layout };
    const python = await startPython(script("pytorch.py"), { ...setting, precision: "float32", threads: coreCount() });
    if (typeof python === "string") return python;
    runners.push(runner(`PyTorch, ${layout}`, python));
  }
  return runners;
}

interface Measured {
  readonly network: Network;
  readonly batch: number;
  readonly ours: Timing;
  readonly others: readonly Timing[];
  readonly ratio: Ratio;
  /** The most memory that each took, by name. */
  readonly bytes: ReadonlyMap<string, number>;
  /** How far apart the losses are after the same steps. */
  readonly spread: number;
}

const agreementSteps = 3;

/** The first is ours, which the fastest of the others is the measure of; those of `besides` are timed with them. */
async function together(
  network: Network,
  batch: number,
  runners: readonly Runner[],
  besides: readonly Runner[] = [],
): Promise<Measured> {
  const all = [...runners, ...besides];
  try {
    for (const each of all) await each.run(agreementSteps);
    const losses = all.map((each) => each.loss());
    const [ours, ...timings] = (await interleaved(all)) as [Timing, ...Timing[]];
    return {
      network,
      batch,
      ours,
      others: timings,
      ratio: ratioOf(ours, fastest(timings.slice(0, runners.length - 1))),
      bytes: new Map(all.map((each) => [each.name, each.bytes()])),
      spread: Math.max(...losses) - Math.min(...losses),
    };
  } finally {
    for (const each of all) await each.close();
  }
}

const isSmall = ({ batch }: Network): boolean => batch === 128;

async function trainings(network: Network, files: Exported): Promise<Measured[] | string> {
  const others = await torch(network, files);
  if (typeof others === "string") return others;
  const given = { work: "training", batch: network.batch } as const;
  const ours = await served("Striate", network, files, { ...given, side: "onednn" });
  const besides = isSmall(network) ? [await served("Striate, ort", network, files, { ...given, side: "ort" })] : [];
  return [await together(network, network.batch, [ours, ...others], besides)];
}

async function predictions(network: Network, files: Exported): Promise<Measured[]> {
  const all = [];
  for (const batch of predicted) {
    const given = { work: "prediction", batch } as const;
    const ours = await served("Striate", network, files, { ...given, side: "onednn" });
    const bare = await served("onnxruntime-node", network, files, { ...given, side: "bare" });
    all.push(await together(network, batch, [ours, bare]));
  }
  return all;
}

const megabytes = (bytes: number): string => `${Math.round(bytes / 2 ** 20)} MB`;

/** A row for each network: times, our speed, and what memory ours and the one it is measured against took. */
function tableOf(title: string, measured: readonly Measured[]): string[][] {
  const names = [...new Set(measured.flatMap(({ ours, others }) => [ours, ...others].map(({ name }) => name)))];
  const rows = measured.map(({ network, batch, ours, others, ratio, bytes }) => [
    network.title,
    String(batch),
    ...names.map((name) => {
      const timing = [ours, ...others].find((each) => each.name === name);
      return timing ? milliseconds(median(timing.secondsPerStep)) : "";
    }),
    significant(ratio.speed),
    megabytes(bytes.get(ours.name)!),
    megabytes(bytes.get(ratio.against)!),
  ]);
  return [[title, "batch", ...names, "speed", "our memory", "theirs"], ...rows];
}

function ratiosOf(work: Work, measured: readonly Measured[]): Ratio[] {
  const { mean, least } = targets[work];
  const speeds = measured.map(({ ratio }) => ratio.speed);
  const slowest = measured[speeds.indexOf(Math.min(...speeds))]!;
  const row = (against: string, speed: number, target: number): Ratio => ({
    against: `${work === "training" ? "PyTorch" : "onnxruntime-node"}, ${work}, ${against}`,
    speed,
    target,
    met: speed >= target,
  });
  return [
    row(`geometric mean of ${speeds.length}`, geometricMean(speeds), mean),
    row(`slowest: ${slowest.network.title}, batch ${slowest.batch}`, slowest.ratio.speed, least),
  ];
}

/** @param names of the networks to measure, all unless given; @param chosenWorks what to measure of each */
export async function networksPart(names: readonly string[], chosenWorks: readonly Work[]): Promise<PartResult> {
  const chosen = networks.filter(({ name }) => names.length === 0 || names.includes(name));
  const measured: Record<Work, Measured[]> = { training: [], prediction: [] };
  const notes = new Set<string>();
  for (const network of chosen)
    for (const work of chosenWorks) {
      process.stderr.write(`${network.title}, ${work}\n`);
      const files = exported(network);
      const found = await (work === "training" ? trainings : predictions)(network, files);
      if (typeof found === "string") notes.add(found);
      else measured[work].push(...found);
    }
  const done = chosenWorks.filter((work) => measured[work].length > 0);
  const spread = Math.max(...measured.training.map((each) => each.spread));
  return {
    title: "Networks, training steps (SGD with momentum, cross-entropy) and prediction",
    unit: "step",
    timings: [],
    tables: done.map((work) => tableOf(work, measured[work])),
    ratios: done.flatMap((work) => ratiosOf(work, measured[work])),
    notes: [
      ...notes,
      ...(measured.training.length > 0
        ? [
            `After ${agreementSteps} steps from the same weights on the same batch losses differ by ${spread.toExponential(1)} at most.`,
          ]
        : []),
      `Every contender has a process of its own and ${coreCount()} threads; one computes at a time.`,
      "Memory is the most that a process took beyond what it had before it opened the network: ours reads it from its file.",
    ],
  };
}
