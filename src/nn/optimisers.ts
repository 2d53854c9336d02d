/** Optimisers: how a parameter changes, given its gradient, as more graph. */
import { StriateError } from "../errors.ts";
import type { Value } from "../graph/value.ts";
import { add, div, mul, pow, sqrt, sub } from "../ops/core/elementwise.ts";

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
  /** The parameter's next value. */
  update(parameter: Value, gradient: Value, context: UpdateContext): Value;
}

function inUnitInterval(subject: string, name: string, value: number): number {
  if (!(value >= 0 && value < 1))
    throw new StriateError({ subject, found: `${name} ${value}`, expected: "at least 0 and below 1" });
  return value;
}

function notNegative(subject: string, name: string, value: number): number {
  if (!(value >= 0 && Number.isFinite(value)))
    throw new StriateError({ subject, found: `${name} ${value}`, expected: "a number of at least 0" });
  return value;
}

export interface SgdOptions {
  readonly momentum?: number;
  readonly nesterov?: boolean;
  /** Adds this times the parameter to its gradient. */
  readonly weightDecay?: number;
}

/**
 * Stochastic gradient descent: v' = momentum v + g, w' = w - rate v' (with Nesterov: w - rate (g + momentum v')), where g
 * includes weight decay times w.
 */
export function sgd({ momentum = 0, nesterov = false, weightDecay = 0 }: SgdOptions = {}): Optimiser {
  inUnitInterval("sgd", "momentum", momentum);
  notNegative("sgd", "weightDecay", weightDecay);
  return {
    name: "sgd",
    learningRate: 0.05,
    update: (parameter, gradient, { learningRate, moment }) => {
      const decayed = weightDecay === 0 ? gradient : add(gradient, mul(parameter, weightDecay));
      if (momentum === 0) return sub(parameter, mul(decayed, learningRate));
      const velocity = moment("velocity", (previous) => add(mul(previous, momentum), decayed));
      const direction = nesterov ? add(decayed, mul(velocity, momentum)) : velocity;
      return sub(parameter, mul(direction, learningRate));
    },
  };
}

export interface AdamOptions {
  readonly beta1?: number;
  readonly beta2?: number;
  readonly epsilon?: number;
  /** Adds this times the parameter to its gradient. */
  readonly weightDecay?: number;
}

/**
 * Adam: m' = b1 m + (1 - b1) g, v' = b2 v + (1 - b2) g^2,
 * w' = w - rate (m' / (1 - b1^t)) / (sqrt(v' / (1 - b2^t)) + epsilon).
 * D. Kingma and J. Ba, "Adam: a method for stochastic optimization", ICLR 2015.
 */
export function adam(options: AdamOptions = {}): Optimiser {
  const { beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weightDecay = 0 } = options;
  inUnitInterval("adam", "beta1", beta1);
  inUnitInterval("adam", "beta2", beta2);
  notNegative("adam", "epsilon", epsilon);
  notNegative("adam", "weightDecay", weightDecay);
  return {
    name: "adam",
    learningRate: 0.001,
    update: (parameter, gradient, { learningRate, step, moment }) => {
      const decayed = weightDecay === 0 ? gradient : add(gradient, mul(parameter, weightDecay));
      const first = moment("first", (previous) => add(mul(previous, beta1), mul(decayed, 1 - beta1)));
      const second = moment("second", (previous) => add(mul(previous, beta2), mul(mul(decayed, decayed), 1 - beta2)));
      const rate = div(learningRate, sub(1, pow(beta1, step)));
      const spread = add(sqrt(div(second, sub(1, pow(beta2, step)))), epsilon);
      return sub(parameter, mul(div(first, spread), rate));
    },
  };
}
