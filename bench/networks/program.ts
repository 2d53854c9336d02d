/** A network's program, in training or in prediction, and what it is fed with. */
import { readFileSync } from "node:fs";
import type { CompileOptions, Engine, Program } from "../../src/engine/engine.ts";
import { crossEntropy, load, scalar, sgd, step, Tensor, training, withLoss } from "../../src/index.ts";
import { coreCount } from "../../src/platform/worker.ts";
import { sizeOf } from "../../src/tensor/shape.ts";
import type { Exported, Network, Work } from "./catalog.ts";

export interface Sample extends Exported, Pick<Network, "input" | "classes" | "batch" | "target"> {
  readonly work: Work;
  readonly learningRate: number;
  readonly momentum: number;
}

export function imagesOf({ imagesFile, batch, input }: Sample): Tensor {
  const { buffer, byteOffset } = readFileSync(imagesFile);
  const shape = [batch, ...input];
  return new Tensor("float32", shape, new Float32Array(buffer, byteOffset, sizeOf(shape)));
}

function labelsOf({ batch, target, classes }: Sample): Tensor {
  const shape = [batch, ...target];
  const labels = BigInt64Array.from({ length: sizeOf(shape) }, (_, index) => BigInt(index % classes));
  return new Tensor("int64", shape, labels);
}

/** Training steps are of SGD with momentum and of cross-entropy. */
export async function opened(
  sample: Sample,
  engine: Engine,
  options: CompileOptions,
): Promise<{ program: Program; feeds: Readonly<Record<string, Tensor>> }> {
  const { graph, variables } = await load(sample.file);
  const image = imagesOf(sample);
  const given = { dimensions: { batch: sample.batch }, threads: coreCount(), ...options };
  if (sample.work === "prediction") return { program: await engine.compile(graph, variables, given), feeds: { image } };
  const whole = step(withLoss(training(graph), crossEntropy), sgd({ momentum: sample.momentum }));
  const program = await engine.compile(whole.graph, new Map([...variables, ...whole.state]), {
    ...given,
    finite: ["loss"],
    irreversible: [...whole.state.keys()],
  });
  return { program, feeds: { image, target: labelsOf(sample), learningRate: scalar(sample.learningRate) } };
}
