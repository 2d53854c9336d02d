/** Training. */
import type { Augmentation } from "../data/augment.ts";
import { type Batch, batchCount, batches } from "../data/batches.ts";
import type { Dataset } from "../data/dataset.ts";
import { chooseEngine, type EngineOptions } from "../engine/choose.ts";
import { type ProgramReport, reportTogether } from "../engine/engine.ts";
import { type Complaint, StriateError } from "../errors.ts";
import { training } from "../graph/training.ts";
import type { Input } from "../graph/value.ts";
import { Model } from "../models/model.ts";
import { averagedVariables, averageWeights } from "../nn/averaging.ts";
import { crossEntropy, type Loss } from "../nn/losses.ts";
import { type Optimiser, sgd } from "../nn/optimisers.ts";
import { positive, wholeNumber } from "../nn/options.ts";
import { constantRate, type Schedule, type ScheduleName, scheduleOf } from "../nn/schedules.ts";
import type { Layer } from "../nn/scope.ts";
import { learningRateInput, targetInput, step as trainingStep, withLoss } from "../nn/step.ts";
import { Random } from "../tensor/random.ts";
import { sizeOf } from "../tensor/shape.ts";
import { scalar, type Tensor, tensor } from "../tensor/tensor.ts";
import { checkData, type Evaluation, Evaluator, namesOf } from "./evaluate.ts";
import { countTop } from "./metrics.ts";
import { type Hold, releasing } from "./release.ts";
import { Run } from "./run.ts";

export interface FitOptions extends EngineOptions {
  /** Measured after each epoch. */
  readonly validation?: Dataset;
  /** Passes over the images, 10 by default. */
  readonly epochs?: number;
  /** Images a step; 128 by default, or all there are. */
  readonly batchSize?: number;
  /** Whether an epoch's last batch that is not full is left out (by default) or filled up with images it began with. */
  readonly lastPartial?: "drop" | "pad";
  /** How images are changed at random before each use. */
  readonly augment?: readonly Augmentation[];
  /** SGD with momentum 0.9 by default. */
  readonly optimiser?: Optimiser;
  /** The base learning rate; the optimiser's own by default. */
  readonly learningRate?: number;
  readonly schedule?: Schedule | ScheduleName;
  readonly loss?: Loss;
  /**
   * Keeps a running average of the weights, each step's counting 1 minus this (0.999: the last thousand or so): that
   * average is what is validated and given as the result.
   */
  readonly average?: number;
  /** What weights, order and augmentation of images and dropout are drawn from: 0 by default. */
  readonly seed?: number;
  /** What to call a model that is built from a layer. */
  readonly name?: string;
}

export interface StepEvent {
  readonly kind: "step";
  /** From 1. */
  readonly step: number;
  readonly steps: number;
  /** From 1. */
  readonly epoch: number;
  readonly epochs: number;
  /** Of this step's batch, before its update. */
  readonly loss: number;
  readonly accuracy: number;
  readonly learningRate: number;
  readonly imagesPerSecond: number;
  readonly secondsLeft: number;
}

export interface EpochEvent {
  readonly kind: "epoch";
  readonly epoch: number;
  readonly epochs: number;
  /** Means over the epoch's batches, as they were trained on. */
  readonly loss: number;
  readonly top1: number;
  readonly validation?: Evaluation;
  readonly seconds: number;
}

export type FitEvent = StepEvent | EpochEvent;

export interface FitResult {
  readonly model: Model;
  readonly history: readonly EpochEvent[];
  /** Steps made; fewer than asked for when the run was stopped. */
  readonly steps: number;
  readonly stopped: boolean;
  readonly ranOn: ProgramReport;
}

/** Training that could not go on. What was trained until then is kept. */
export class TrainingError extends StriateError {
  /** With the last weights whose loss was a finite number. */
  readonly model: Model;
  readonly history: readonly EpochEvent[];
  readonly ranOn: ProgramReport;

  constructor(complaint: Complaint, { model, history, ranOn }: Pick<FitResult, "model" | "history" | "ranOn">) {
    super(complaint);
    this.name = "TrainingError";
    this.model = model;
    this.history = history;
    this.ranOn = ranOn;
  }
}

