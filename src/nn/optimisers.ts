/** Optimisers: how a parameter changes, given its gradient, as more graph. */
import { StriateError } from "../errors.ts";
import type { Value } from "../graph/value.ts";
import { clip } from "../ops/activation.ts";
import { add, div, less, mul, pow, relu, sqrt, sub, where } from "../ops/core/elementwise.ts";
import { reduceSum } from "../ops/core/reduce.ts";
import { notNegative, positive } from "./options.ts";

/** What an update rule can use. */
export interface UpdateContext {
  /** An input of the graph, so that it can change from step to step. */
  readonly learningRate: Value;
  /** The number of this step, from 1. */
  readonly step: Value;
  /** A tensor of the parameter's shape that is kept from step to step, 0 at first, and its next value. */
  moment(name: string, next: (previous: Value) => Value): Value;
}

export interface Optimiser {
  readonly name: string;
  /** The learning rate that suits it when none is given. */
  readonly learningRate: number;
  /** The gradients of all parameters as the updates are to see them. */
  prepare?(gradients: readonly Value[]): readonly Value[];
  /** The parameter's next value. */
  update(parameter: Value, gradient: Value, context: UpdateContext): Value;
}

function inUnitInterval(subject: string, name: string, value: number): number {
  if (!(value >= 0 && value < 1))
    throw new StriateError({ subject, found: `${name} ${value}`, expected: "at least 0 and below 1" });
  return value;
}

export interface WeightDecayOptions {
  /** Adds this times the parameter to its gradient: 0 by default. */
  readonly weightDecay?: number;
  /** Whether a parameter of this name decays; by default all do. Biases and normalisation's weights often should not. */
  readonly decays?: (parameter: string) => boolean;
}

/** The weight decay of a parameter. */
const decayOf = (parameter: Value, { weightDecay = 0, decays }: WeightDecayOptions): number =>
  decays && parameter.source.kind === "parameter" && !decays(parameter.source.name) ? 0 : weightDecay;

/** The gradient with the parameter's decay added. */
function withDecay(parameter: Value, gradient: Value, options: WeightDecayOptions): Value {
  const decay = decayOf(parameter, options);
  return decay === 0 ? gradient : add(gradient, mul(parameter, decay));
}

/** The parameter shrunk by its decay apart from its gradient: w (1 - rate decay). */
function shrunk(parameter: Value, learningRate: Value, options: WeightDecayOptions): Value {
  const decay = decayOf(parameter, options);
  return decay === 0 ? parameter : mul(parameter, sub(1, mul(learningRate, decay)));
}

export interface SgdOptions extends WeightDecayOptions {
  readonly momentum?: number;
  readonly nesterov?: boolean;
  /** Shrink parameters by the decay apart from their gradients, so that momentum does not see it. */
  readonly decoupled?: boolean;
}

/**
 * Stochastic gradient descent: v' = momentum v + g, w' = w - rate v' (with Nesterov: w - rate (g + momentum v')), where g
 * includes weight decay times w, unless it is decoupled: then w (1 - rate decay) takes the place of w.
 */
export function sgd(options: SgdOptions = {}): Optimiser {
  const { momentum = 0, nesterov = false, weightDecay = 0, decoupled = false } = options;
  inUnitInterval("sgd", "momentum", momentum);
  notNegative("sgd", "weightDecay", weightDecay);
  return {
    name: "sgd",
    learningRate: 0.05,
    update: (parameter, gradient, { learningRate, moment }) => {
      const decayed = decoupled ? gradient : withDecay(parameter, gradient, options);
      const start = decoupled ? shrunk(parameter, learningRate, options) : parameter;
      if (momentum === 0) return sub(start, mul(decayed, learningRate));
      const velocity = moment("velocity", (previous) => add(mul(previous, momentum), decayed));
      const direction = nesterov ? add(decayed, mul(velocity, momentum)) : velocity;
      return sub(start, mul(direction, learningRate));
    },
  };
}

