/** The speed of prediction: our program, in its thread, beside bare onnxruntime-node on the file that we export. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as onnxruntime from "onnxruntime-node";
import type { Engine } from "../src/engine/engine.ts";
import { coreCount } from "../src/platform/worker.ts";
import {
  type Contender,
  interleaved,
  type PartResult,
  type Ratio,
  ratioOf,
  type Timing,
  timed,
  timedAhead,
} from "./measure.ts";
import { model, noise } from "./network.ts";

const target = 0.95;

/** A prediction, then the next. */
async function striate(engine: Engine, count: number): Promise<Contender> {
  const program = await engine.compile(model.graph, model.variables, { threads: coreCount() });
  const image = noise(count);
  return {
    name: `Striate, batch ${count}`,
    run: (steps) => timed(steps, () => program.run({ image })),
    close: () => program.dispose(),
  };
}

/** With the next batch sent while one is computed, as `evaluate` does. */
async function striateAhead(engine: Engine, count: number): Promise<Contender> {
  const program = await engine.compile(model.graph, model.variables, { threads: coreCount() });
  const image = noise(count);
  return {
    name: `Striate, batch ${count}, one ahead`,
    run: (steps) => timedAhead(steps, () => program.run({ image })),
    close: () => program.dispose(),
  };
}

async function bare(file: string, count: number): Promise<Contender> {
  const session = await onnxruntime.InferenceSession.create(file, {
    intraOpNumThreads: coreCount(),
    interOpNumThreads: 1,
  });
  const { data, shape } = noise(count);
  const image = new onnxruntime.Tensor("float32", data as Float32Array, [...shape]);
  return {
    name: `onnxruntime-node, batch ${count}`,
    run: (steps) => timed(steps, () => session.run({ image })),
    close: () => session.release(),
  };
}

export async function predictionPart(engine: Engine): Promise<PartResult> {
  const folder = await mkdtemp(join(tmpdir(), "striate-bench-"));
  try {
    const file = join(folder, "lenet5.onnx");
    await model.save(file);
    const timings: Timing[] = [];
    const ratios: Ratio[] = [];
    for (const count of [128, 1]) {
      const contenders = [await striate(engine, count), await bare(file, count), await striateAhead(engine, count)];
      const [ours, theirs, ahead] = (await interleaved(contenders)) as [Timing, Timing, Timing];
      timings.push(ours, ahead, theirs);
      ratios.push(ratioOf(ours, theirs, count === 128 ? target : undefined));
      ratios.push({ ...ratioOf(ahead, theirs), against: `${theirs.name} (ours one ahead)` });
      for (const contender of contenders) await contender.close();
    }
    return {
      title: "LeNet-5, prediction of the exported file",
      unit: "batch",
      timings,
      ratios,
      notes: [`Bare onnxruntime-node runs in the main thread; ${coreCount()} threads of arithmetic each.`],
    };
  } finally {
    await rm(folder, { recursive: true });
  }
}
