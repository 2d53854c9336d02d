/** Measuring a classifier on a dataset, and asking it for predictions. */
import { batches } from "../data/batches.ts";
import type { Dataset } from "../data/dataset.ts";
import type { Engine, Program } from "../engine/engine.ts";
import { ort } from "../engine/ort/ort.ts";
import { StriateError } from "../errors.ts";
import type { Model } from "../models/model.ts";
import { crossEntropy, type Loss } from "../nn/losses.ts";
import { targetInput, withLoss } from "../nn/step.ts";
import { formatShape } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { countTop } from "./metrics.ts";
import { releasing } from "./release.ts";
import { Run } from "./run.ts";

export interface Evaluation {
  readonly count: number;
  /** The part whose label has the highest logit, and is among the five highest. */
  readonly top1: number;
  readonly top5: number;
  /** The mean loss. */
  readonly loss: number;
}

export interface EvaluateEvent {
  readonly kind: "batch";
  readonly done: number;
  readonly count: number;
  readonly imagesPerSecond: number;
}

export interface EvaluateOptions {
  readonly batchSize?: number;
  readonly loss?: Loss;
  readonly engine?: Engine;
  /** The most bytes of memory that a batch may take (`CompileOptions.memory`). */
  readonly memory?: number;
}

const defaultBatchSize = 256;

/**
 * Accuracy and loss of a classifier on all images of a dataset, each of them once.
 *
 * @example
 * import { evaluate, lenet5, linesData, linesNetwork, Model } from "striate";
 *
 * const data = linesData({ seed: 1, split: "test", count: 20 });
 * const model = Model.build(linesNetwork(), { name: "lines", input: [1, 64, 64], seed: 1 });
 * const { top1, count } = await evaluate(model, data).result;
 * console.assert(count === 20 && top1 >= 0 && top1 <= 1);
 */
export function evaluate(model: Model, data: Dataset, options: EvaluateOptions = {}): Run<EvaluateEvent, Evaluation> {
  return new Run((emit, signal) =>
    releasing(async (hold) => {
      const evaluator = hold(await Evaluator.compile(model, options));
      return evaluator.measure(model.variables, data, (event) => emit(event), signal);
    }),
  );
}

/** A compiled evaluation that can be run again with other weights. */
export class Evaluator {
  readonly #program: Program;
  readonly #model: Model;
  readonly #batchSize: number;

  private constructor(program: Program, model: Model, batchSize: number) {
    this.#program = program;
    this.#model = model;
    this.#batchSize = batchSize;
  }

  static async compile(model: Model, options: EvaluateOptions = {}): Promise<Evaluator> {
    const fixed = model.graph.inputs[0]!.shape[0];
    const {
      batchSize = typeof fixed === "number" ? fixed : defaultBatchSize,
      loss = crossEntropy,
      engine = ort,
      memory,
    } = options;
    const program = await engine.compile(withLoss(model.graph, loss), model.variables, { memory });
    return new Evaluator(program, model, batchSize);
  }

  async measure(
    variables: Model["variables"],
    data: Dataset,
    emit: (event: EvaluateEvent) => Promise<void> = async () => {},
    signal?: AbortSignal,
  ): Promise<Evaluation> {
    checkData(this.#model, data, this.#batchSize);
    await this.#program.write(variables);
    const [input, prediction] = namesOf(this.#model);
    const start = performance.now();
    let [done, top1, top5, loss] = [0, 0, 0, 0];
    for (const { images, labels } of batches(data, { size: this.#batchSize, shuffle: false, lastPartial: "keep" })) {
      if (signal?.aborted) throw new StriateError({ subject: "evaluate", found: `a stop after ${done} images` });
      const outputs = await this.#program.run({ [input]: images, [targetInput]: labels });
      const logits = outputs.get(prediction)!;
      const count = images.shape[0]!;
      top1 += countTop(logits, labels, 1);
      top5 += countTop(logits, labels, 5);
      loss += outputs.get("loss")!.item() * count;
      done += count;
      const imagesPerSecond = (1000 * done) / (performance.now() - start);
      await emit({ kind: "batch", done, count: data.count, imagesPerSecond });
    }
    return { count: done, top1: top1 / done, top5: top5 / done, loss: loss / done };
  }

  dispose(): Promise<void> {
    return this.#program.dispose();
  }
}

/** The names of a model's image input and of its prediction. */
export function namesOf(model: Model): [input: string, prediction: string] {
  return [model.graph.inputs[0]!.source.name, [...model.graph.outputs.keys()][0]!];
}

/** @throws StriateError when a model takes batches of one size only, and not of this one */
function checkBatch(model: Model, size: number): void {
  const batch = model.graph.inputs[0]!.shape[0];
  if (typeof batch === "number" && batch !== size)
    throw new StriateError({
      subject: model.name,
      found: `a batch that is fixed to ${batch}`,
      expected: `one of ${size}, or any`,
      mend: "Export the model again with a dynamic batch dimension",
    });
}

const listed = (names: readonly string[]): string => names.slice(0, 10).join(", ") + (names.length > 10 ? " …" : "");

/** @throws StriateError when a dataset's images or classes do not fit a model, or batches of a size do not */
export function checkData(model: Model, data: Dataset, batchSize: number): void {
  checkBatch(model, batchSize);
  if (data.count === 0) throw new StriateError({ subject: data.name, found: "no images", expected: "at least one" });
  const shape = model.inputShape;
  const fits =
    shape.length === 3 && shape.every((length, axis) => typeof length === "string" || length === data.inputShape[axis]);
  if (!fits)
    throw new StriateError({
      subject: data.name,
      found: `images of ${formatShape(data.inputShape)}`,
      expected: `${formatShape(shape)}, as ${model.name} takes`,
    });
  if (model.classes && model.classes.join("\n") !== data.classes.join("\n"))
    throw new StriateError({
      subject: data.name,
      found: `classes ${listed(data.classes)}`,
      expected: `${listed(model.classes)}, as ${model.name} has them`,
      mend: "Bring the labels into its order with data.withClasses(model.classes)",
    });
  const classes = [...model.graph.outputs.values()][0]!.shape.at(-1)!;
  if (typeof classes === "number" && classes < data.classes.length)
    throw new StriateError({
      subject: data.name,
      found: `${data.classes.length} classes`,
      expected: `at most ${classes}, as ${model.name} tells apart`,
    });
}

/**
 * A model's outputs for preprocessed images [batch, channels, height, width]: for a classifier, logits [batch, classes].
 */
export async function predict(
  model: Model,
  images: Tensor,
  { engine = ort, memory }: { engine?: Engine; memory?: number } = {},
): Promise<Tensor> {
  checkBatch(model, images.shape[0]!);
  return releasing(async (hold) => {
    const program = hold(await engine.compile(model.graph, model.variables, { memory }));
    const [input, prediction] = namesOf(model);
    return (await program.run({ [input]: images })).get(prediction)!;
  });
}