export interface AdamOptions extends WeightDecayOptions {
  readonly beta1?: number;
  readonly beta2?: number;
  readonly epsilon?: number;
}

/** Adam's step from `start`: rate (m' / (1 - b1^t)) / (sqrt(v' / (1 - b2^t)) + epsilon). */
function adamStep(
  start: Value,
  gradient: Value,
  { learningRate, step, moment }: UpdateContext,
  { beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8 }: AdamOptions,
): Value {
  const first = moment("first", (previous) => add(mul(previous, beta1), mul(gradient, 1 - beta1)));
  const second = moment("second", (previous) => add(mul(previous, beta2), mul(mul(gradient, gradient), 1 - beta2)));
  const rate = div(learningRate, sub(1, pow(beta1, step)));
  const spread = add(sqrt(div(second, sub(1, pow(beta2, step)))), epsilon);
  return sub(start, mul(div(first, spread), rate));
}

function checkAdam(subject: string, { beta1 = 0, beta2 = 0, epsilon = 0, weightDecay = 0 }: AdamOptions): void {
  inUnitInterval(subject, "beta1", beta1);
  inUnitInterval(subject, "beta2", beta2);
  notNegative(subject, "epsilon", epsilon);
  notNegative(subject, "weightDecay", weightDecay);
}

/**
 * Adam: m' = b1 m + (1 - b1) g, v' = b2 v + (1 - b2) g^2,
 * w' = w - rate (m' / (1 - b1^t)) / (sqrt(v' / (1 - b2^t)) + epsilon).
 * D. Kingma and J. Ba, "Adam: a method for stochastic optimization", ICLR 2015.
 */
export function adam(options: AdamOptions = {}): Optimiser {
  checkAdam("adam", options);
  return {
    name: "adam",
    learningRate: 0.001,
    update: (parameter, gradient, context) =>
      adamStep(parameter, withDecay(parameter, gradient, options), context, options),
  };
}

/**
 * Adam with decoupled weight decay (0.01 by default): w (1 - rate decay) takes the place of w in Adam's step.
 * I. Loshchilov and F. Hutter, "Decoupled weight decay regularization", ICLR 2019.
 *
 * @example
 * import { adamW, fit, linesData, linesNetwork } from "striate";
 *
 * const optimiser = adamW({ weightDecay: 0.05, decays: (name) => name.endsWith("weight") });
 * const data = linesData({ seed: 1, split: "train", count: 32 });
 * await fit(linesNetwork(), data, { epochs: 1, optimiser, seed: 1 }).result;
 */
export function adamW(options: AdamOptions = {}): Optimiser {
  const all = { ...options, weightDecay: options.weightDecay ?? 0.01 };
  checkAdam("adamW", all);
  return {
    name: "adamW",
    learningRate: 0.001,
    update: (parameter, gradient, context) =>
      adamStep(shrunk(parameter, context.learningRate, all), gradient, context, all),
  };
}

export interface RmsPropOptions extends WeightDecayOptions {
  /** How much of the mean square is kept at each step; 0.99 by default. */
  readonly smoothing?: number;
  readonly momentum?: number;
  readonly epsilon?: number;
  /** Divide by the deviation of gradients from their running mean, not by their size. */
  readonly centred?: boolean;
}

/**
 * s' = a s + (1 - a) g^2, v' = momentum v + g / (sqrt(s') + epsilon), w' = w - rate v'; centred, with s' less the square of
 * m' = a m + (1 - a) g under the root (A. Graves, "Generating sequences with recurrent neural networks", 2013).
 * T. Tieleman and G. Hinton, "Lecture 6.5: RMSprop", 2012.
 */
