/** Schedules: the learning rate at each step, as a factor of the base rate. */
import { StriateError } from "../errors.ts";
import { notNegative, positive, wholeNumber } from "./options.ts";

/**
 * The factor at step `step` (from 0) of `steps`, after epochs of these losses: those measured on the validation's images,
 * or trained on where there is no validation.
 */
export type Schedule = (step: number, steps: number, losses?: readonly number[]) => number;

/** The base rate throughout. */
export const constantRate = (): Schedule => () => 1;

/** Multiplied by `factor` at each of the given parts of training (0.5: half-way). */
export const stepDecay =
  ({ at = [0.5, 0.75], factor = 0.1 }: { readonly at?: readonly number[]; readonly factor?: number } = {}): Schedule =>
  (step, steps) =>
    factor ** at.filter((part) => step >= part * steps).length;

/** From the base rate down to `end` times it along half a cosine. Loshchilov and Hutter, ICLR 2017. */
export const cosineDecay =
  ({ end = 0 }: { readonly end?: number } = {}): Schedule =>
  (step, steps) =>
    end + (1 - end) * 0.5 * (1 + Math.cos((Math.PI * step) / Math.max(1, steps)));

/**
 * Up along half a cosine from 1 / 25 of the base rate to all of it in the first `warmUp` of training, then down to nearly
 * nothing. L. Smith and N. Topin, "Super-convergence", 2018.
 */
export const oneCycle =
  ({ warmUp = 0.3 }: { readonly warmUp?: number } = {}): Schedule =>
  (step, steps) => {
    const peak = warmUp * steps;
    const between = (from: number, to: number, part: number) => to + ((from - to) * (1 + Math.cos(Math.PI * part))) / 2;
    return step < peak ? between(1 / 25, 1, step / peak) : between(1, 1e-4, (step - peak) / Math.max(1, steps - peak));
  };

/**
 * Up in a straight line from 0 to the base rate in the first `warmUp` of training, then down to 0 along half a cosine; never
 * below `floor` times the base rate.
 */
export const warmCosine =
  ({ warmUp = 0.1, floor = 1e-3 }: { readonly warmUp?: number; readonly floor?: number } = {}): Schedule =>
  (step, steps) => {
    const part = step / Math.max(1, steps);
    const factor = part < warmUp ? part / warmUp : 0.5 * (1 + Math.cos((Math.PI * (part - warmUp)) / (1 - warmUp)));
    return Math.max(floor, factor);
  };

export interface PlateauOptions {
  /** The epochs without improvement after which the rate changes, 3 by default. */
  readonly patience?: number;
  /** Of the rate before, 0.1 by default. */
  readonly factor?: number;
  /** The part of the best loss by which one must be below it to be an improvement; 1e-4 by default. */
  readonly threshold?: number;
}

/**
 * Multiplied by `factor` each time that the loss has not improved for `patience` epochs, which are then counted anew.
 * A. Krizhevsky et al., "ImageNet classification with deep convolutional neural networks", NeurIPS 2012.
 *
 * @example
 * import { fit, linesData, linesNetwork, plateauDecay } from "striate";
 *
 * const data = linesData({ seed: 1, split: "train", count: 32 });
 * await fit(linesNetwork(), data, { epochs: 2, schedule: plateauDecay({ patience: 1 }), seed: 1 }).result;
 */
export function plateauDecay({ patience = 3, factor = 0.1, threshold = 1e-4 }: PlateauOptions = {}): Schedule {
  wholeNumber("plateauDecay", "patience", patience);
  positive("plateauDecay", "factor", factor);
  notNegative("plateauDecay", "threshold", threshold);
  return (_step, _steps, losses = []) => {
    let best: number | undefined;
    let [waited, plateaus] = [0, 0];
    for (const loss of losses) {
      const isBetter = best === undefined || loss < best - threshold * Math.abs(best);
      if (isBetter) best = loss;
      waited = isBetter ? 0 : waited + 1;
      if (waited < patience) continue;
      plateaus++;
      waited = 0;
    }
    return factor ** plateaus;
  };
}

const schedules = {
  constant: constantRate,
  step: stepDecay,
  plateau: plateauDecay,
  cosine: cosineDecay,
  "warm-cosine": warmCosine,
  "one-cycle": oneCycle,
};

export type ScheduleName = keyof typeof schedules;
export const scheduleNames = Object.keys(schedules) as ScheduleName[];

/** A schedule by name, with its defaults. */
export function scheduleOf(schedule: Schedule | ScheduleName): Schedule {
  if (typeof schedule === "function") return schedule;
  if (!Object.hasOwn(schedules, schedule))
    throw new StriateError({
      subject: "schedule",
      found: `"${schedule}"`,
      expected: `one of ${scheduleNames.join(", ")}`,
    });
  return schedules[schedule]();
}
