/** Training from the command line: opens what it needs, shows progress, keeps what comes of it. */
import { epochOrder } from "../data/batches.ts";
import type { Dataset } from "../data/dataset.ts";
import { openData } from "../data/open.ts";
import { StriateError } from "../errors.ts";
import type { Recipe } from "../models/catalog.ts";
import { load, type Model } from "../models/model.ts";
import { adam, sgd } from "../nn/optimisers.ts";
import type { ScheduleName } from "../nn/schedules.ts";
import type { Layer } from "../nn/scope.ts";
import { type EpochEvent, type FitResult, fit, TrainingError } from "../train/fit.ts";
import type { CommonOptions, Outcome } from "./command.ts";
import { UsageError } from "./failure.ts";
import { FitProgress } from "./fit-progress.ts";
import { interruptible } from "./interrupt.ts";
import { note } from "./notes.ts";
import { asModelSees, fittingTo } from "./open-data.ts";
import { findModel } from "./open-model.ts";
import { RunFolder } from "./run-folder.ts";
import { columnsOf, counted, duration, lossText, percent, wrap } from "./text.ts";

/** The options of `striate train`, as they were given. */
export interface TrainOptions extends CommonOptions {
  readonly model: string;
  readonly data: string;
  readonly out: string;
  readonly epochs: number;
  readonly batch?: number;
  readonly learningRate?: number;
  readonly optimizer?: "sgd" | "adam";
  readonly momentum?: number;
  readonly weightDecay?: number;
  readonly schedule?: ScheduleName;
  /** A share to hold out, or false for none; the data's test part unless given. */
  readonly validation?: number | false;
  readonly limit?: number;
  readonly force?: boolean;
}

/** For models without a recipe of their own. */
const plainRecipe: Recipe = {
  optimiser: "sgd",
  batchSize: 128,
  learningRate: 0.05,
  weightDecay: 0,
  schedule: "constant",
};

/** Everything training is made with, each option decided. */
interface Plan {
  readonly network: Model | Layer;
  readonly name: string;
  readonly train: Dataset;
  readonly validation?: Dataset;
  readonly settings: Readonly<{
    epochs: number;
    batch: number;
    learningRate: number;
    optimizer: "sgd" | "adam";
    momentum?: number;
    weightDecay: number;
    schedule: ScheduleName;
    seed: number;
  }>;
}

/** Trains as the options say, into a run folder. */
export async function runTraining(options: TrainOptions): Promise<Outcome> {
  await RunFolder.check(options.out, options.force ?? false);
  const plan = await makePlan(options);
  const { settings } = plan;
  const facts = {
    model: options.model,
    data: options.data,
    options: settings,
    images: plan.train.count,
    validation: plan.validation && { name: plan.validation.name, images: plan.validation.count },
  };
  const folder = new RunFolder(options.out, facts);
  const run = fit(plan.network, plan.train, {
    ...settings,
    batchSize: settings.batch,
    optimiser: optimiserOf(settings),
    validation: plan.validation,
    name: plan.name,
  });
  const progress = new FitProgress();
  const stop = () => {
    progress.line("Stopping after this step. Press Ctrl-C again to leave at once, without the model.");
    run.stop();
  };
  const begin = performance.now();
  const { result, exitCode } = await interruptible(stop, async () => {
    try {
      for await (const event of run) {
        // Only now is it sure that model and data fit: a refusal leaves no folder behind.
        await folder.begin();
        progress.show(event);
        if (event.kind === "epoch") await folder.epoch(event);
      }
      return await run.result;
    } catch (error) {
      if (error instanceof TrainingError) throw await keepFailed(error, folder, settings.learningRate);
      throw error;
    } finally {
      progress.end();
    }
  });
  await folder.begin();
  const seconds = (performance.now() - begin) / 1000;
  const figures = figuresOf(result, seconds);
  await folder.end(result.model, result.stopped ? "stopped" : "finished", figures);
  return {
    document: { model: folder.modelPath, run: options.out, seed: settings.seed, ...figures },
    text: () => words(options, plan, result, folder, seconds),
    exitCode: result.stopped ? (exitCode ?? 130) : 0,
  };
}

