/** Training from the command line: opens what it needs, shows progress, keeps what comes of it. */
import { epochOrder } from "../data/batches.ts";
import { Dataset } from "../data/dataset.ts";
import type { OpenOptions } from "../data/open.ts";
import { nearest, StriateError } from "../errors.ts";
import type { Recipe } from "../models/catalog.ts";
import { load, Model } from "../models/model.ts";
import { freeze, replaceHead } from "../models/transfer.ts";
import { type EpochEvent, type FitResult, fit, TrainingError } from "../train/fit.ts";
import type { CommonOptions, Outcome } from "./command.ts";
import { chosenEngine, type RunOptions } from "./engine.ts";
import { UsageError } from "./failure.ts";
import { FitProgress } from "./fit-progress.ts";
import { interruptible } from "./interrupt.ts";
import { note } from "./notes.ts";
import { asModelSees, fittingTo, fittingToModel, openShown, sayAssumed } from "./open-data.ts";
import { findModel } from "./open-model.ts";
import { RunFolder } from "./run-folder.ts";
import { type StatisticsOptions, withStatistics } from "./statistics.ts";
import { columnsOf, counted, duration, lossText, percent, wrap } from "./text.ts";
import { fitOptionsOf, type SettingOptions, type Settings, settingsOf } from "./training-settings.ts";

/** The options of `striate train`, as they were given. */
export interface TrainOptions extends CommonOptions, RunOptions, SettingOptions, StatisticsOptions {
  readonly model: string;
  readonly data: string;
  readonly out: string;
  /** A share to hold out, other data, or false for none; the data's test part unless given. */
  readonly validation?: number | string | false;
  readonly limit?: number;
  readonly freeze?: readonly string[];
  readonly only?: readonly string[];
  readonly newHead?: boolean;
  readonly force?: boolean;
}

/** For models without a recipe of their own: they were trained before. */
const plainRecipe: Recipe = {
  optimiser: "sgd",
  batchSize: 64,
  learningRate: 0.01,
  weightDecay: 5e-4,
  schedule: "cosine",
};

/** Everything training is made with, each option decided. */
interface Plan {
  readonly network: Model;
  readonly train: Dataset;
  readonly validation?: Dataset;
  readonly settings: Settings;
}

