/** Training from the best of several random starts, for networks so small that some starts get stuck. */
import type { Dataset } from "../data/dataset.ts";
import type { ProgramReport } from "../engine/engine.ts";
import { Model } from "../models/model.ts";
import { wholeNumber } from "../nn/options.ts";
import type { Layer } from "../nn/scope.ts";
import { Random } from "../tensor/random.ts";
import { type EpochEvent, type FitEvent, type FitOptions, type FitResult, fit, TrainingError } from "./fit.ts";
import { follow } from "./follow.ts";
import { Run } from "./run.ts";

export interface StartsOptions extends FitOptions {
  /** What starts and attempts are judged by. */
  readonly validation: Dataset;
  /** How many random starts are tried. */
  readonly starts: number;
  /** How many of the first images each start is trained on, for one epoch with a schedule of its own. */
  readonly probe: number;
  /** A validation loss above this counts as stuck. */
  readonly limit: number;
  /** How many of the starts are trained on before the best so far is kept although it is stuck; 3 unless given. */
  readonly attempts?: number;
}

/** Numbers of starts and attempts count from 1. */
export type StartsEvent =
  | { readonly kind: "probing"; readonly start: number; readonly starts: number; readonly event: FitEvent }
  | { readonly kind: "probed"; readonly start: number; readonly starts: number; readonly validationLoss: number }
  | { readonly kind: "attempt"; readonly attempt: number; readonly attempts: number; readonly start: number }
  | { readonly kind: "training"; readonly attempt: number; readonly event: FitEvent }
  | StuckEvent;

/** An attempt ended with a validation loss above the limit; another start follows, unless it was the last attempt. */
export interface StuckEvent {
  readonly kind: "stuck";
  readonly attempt: number;
  readonly attempts: number;
  readonly validationLoss: number;
  readonly limit: number;
}

export interface StartsResult {
  /** The first that is not stuck, or the best of those trained. */
  readonly model: Model;
  readonly validationLoss: number;
  /** In the order they were drawn, with the validation loss after their probe. */
  readonly starts: readonly { readonly validationLoss: number; readonly chosen: boolean }[];
  /** The attempt that was kept, from 1. */
  readonly attempt: number;
  /** How often training went back to another start. */
  readonly restarts: number;
  /** Of the attempt that was kept. */
  readonly history: readonly EpochEvent[];
  readonly stopped: boolean;
  readonly ranOn: ProgramReport;
}

type Trained = Pick<FitResult, "model" | "history" | "ranOn">;

interface Probed {
  readonly index: number;
  readonly model: Model;
  readonly validationLoss: number;
}

/**
 * Draws several random starts of a network, trains each for one epoch on some of the images, and trains the best by
 * validation loss on from there on all images. Where its validation loss is still above the limit then, the next best
 * start is trained, and so on; events tell of each.
 * @throws StriateError (from `result`) as `fit` does
 */
export function fitFromStarts(network: Layer, data: Dataset, options: StartsOptions): Run<StartsEvent, StartsResult> {
  const { starts, limit, attempts = 3, seed = 0, name = "model" } = options;
  wholeNumber("fitFromStarts", "starts", starts);
  wholeNumber("fitFromStarts", "attempts", attempts);
  const few = data.take(options.probe);
  const seedOf = (...purpose: (string | number)[]) => new Random(seed, "start", ...purpose).bits();

  return new Run(async (emit, signal) => {
    const probed: Probed[] = [];
    let diverged: TrainingError | undefined;
    /** A start whose loss is no number any more is the worst of all; the others go on. */
    const kept = (error: unknown): Trained => {
      if (!(error instanceof TrainingError)) throw error;
      diverged = error;
      return { model: error.model, history: [], ranOn: error.ranOn };
    };
    for (let index = 0; index < starts && !(probed.length > 0 && signal.aborted); index++) {
      const start = index + 1;
      const drawn = Model.build(network, { name, input: data.inputShape, seed: seedOf("weights", index) });
      const run = fit(drawn, few, { ...options, epochs: 1, seed: seedOf("probe", index) });
      const following = follow(run, signal, (event) => emit({ kind: "probing", start, starts, event }));
      const { model, history } = await following.catch(kept);
      const validationLoss = lossOf(history);
      probed.push({ index, model, validationLoss });
      if (!signal.aborted) await emit({ kind: "probed", start, starts, validationLoss });
    }
    const ranked = [...probed].sort((one, other) => one.validationLoss - other.validationLoss).slice(0, attempts);
    let best: (Trained & { validationLoss: number; start: Probed; attempt: number }) | undefined;
    let made = 0;
    for (const start of ranked) {
      if (best && signal.aborted) break;
      const attempt = ++made;
      await emit({ kind: "attempt", attempt, attempts: ranked.length, start: start.index + 1 });
      const run = fit(start.model, data, { ...options, seed: seedOf("order", attempt) });
      const result = await follow(run, signal, (event) => emit({ kind: "training", attempt, event })).catch(kept);
      const validationLoss = lossOf(result.history);
      if (!best || validationLoss < best.validationLoss) best = { ...result, validationLoss, start, attempt };
      if (validationLoss <= limit || signal.aborted) break;
      await emit({ kind: "stuck", attempt, attempts: ranked.length, validationLoss, limit });
    }
    const { model, validationLoss, history, start, attempt, ranOn } = best!;
    if (diverged && validationLoss === Number.POSITIVE_INFINITY && !signal.aborted) throw diverged;
    return {
      model,
      validationLoss,
      starts: probed.map((each) => ({ validationLoss: each.validationLoss, chosen: each === start })),
      attempt,
      restarts: made - 1,
      history,
      stopped: signal.aborted,
      ranOn,
    };
  });
}

/** The validation loss after the last epoch; infinite where none was finished, or the loss is no number. */
function lossOf(history: readonly EpochEvent[]): number {
  const loss = history.at(-1)?.validation?.loss ?? Number.NaN;
  return Number.isNaN(loss) ? Number.POSITIVE_INFINITY : loss;
}