/**
 * Trains a model, or a new one of a layer, on a dataset: each step is one graph of forward pass, loss, gradients and
 * update. The same seed gives the same weights to the bit on one machine and engine.
 * @throws StriateError (from `result`) when data and model do not fit; TrainingError when the loss is no longer a number
 *
 * @example
 * import { fit, linesData, linesNetwork } from "striate";
 *
 * const data = linesData({ seed: 1, split: "train", count: 64 });
 * const run = fit(linesNetwork(), data, { epochs: 2, batchSize: 32, seed: 1 });
 * for await (const event of run) if (event.kind === "epoch") console.assert(event.loss > 0);
 * const { model } = await run.result;
 */
export function fit(network: Model | Layer, data: Dataset, options: FitOptions = {}): Run<FitEvent, FitResult> {
  return new Run((emit, signal) => releasing((hold) => train(network, data, options, emit, signal, hold)));
}

async function train(
  network: Model | Layer,
  data: Dataset,
  options: FitOptions,
  emit: (event: FitEvent) => Promise<void>,
  signal: AbortSignal,
  hold: Hold,
): Promise<FitResult> {
  const { seed = 0, loss = crossEntropy, optimiser = sgd({ momentum: 0.9 }), validation } = options;
  const { average, augment, lastPartial = "drop", precision, memory } = options;
  const epochs = wholeNumber("fit", "epochs", options.epochs ?? 10);
  const batchSize = Math.min(wholeNumber("fit", "batchSize", options.batchSize ?? 128), data.count);
  const base = options.learningRate ?? optimiser.learningRate;
  positive("fit", "learning rate", base);
  const schedule = scheduleOf(options.schedule ?? constantRate());
  const model = modelFor(network, data, options.name ?? "model", seed);
  checkData(model, data, batchSize);
  if (validation) checkData(model, validation, batchSize);

  const dimensions = dimensionsOf(model, batchSize, data);
  const stepped = trainingStep(withLoss(training(model.graph), loss), optimiser);
  const averaged =
    average === undefined ? undefined : averageWeights(stepped.graph, model.variables, { decay: average });
  const graph = averaged?.graph ?? stepped.graph;
  const averages = averaged?.state ?? new Map<string, Tensor>();
  const variables = new Map([...model.variables, ...stepped.state, ...averages]);
  const engine = await chooseEngine(options.engine);
  const irreversible = [...stepped.state.keys()];
  const settings = { dimensions, finite: ["loss"], irreversible, precision, memory };
  const program = hold(await engine.compile(graph, variables, settings));
  const evaluator = validation && hold(await Evaluator.compile(model, { loss, engine, precision, memory }));
  const [input, prediction] = namesOf(model);
  const perEpoch = batchCount(data.count, { size: batchSize, lastPartial });
  const steps = perEpoch * epochs;
  const history: EpochEvent[] = [];
  const trained = async (): Promise<Model> => {
    const now = averagedVariables(await program.read([...model.variables.keys(), ...averages.keys()]));
    return model.with({ variables: new Map([...now].map(([name, value]) => [name, value.cast("float32")])) });
  };

  const kept = async () => {
    const reports = evaluator ? [await evaluator.report()] : [];
    return { model: await trained(), history, ranOn: reportTogether([await program.report(), ...reports]) };
  };

  const start = performance.now();
  let step = 0;
  for (let epoch = 1; epoch <= epochs && !signal.aborted; epoch++) {
    const epochStart = performance.now();
    let [lossSum, correct, made] = [0, 0, 0];
    const losses = history.map((each) => each.validation?.loss ?? each.loss);
    const order = batches(data, { size: batchSize, shuffle: true, seed, epoch, lastPartial, augment });
    for await (const { batch, outputs, learningRate } of ahead(order, (batch) => {
      const learningRate = base * schedule(step++, steps, losses);
      return {
        learningRate,
        outputs: program.run({
          [input]: batch.images,
          [targetInput]: batch.labels,
          [learningRateInput]: scalar(learningRate),
          ...randomFeeds(graph.inputs, seed, step, dimensions),
        }),
      };
    })) {
      const lossNow = outputs.get("loss")!.item();
      const done = (epoch - 1) * perEpoch + made + 1;
      if (!Number.isFinite(lossNow)) throw diverged(done, lossNow, base, await kept());
      const right = countTop(outputs.get(prediction)!, batch.labels, 1);
      lossSum += lossNow;
      correct += right;
      made++;
      const seconds = (performance.now() - start) / 1000;
      await emit({
        kind: "step",
        step: done,
        steps,
        epoch,
        epochs,
        loss: lossNow,
        accuracy: right / batchSize,
        learningRate,
        imagesPerSecond: (done * batchSize) / seconds,
        secondsLeft: (seconds / done) * (steps - done),
      });
      if (signal.aborted) break;
    }
    if (made < perEpoch) break;
    const event: EpochEvent = {
      kind: "epoch",
      epoch,
      epochs,
      loss: lossSum / made,
      top1: correct / (made * batchSize),
      validation: await evaluator?.measure((await trained()).variables, validation!),
      seconds: (performance.now() - epochStart) / 1000,
    };
    history.push(event);
    await emit(event);
  }
  const result = await kept();
  const weights = [...result.model.variables.values()];
  if (!weights.every(({ data: numbers }) => (numbers as Float32Array).every(Number.isFinite))) {
    await program.revert();
    throw diverged(step, Number.NaN, base, await kept());
  }
  return { ...result, steps: step, stopped: step < steps };
}

