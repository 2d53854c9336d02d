/** Layers: constructors with options that give functions from value to value. Input channels are inferred. */
import { StriateError } from "../errors.ts";
import type { Value } from "../graph/value.ts";
import { mul, relu as reluOf, sigmoid as sigmoidOf, tanh as tanhOf } from "../ops/core/elementwise.ts";
import { flatten as flattenOf } from "../ops/core/shape.ts";
import { dropoutOf } from "../ops/dropout.ts";
import { linearTransform } from "../ops/matmul.ts";
import { softmax as softmaxOf } from "../ops/softmax.ts";
import { fill, heNormal, type Initialiser } from "./initialisers.ts";
import { channelsOf, wholeNumber } from "./options.ts";
import type { Layer } from "./scope.ts";

/** Layers one after the other, named by their keys. */
export const sequential =
  (layers: Readonly<Record<string, Layer>>): Layer =>
  (x, scope) =>
    Object.entries(layers).reduce((value, [name, layer]) => scope.apply(name, layer, value), x);

export interface LinearOptions {
  /** Outputs. */
  readonly features: number;
  readonly bias?: boolean;
  /** First values of the weights [features, in]; He's by default. */
  readonly initialiser?: Initialiser;
}

/** A fully connected layer: [batch, in] to [batch, features], x W^T + b. Chapter, equation 1.17. */
export function linear({ features, bias = true, initialiser = heNormal }: LinearOptions): Layer {
  wholeNumber("linear", "features", features);
  return (x, scope) => {
    const weight = scope.parameter("weight", [features, channelsOf("linear", x, 2)], initialiser);
    return linearTransform(x, weight, bias ? scope.parameter("bias", [features], fill(0)) : undefined);
  };
}

/** [batch, ...] to [batch, features]. */
export const flatten = (): Layer => (x) => flattenOf(x);

const pointwise = (f: (x: Value) => Value) => (): Layer => (x) => f(x);

/** max(x, 0). */
export const relu = pointwise(reluOf);
export const tanh = pointwise(tanhOf);
export const sigmoid = pointwise(sigmoidOf);

/**
 * In training zeroes each element with probability `ratio` and scales the others by 1 / (1 - ratio); otherwise nothing.
 * Srivastava et al., "Dropout", JMLR 2014.
 */
export const dropout =
  ({ ratio = 0.5 }: { readonly ratio?: number } = {}): Layer =>
  (x) =>
    dropoutOf(x, ratio);

/** Logits multiplied by a constant: the tau of a softmax with temperature (chapter, equation 1.18, without its minus). */
export const temperature = ({ tau }: { readonly tau: number }): Layer => {
  if (!(Number.isFinite(tau) && tau !== 0))
    throw new StriateError({ subject: "temperature", found: `tau ${tau}`, expected: "a number other than 0" });
  return (x) => mul(x, tau);
};

export interface SoftmaxOptions {
  /** The last by default; 1 for the classes of maps [batch, classes, height, width]. */
  readonly axis?: number;
  /** What logits are multiplied by: above 1 for probabilities nearer to 0 and 1, below for more equal ones. */
  readonly tau?: number;
}

/**
 * Probabilities along an axis, e^(tau z) / sum e^(tau z): chapter, equation 1.18, without its minus.
 *
 * @example
 * import { softmax } from "striate";
 *
 * const perPixel = softmax({ axis: 1, tau: 0.5 });
 */
export function softmax({ axis = -1, tau = 1 }: SoftmaxOptions = {}): Layer {
  const scale = temperature({ tau });
  return (x, scope) => softmaxOf(tau === 1 ? x : scale(x, scope), axis);
}
