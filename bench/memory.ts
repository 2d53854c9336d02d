/** How much memory whole networks take: our program's, and the most that PyTorch's process takes. */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { dnnl } from "../src/engine/onednn/library.ts";
import { lower } from "../src/engine/onednn/lower.ts";
import type { Region } from "../src/engine/onednn/memory.ts";
import { aligned, mostAtOnce } from "../src/engine/onednn/places.ts";
import { NativeProgram } from "../src/engine/onednn/program.ts";
import { bind } from "../src/graph/rewrite.ts";
import { crossEntropy, load, sgd, step, type Tensor, training, withLoss } from "../src/index.ts";
import { coreCount } from "../src/platform/worker.ts";
import type { PartResult } from "./measure.ts";
import { exported, momentum, type Network, tasksOf, type Work } from "./networks/catalog.ts";
import { pythonCommand, pythonEnvironment } from "./python.ts";
import { significant } from "./table.ts";

const layouts = ["contiguous_format", "channels_last"] as const;
const titles = ["PyTorch, contiguous", "PyTorch, channels last"];

/** The most bytes that PyTorch takes, or nothing where there is none. */
function torch(network: Network, work: Work, batch: number, layout: (typeof layouts)[number]): number | undefined {
  const setting = { ...network, network: network.name, work, batch, layout, threads: coreCount() };
  const script = fileURLToPath(new URL("networks/memory.py", import.meta.url));
  const { status, stdout } = spawnSync(pythonCommand, [script, JSON.stringify(setting)], {
    encoding: "utf8",
    env: { ...process.env, ...pythonEnvironment },
  });
  return status === 0 ? Number(stdout) : undefined;
}

/** The bytes of our program, and those that no arrangement of it could do without. */
async function ours(network: Network, work: Work, batch: number): Promise<{ taken: number; least: number }> {
  const { graph } = await load(exported(network).file);
  const whole =
    work === "training"
      ? step(withLoss(training(graph), crossEntropy), sgd({ momentum }))
      : { graph, state: new Map<string, Tensor>() };
  const irreversible = [...whole.state.keys()];
  const program = new NativeProgram(dnnl(), lower(bind(whole.graph, { batch })), new Map(), { irreversible });
  const { regions, prepared, untilOutputs } = program.plan;
  const of = (...homes: readonly Region["home"][]) => regions.filter(({ home, over }) => homes.includes(home) && !over);
  const sum = (some: readonly Region[]) => some.reduce((bytes, region) => bytes + aligned(region.bytes), 0);
  // Until the outputs are there, the generation of variables before the present one is held too.
  const before: Region = {
    home: "next",
    bytes: sum(of("now")),
    first: 0,
    last: prepared.length + untilOutputs - 1,
    offset: 0,
  };
  const least = sum(of("kept", "only", "now")) + mostAtOnce([...of("arena", "next"), before]);
  program.dispose();
  return { taken: program.bytes, least };
}

const megabytes = (bytes: number | undefined): string =>
  bytes === undefined ? "" : String(Math.round(bytes / 2 ** 20));

/** @param names of the networks to measure, all unless given; @param works what to measure of each */
export async function memoryPart(names: readonly string[], works: readonly Work[]): Promise<PartResult> {
  const rows: string[][] = [];
  for (const { network, work, batch } of tasksOf(names, works)) {
    const { taken, least } = await ours(network, work, batch);
    const theirs = layouts.map((layout) => torch(network, work, batch, layout));
    const better = Math.min(...theirs.flatMap((bytes) => bytes ?? []));
    const verdict = Number.isFinite(better) ? [significant(taken / better), taken > better ? "more" : "no more"] : [];
    rows.push([network.title, work, String(batch), ...[taken, least, ...theirs].map(megabytes), ...verdict]);
  }
  const heading = ["MB", "work", "batch", "our program", "least", ...titles, "ours / the better", "verdict"];
  return {
    title: "Memory of whole networks",
    unit: "step",
    timings: [],
    tables: [[heading, ...rows]],
    ratios: [],
    notes: [
      "Ours: weights, both generations of them where they are trained, moments and everything between. PyTorch's: the process over its start.",
    ],
  };
}
