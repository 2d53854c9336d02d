/** Measuring a classifier on a dataset, and asking it for predictions. */
import { batches } from "../data/batches.ts";
import type { Dataset } from "../data/dataset.ts";
import { compile, type EngineOptions } from "../engine/choose.ts";
import type { Program, ProgramReport } from "../engine/engine.ts";
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

export interface EvaluateResult extends Evaluation {
  readonly ranOn: ProgramReport;
}

export interface EvaluateEvent {
  readonly kind: "batch";
  readonly done: number;
  readonly count: number;
  readonly imagesPerSecond: number;
}

export interface EvaluateOptions extends EngineOptions {
  readonly batchSize?: number;
  readonly loss?: Loss;
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
export function evaluate(
  model: Model,
  data: Dataset,
  options: EvaluateOptions = {},
): Run<EvaluateEvent, EvaluateResult> {
  return new Run((emit, signal) =>
    releasing(async (hold) => {
      const evaluator = hold(await Evaluator.compile(model, options));
      const measured = await evaluator.measure(model.variables, data, (event) => emit(event), signal);
      return { ...measured, ranOn: await evaluator.report() };
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
      engine,
      precision,
      memory,
    } = options;
    const program = await compile(withLoss(model.graph, loss), model.variables, { engine, precision, memory });
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

  report(): Promise<ProgramReport> {
    return this.#program.report();
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
 * A compiled model that answers batch after batch.
 *
 * @example
 * import { linesNetwork, Model, Predictor, zeros } from "striate";
 *
 * const model = Model.build(linesNetwork(), { name: "lines", input: [1, 64, 64] });
 * const predictor = await Predictor.compile(model, { engine: "ort" });
 * for (const count of [1, 5]) console.assert((await predictor.predict(zeros([count, 1, 64, 64]))).shape[0] === count);
 * console.assert((await predictor.report()).engine === "ort");
 * await predictor.dispose();
 */
export class Predictor {
  readonly #program: Program;
  readonly #model: Model;

  private constructor(program: Program, model: Model) {
    this.#program = program;
    this.#model = model;
  }

  static async compile(model: Model, options: EngineOptions = {}): Promise<Predictor> {
    return new Predictor(await compile(model.graph, model.variables, options), model);
  }

  /** The outputs for preprocessed images [batch, channels, height, width]: for a classifier, logits [batch, classes]. */
  async predict(images: Tensor): Promise<Tensor> {
    checkBatch(this.#model, images.shape[0]!);
    const [input, prediction] = namesOf(this.#model);
    return (await this.#program.run({ [input]: images })).get(prediction)!;
  }

  report(): Promise<ProgramReport> {
    return this.#program.report();
  }

  dispose(): Promise<void> {
    return this.#program.dispose();
  }
}

/**
 * A model's outputs for preprocessed images [batch, channels, height, width]: for a classifier, logits [batch, classes].
 * For many batches, and to know what they ran on, `Predictor` is made once.
 */
export async function predict(model: Model, images: Tensor, options: EngineOptions = {}): Promise<Tensor> {
  return releasing(async (hold) => hold(await Predictor.compile(model, options)).predict(images));
}