/** The model itself, or a new one of the layer, told how its input is made and what its classes are called. */
function modelFor(network: Model | Layer, data: Dataset, name: string, seed: number): Model {
  const model = network instanceof Model ? network : Model.build(network, { name, input: data.inputShape, seed });
  return model.with({
    preprocessing: model.preprocessing ?? data.preprocessing,
    classes: model.classes ?? data.classes,
  });
}

/** The lengths of the dimensions that the model's image input names. */
const dimensionsOf = (model: Model, batch: number, { inputShape }: Dataset): Record<string, number> =>
  Object.fromEntries(
    model.graph.inputs[0]!.shape.flatMap((name, axis) =>
      typeof name === "string" ? [[name, axis === 0 ? batch : inputShape[axis - 1]!]] : [],
    ),
  );

const diverged = (
  step: number,
  loss: number,
  rate: number,
  kept: ConstructorParameters<typeof TrainingError>[1],
): TrainingError =>
  new TrainingError(
    {
      subject: "fit",
      found: `a loss of ${loss} at step ${step}`,
      expected: "a finite number",
      mend: `The weights from before it are kept. Train with a smaller learning rate than ${rate}`,
    },
    kept,
  );

/** One batch is prepared and sent while the one before is computed. */
async function* ahead<Rest extends { outputs: Promise<ReadonlyMap<string, Tensor>> }>(
  order: Iterable<Batch>,
  run: (batch: Batch) => Rest,
): AsyncGenerator<Omit<Rest, "outputs"> & { batch: Batch; outputs: ReadonlyMap<string, Tensor> }> {
  let waiting: ({ batch: Batch } & Rest) | undefined;
  for (const batch of order) {
    const next = { batch, ...run(batch) };
    next.outputs.catch(() => {});
    if (waiting) yield { ...waiting, outputs: await waiting.outputs };
    waiting = next;
  }
  if (waiting) yield { ...waiting, outputs: await waiting.outputs };
}

/** This step's numbers for the graph's random inputs: a stream for each input, step and place in the batch. */
function randomFeeds(
  inputs: readonly Input[],
  seed: number,
  step: number,
  dimensions: Readonly<Record<string, number>>,
): Record<string, Tensor> {
  const feeds: Record<string, Tensor> = {};
  for (const { source, shape, dtype } of inputs) {
    if (source.kind !== "random") continue;
    const bound = shape.map((dimension) => (typeof dimension === "string" ? dimensions[dimension]! : dimension));
    const [rows, row] = [bound[0] ?? 1, sizeOf(bound.slice(1))];
    const draws = Array.from({ length: rows }, (_, place) => {
      const random = new Random(seed, "random", source.name, step, place);
      const draw = source.distribution === "uniform" ? () => random.uniform() : () => random.normal();
      return Array.from({ length: row }, draw);
    });
    feeds[source.name] = tensor(draws.flat(), bound, dtype);
  }
  return feeds;
}
