/** Activations as layers: functions of each element, whatever the shape, and softmax along an axis. */
import { StriateError } from "../errors.ts";
import type { Value } from "../graph/value.ts";
import * as activation from "../ops/activation.ts";
import * as elementwise from "../ops/core/elementwise.ts";
import { unsqueeze } from "../ops/core/shape.ts";
import { softmax as softmaxOf } from "../ops/softmax.ts";
import { fill } from "./initialisers.ts";
import { finite, positive } from "./options.ts";
import type { Layer } from "./scope.ts";

const pointwise = (f: (x: Value) => Value) => (): Layer => (x) => f(x);

/** max(x, 0). */
export const relu = pointwise(elementwise.relu);
/** (e^x - e^-x) / (e^x + e^-x). */
export const tanh = pointwise(elementwise.tanh);
/** 1 / (1 + e^-x). */
export const sigmoid = pointwise(elementwise.sigmoid);

/** x where it is positive, else slope x. A. Maas et al., ICML 2013. */
export function leakyRelu({ slope = 0.01 }: { readonly slope?: number } = {}): Layer {
  finite("leakyRelu", "slope", slope);
  return (x) => activation.leakyRelu(x, slope);
}

export interface PreluOptions {
  /** One slope for each channel, or one for all (the default). */
  readonly perChannel?: boolean;
  /** The slopes' first value. */
  readonly initial?: number;
}

/**
 * x where it is positive, else a x with learnt slopes a, the parameter `weight` [1] or [channels].
 * K. He et al., "Delving deep into rectifiers", ICCV 2015.
 *
 * @example
 * import { conv2d, prelu, sequential } from "striate";
 *
 * const block = sequential({ conv: conv2d({ channels: 8, kernel: 3 }), act: prelu({ perChannel: true }) });
 */
export function prelu({ perChannel = false, initial = 0.25 }: PreluOptions = {}): Layer {
  finite("prelu", "initial", initial);
  return (x, scope) => {
    const channels = perChannel ? x.shape[1] : 1;
    if (typeof channels !== "number")
      throw new StriateError({
        subject: "prelu",
        found: `${channels ?? "no"} channels`,
        expected: "a number of them, to have a slope each",
        mend: "Leave `perChannel` out for one slope",
      });
    const slope = scope.parameter("weight", [channels], fill(initial));
    const axes = perChannel ? x.shape.slice(2).map((_, axis) => axis + 1) : [];
    return activation.prelu(x, unsqueeze(slope, axes));
  };
}

/** x where it is positive, else alpha (e^x - 1). D.-A. Clevert et al., ICLR 2016. */
export function elu({ alpha = 1 }: { readonly alpha?: number } = {}): Layer {
  finite("elu", "alpha", alpha);
  return (x) => activation.elu(x, alpha);
}

/** ELU scaled so that activations keep mean 0 and variance 1. G. Klambauer et al., NeurIPS 2017. */
export const selu = pointwise(activation.selu);

/** ELU with a continuous derivative for every alpha. J. T. Barron, 2017. */
export function celu({ alpha = 1 }: { readonly alpha?: number } = {}): Layer {
  positive("celu", "alpha", alpha);
  return (x) => activation.celu(x, alpha);
}

/** x times the probability that a standard normal number is below it, or its approximation by tanh. */
export const gelu =
  ({ approximate = "none" }: { readonly approximate?: "none" | "tanh" } = {}): Layer =>
  (x) =>
    activation.gelu(x, approximate);

/** x sigmoid(x), also called swish. S. Elfwing et al., 2017. */
export const silu = pointwise((x) => elementwise.mul(x, elementwise.sigmoid(x)));

/** x min(max(x / 6 + 1/2, 0), 1). A. Howard et al., "Searching for MobileNetV3", ICCV 2019. */
export const hardSwish = pointwise(activation.hardSwish);

/** min(max(x / 6 + 1/2, 0), 1). */
export const hardSigmoid = pointwise((x) => elementwise.hardSigmoid(x, { alpha: 1 / 6, beta: 0.5 }));

/** log(1 + e^(beta x)) / beta: a smooth ReLU. */
export function softplus({ beta = 1 }: { readonly beta?: number } = {}): Layer {
  positive("softplus", "beta", beta);
  return (x) =>
    beta === 1 ? activation.softplus(x) : elementwise.div(activation.softplus(elementwise.mul(x, beta)), beta);
}

/** x / (1 + |x|). */
export const softsign = pointwise(activation.softsign);

/** x tanh(log(1 + e^x)). D. Misra, BMVC 2020. */
export const mish = pointwise(activation.mish);

/** min(max(x, 0), 6). A. Krizhevsky, 2010. */
export const relu6 = pointwise((x) => activation.clip(x, 0, 6));

/** Logits multiplied by a constant: the tau of a softmax with temperature (chapter, equation 1.18, without its minus). */
export const temperature = ({ tau }: { readonly tau: number }): Layer => {
  if (!(Number.isFinite(tau) && tau !== 0))
    throw new StriateError({ subject: "temperature", found: `tau ${tau}`, expected: "a number other than 0" });
  return (x) => elementwise.mul(x, tau);
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