export function rmsProp(options: RmsPropOptions = {}): Optimiser {
  const { smoothing = 0.99, momentum = 0, epsilon = 1e-8, weightDecay = 0, centred = false } = options;
  inUnitInterval("rmsProp", "smoothing", smoothing);
  inUnitInterval("rmsProp", "momentum", momentum);
  notNegative("rmsProp", "epsilon", epsilon);
  notNegative("rmsProp", "weightDecay", weightDecay);
  return {
    name: "rmsProp",
    learningRate: 0.01,
    update: (parameter, gradient, { learningRate, moment }) => {
      const decayed = withDecay(parameter, gradient, options);
      const running = (name: string, of: Value) =>
        moment(name, (previous) => add(mul(previous, smoothing), mul(of, 1 - smoothing)));
      const square = running("square", mul(decayed, decayed));
      const mean = centred ? running("mean", decayed) : undefined;
      // Rounding can make the difference of squares negative.
      const spread = mean ? relu(sub(square, mul(mean, mean))) : square;
      const direction = div(decayed, add(sqrt(spread), epsilon));
      if (momentum === 0) return sub(parameter, mul(direction, learningRate));
      const velocity = moment("velocity", (previous) => add(mul(previous, momentum), direction));
      return sub(parameter, mul(velocity, learningRate));
    },
  };
}

export interface AdagradOptions extends WeightDecayOptions {
  readonly epsilon?: number;
  /** How fast the rate falls by itself, as 1 / (1 + this (t - 1)) at step t; 0 by default. */
  readonly rateDecay?: number;
}

/**
 * s' = s + g^2, w' = w - rate / (1 + rateDecay (t - 1)) g / (sqrt(s') + epsilon): rarely changed parameters change more.
 * J. Duchi et al., "Adaptive subgradient methods", JMLR 2011.
 */
export function adagrad(options: AdagradOptions = {}): Optimiser {
  const { epsilon = 1e-10, rateDecay = 0, weightDecay = 0 } = options;
  notNegative("adagrad", "epsilon", epsilon);
  notNegative("adagrad", "rateDecay", rateDecay);
  notNegative("adagrad", "weightDecay", weightDecay);
  return {
    name: "adagrad",
    learningRate: 0.01,
    update: (parameter, gradient, { learningRate, step, moment }) => {
      const decayed = withDecay(parameter, gradient, options);
      const sum = moment("sum", (previous) => add(previous, mul(decayed, decayed)));
      const rate = rateDecay === 0 ? learningRate : div(learningRate, add(mul(sub(step, 1), rateDecay), 1));
      return sub(parameter, mul(div(decayed, add(sqrt(sum), epsilon)), rate));
    },
  };
}

/** How gradients are kept from growing large: by their common norm, or each element by itself. */
export type ClipOptions = { readonly norm: number } | { readonly value: number };

/**
 * An optimiser that sees gradients scaled down where their norm, over all parameters together, is above `norm`:
 * g min(1, norm / (|g| + 1e-6)); or with elements above `value`, or below minus it, put there.
 * R. Pascanu et al., "On the difficulty of training recurrent neural networks", ICML 2013.
 *
 * @example
 * import { adam, clipGradients, sgd } from "striate";
 *
 * const optimiser = clipGradients(sgd({ momentum: 0.9 }), { norm: 1 });
 * const other = clipGradients(adam(), { value: 0.5 });
 */
export function clipGradients(optimiser: Optimiser, options: ClipOptions): Optimiser {
  const [name, limit] = "norm" in options ? (["norm", options.norm] as const) : (["value", options.value] as const);
  positive("clipGradients", name, limit);
  const clipped = (gradients: readonly Value[]): readonly Value[] => {
    if (name === "value") return gradients.map((gradient) => clip(gradient, -limit, limit));
    const squares = gradients.map((gradient) => reduceSum(mul(gradient, gradient)));
    const factor = div(limit, add(sqrt(squares.reduce((sum, each) => add(sum, each))), 1e-6));
    const scale = where(less(factor, 1), factor, 1);
    return gradients.map((gradient) => mul(gradient, scale));
  };
  return { ...optimiser, prepare: (given) => clipped(optimiser.prepare?.(given) ?? given) };
}