/** Trains as the options say, into a run folder. */
export async function runTraining(options: TrainOptions): Promise<Outcome> {
  const { profiling, ...chosen } = await chosenEngine(options);
  await RunFolder.check(options.out, options.force ?? false);
  const plan = await makePlan(options);
  const { settings } = plan;
  const facts = {
    model: options.model,
    data: options.data,
    engine: chosen.engine.name,
    precision: chosen.precision,
    options: { ...settings, freeze: options.freeze, only: options.only, newHead: options.newHead },
    images: plan.train.count,
    validation: plan.validation && { name: plan.validation.name, images: plan.validation.count },
  };
  const folder = new RunFolder(options.out, facts);
  const run = fit(plan.network, plan.train, {
    ...fitOptionsOf(settings, plan.network),
    ...chosen,
    validation: plan.validation,
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
    ranOn: result.ranOn,
    profiling,
    text: () => words(options, plan, result, folder, seconds),
    exitCode: result.stopped ? (exitCode ?? 130) : 0,
  };
}

async function makePlan(options: TrainOptions): Promise<Plan> {
  const { seed } = options;
  if (options.freeze && options.only) throw new UsageError("--freeze and --only each say which layers learn: give one");
  const place = await findModel(options.model);
  const settings = settingsOf(options, place.kind === "catalog" ? place.entry.recipe : plainRecipe);
  if (place.kind === "catalog") {
    const { name, layer, input } = place.entry;
    const parts = await openParts(options, fittingTo(input), (data) => withGiven(data, options));
    const classes = parts.train.classes.length;
    const network = Model.build(layer({ classes }), { name, input: parts.train.inputShape, seed });
    return { ...parts, network: chosenTrainable(network, options), settings };
  }
  let network = await load(place.path, options);
  const parts = await openParts(options, fittingToModel(network), (data, isFirst) => {
    if (isFirst) {
      sayAssumed(network, data, options);
      network = knowing(network, data, options);
    }
    return asModelSees(data, network, options);
  });
  network = network.with({ preprocessing: parts.train.preprocessing });
  return { ...parts, network: chosenTrainable(network, options), settings };
}

/** The model ready for the data's classes: with a new head where asked, with new names where it has none of these. */
function knowing(model: Model, { classes }: Dataset, { newHead, seed }: TrainOptions): Model {
  if (newHead) return replaceHead(model, { classes: classes.length, seed }).with({ classes });
  return classes.some((name) => model.classes?.includes(name)) ? model : model.with({ classes: undefined });
}

/** The model with those parameters frozen that the options say. */
function chosenTrainable(model: Model, { freeze: frozen, only }: TrainOptions): Model {
  if (frozen) return freeze(model, within(model, "--freeze", frozen));
  const isKept = only && within(model, "--only", only);
  return isKept ? freeze(model, (name) => !isKept(name)) : model;
}

/** Whether a parameter is one of those named or belongs to a layer named; each name must be some parameter's or layer's. */
function within(model: Model, option: string, names: readonly string[]): (parameter: string) => boolean {
  const known = [...model.variables.keys()].map((name) => name.split("."));
  const prefixes = new Set(known.flatMap((parts) => parts.map((_, end) => parts.slice(0, end + 1).join("."))));
  for (const name of names) {
    if (prefixes.has(name)) continue;
    const [layers, meant] = [[...new Set(known.map(([first]) => first))], nearest(name, prefixes)];
    throw new StriateError({
      subject: option,
      found: `"${name}"`,
      expected: `layers of ${model.name}, such as ${layers.slice(0, 8).join(", ")}, or its parameters`,
      mend: meant && `Did you mean "${meant}"?`,
    });
  }
  return (parameter) => names.some((name) => parameter === name || parameter.startsWith(`${name}.`));
}

/** A dataset with the statistics given in place of its own. */
function withGiven(data: Dataset, given: StatisticsOptions): Dataset {
  const preprocessing = withStatistics(data.preprocessing, data.preprocessing.channels, given);
  return new Dataset({ ...data, preprocessing });
}

type Parts = Pick<Plan, "train" | "validation">;

/** @param prepare brings data into the model's form; what it is trained on comes first */
async function openParts(
  options: TrainOptions,
  fitting: OpenOptions,
  prepare: (data: Dataset, isFirst: boolean) => Dataset,
): Promise<Parts> {
  const { seed, limit, validation: wanted } = options;
  const opened = await openShown(options.data, { seed, ...fitting });
  const whole = prepare(opened.train, true);
  const alike = { seed, ...fitting, preprocessing: whole.preprocessing };
  const other = typeof wanted === "string" ? await openShown(wanted, alike) : opened;
  const split = typeof wanted === "number" ? whole.split(wanted, seed) : undefined;
  const rest = split?.rest ?? whole;
  const train = limit && limit < rest.count ? rest.subset(epochOrder(rest.count, seed, 0).slice(0, limit)) : rest;
  const kept = typeof wanted === "string" ? (other.test ?? other.train) : wanted === false ? undefined : opened.test;
  const validation = split?.held ?? (kept && prepare(kept, false));
  const measured = validation
    ? `Measured after each epoch on ${validation.name}: ${counted(validation.count, "image")}.`
    : "Nothing is measured on images kept back.";
  note(`Training on ${train.name}: ${counted(train.count, "image")}. ${measured}`);
  return { train, validation };
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
  { out, data, validation: wanted }: TrainOptions,
  { network: { name }, validation }: Plan,
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
    `Next:  striate eval ${out} --data ${typeof wanted === "string" ? wanted : data}`,
  ].join("\n");
}
