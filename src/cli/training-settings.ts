/** How training goes, each option decided: as given, else as the network's recipe says. */
import { type AugmentationName, augmentationOf } from "../data/augment.ts";
import { trainableOf } from "../graph/graph.ts";
import type { Recipe } from "../models/catalog.ts";
import type { Model } from "../models/model.ts";
import { crossEntropyWith } from "../nn/losses.ts";
import * as optimisers from "../nn/optimisers.ts";
import type { ScheduleName } from "../nn/schedules.ts";
import type { FitOptions } from "../train/fit.ts";
import { UsageError } from "./failure.ts";

/** Every optimiser by its name on the command line. */
const optimiserKinds = {
  sgd: optimisers.sgd,
  adam: optimisers.adam,
  adamw: optimisers.adamW,
  rmsprop: optimisers.rmsProp,
  adagrad: optimisers.adagrad,
} as const;

export type OptimiserName = keyof typeof optimiserKinds;
export const optimiserNames = Object.keys(optimiserKinds) as OptimiserName[];

/** Of the options of `striate train`, those that say how weights change. */
export interface SettingOptions {
  readonly seed: number;
  readonly epochs: number;
  readonly batch?: number;
  readonly lastBatch?: "drop" | "pad";
  readonly learningRate?: number;
  readonly optimizer?: OptimiserName;
  readonly momentum?: number;
  readonly nesterov?: boolean;
  readonly weightDecay?: number;
  readonly decay?: "all" | "weights";
  readonly schedule?: ScheduleName;
  readonly clip?: number;
  readonly labelSmoothing?: number;
  readonly average?: number;
  readonly augment?: readonly AugmentationName[];
}

export type Settings = SettingOptions &
  Required<Pick<SettingOptions, "batch" | "learningRate" | "optimizer" | "weightDecay" | "schedule">>;

/**
 * @throws UsageError for an option that the optimiser does not have
 */
export function settingsOf(given: SettingOptions, recipe: Recipe): Settings {
  const optimizer = given.optimizer ?? recipe.optimiser;
  for (const name of ["momentum", "nesterov"] as const)
    if (optimizer !== "sgd" && given[name] !== undefined)
      throw new UsageError(`--${name} is an option of sgd, and the optimizer is ${optimizer}`);
  const isOwn = optimizer === recipe.optimiser;
  return {
    seed: given.seed,
    epochs: given.epochs,
    batch: given.batch ?? recipe.batchSize,
    lastBatch: given.lastBatch,
    learningRate: given.learningRate ?? (isOwn ? recipe.learningRate : optimiserKinds[optimizer]().learningRate),
    optimizer,
    momentum: optimizer === "sgd" ? (given.momentum ?? 0.9) : undefined,
    nesterov: given.nesterov,
    weightDecay: given.weightDecay ?? (isOwn ? recipe.weightDecay : 0),
    decay: given.decay,
    schedule: given.schedule ?? recipe.schedule,
    clip: given.clip,
    labelSmoothing: given.labelSmoothing,
    average: given.average,
    augment: given.augment,
  };
}

/** The same for `fit`. */
export function fitOptionsOf(settings: Settings, model: Model): FitOptions {
  const { optimizer, momentum, nesterov, weightDecay, decay, clip, labelSmoothing } = settings;
  const vectors = new Set(
    trainableOf(model.graph).flatMap(({ source, shape }) => (shape.length < 2 ? source.name : [])),
  );
  const decays = decay === "weights" ? (name: string) => !vectors.has(name) : undefined;
  const optimiser = optimiserKinds[optimizer]({ momentum, nesterov, weightDecay, decays });
  return {
    seed: settings.seed,
    epochs: settings.epochs,
    batchSize: settings.batch,
    lastPartial: settings.lastBatch,
    learningRate: settings.learningRate,
    optimiser: clip === undefined ? optimiser : optimisers.clipGradients(optimiser, { norm: clip }),
    schedule: settings.schedule,
    loss: labelSmoothing === undefined ? undefined : crossEntropyWith({ labelSmoothing }),
    average: settings.average,
    augment: settings.augment?.map(augmentationOf),
  };
}