async function makePlan(options: TrainOptions): Promise<Plan> {
  const { seed, epochs } = options;
  const place = await findModel(options.model);
  const recipe = place.kind === "catalog" ? place.entry.recipe : plainRecipe;
  const optimizer = options.optimizer ?? recipe.optimiser;
  if (optimizer !== "sgd" && options.momentum !== undefined)
    throw new UsageError(`--momentum is an option of sgd, and the optimizer is ${optimizer}`);
  const isOwn = optimizer === recipe.optimiser;
  const settings = {
    epochs,
    batch: options.batch ?? recipe.batchSize,
    learningRate: options.learningRate ?? (isOwn ? recipe.learningRate : optimiserOf({ optimizer }).learningRate),
    optimizer,
    momentum: optimizer === "sgd" ? (options.momentum ?? 0.9) : undefined,
    weightDecay: options.weightDecay ?? (isOwn ? recipe.weightDecay : 0),
    schedule: options.schedule ?? recipe.schedule,
    seed,
  };
  if (place.kind === "catalog") {
    const { name, layer, input } = place.entry;
    const parts = await openParts(options, fittingTo(input), (data) => data);
    return { ...parts, network: layer({ classes: parts.train.classes.length }), name, settings };
  }
  const model = await load(place.path);
  const fitting = model.preprocessing ? { preprocessing: model.preprocessing } : fittingTo(model.inputShape);
  let network = model;
  const parts = await openParts(options, fitting, (data) => {
    if (!data.classes.some((name) => model.classes?.includes(name))) {
      // Nothing in common: it learns other classes from here on.
      network = model.with({ classes: data.classes });
      return asModelSees(data, network);
    }
    return asModelSees(data, model);
  });
  return { ...parts, network, name: model.name, settings };
}

type Parts = Pick<Plan, "train" | "validation">;

async function openParts(
  options: TrainOptions,
  fitting: ReturnType<typeof fittingTo>,
  prepare: (data: Dataset) => Dataset,
): Promise<Parts> {
  const { seed, limit, validation: wanted } = options;
  const opened = await openData(options.data, { seed, ...fitting });
  const whole = prepare(opened.train);
  const split = typeof wanted === "number" ? whole.split(wanted, seed) : undefined;
  const rest = split?.rest ?? whole;
  const train = limit && limit < rest.count ? rest.subset(epochOrder(rest.count, seed, 0).slice(0, limit)) : rest;
  const validation = split?.held ?? (wanted !== false && opened.test ? prepare(opened.test) : undefined);
  const measured = validation
    ? `Measured after each epoch on ${validation.name}: ${counted(validation.count, "image")}.`
    : "Nothing is measured on images kept back.";
  note(`Training on ${train.name}: ${counted(train.count, "image")}. ${measured}`);
  return { train, validation };
}

function optimiserOf({ optimizer, momentum, weightDecay }: Partial<Plan["settings"]>) {
  return optimizer === "adam" ? adam({ weightDecay }) : sgd({ momentum, weightDecay });
}

/** Keeps the weights from before the loss was no longer a number. @returns the error that says so */
async function keepFailed(error: TrainingError, folder: RunFolder, rate: number): Promise<StriateError> {
  await folder.begin();
  await folder.end(error.model, "failed", { error: error.message });
  const mend = `The weights from before it are in ${folder.modelPath}; train with a --learning-rate below ${rate}`;
  return new StriateError({ ...error.complaint, subject: "train", mend, cause: error });
}

const figuresOf = ({ history, steps, stopped }: FitResult, seconds: number) => {
  const last: EpochEvent | undefined = history.at(-1);
  return {
    epochs: history.length,
    steps,
    stopped,
    train: last && { loss: last.loss, top1: last.top1 },
    validation: last?.validation,
    seconds: Math.round(seconds * 10) / 10,
  };
};

function words(
  { out, data }: TrainOptions,
  { name, validation }: Plan,
  { history, steps, stopped }: FitResult,
  folder: RunFolder,
  seconds: number,
): string {
  const last = history.at(-1);
  const time = duration(seconds);
  const how = `${counted(history.length, "epoch")} (${counted(steps, "step")}) in ${time}`;
  const measured = last?.validation ?? last;
  const on = last?.validation ? validation?.name : "the training images";
  const figures = measured && `, accuracy ${percent(measured.top1)} and loss ${lossText(measured.loss)} on ${on}`;
  return [
    wrap(`${stopped ? "Stopped" : "Trained"} ${name}: ${how}${figures ?? ""}.`, columnsOf()),
    `Model: ${folder.modelPath}`,
    `Next:  striate eval ${out} --data ${data}`,
  ].join("\n");
}
