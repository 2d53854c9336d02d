/** Ways to join layers: gates, branches and concatenations, and the dropping of whole maps and paths. */
import { StriateError } from "../errors.ts";
import type { Value } from "../graph/value.ts";
import { concat } from "../ops/core/arrange.ts";
import { add, mul, sigmoid as sigmoidOf, sub } from "../ops/core/elementwise.ts";
import { reshape, reshapeLike, transpose } from "../ops/core/shape.ts";
import { sliceDropoutOf } from "../ops/dropout.ts";
import { globalAveragePool } from "../ops/pool.ts";
import { formatShape } from "../tensor/shape.ts";
import { conv2d } from "./convolution.ts";
import { relu, sigmoid } from "./layers.ts";
import { channelsOf, wholeNumber } from "./options.ts";
import type { Layer } from "./scope.ts";

/**
 * In training zeroes whole maps of [batch, channels, ...] with probability `ratio` and scales the others by
 * 1 / (1 - ratio); otherwise nothing. J. Tompson et al., "Efficient object localization", CVPR 2015.
 */
export const spatialDropout =
  ({ ratio = 0.5 }: { readonly ratio?: number } = {}): Layer =>
  (x) =>
    sliceDropoutOf("spatialDropout", x, ratio, 2);

/**
 * In training zeroes whole samples with probability `ratio` and scales the others by 1 / (1 - ratio): at the end of a
 * residual's body it skips that body. G. Huang et al., "Deep networks with stochastic depth", ECCV 2016.
 *
 * @example
 * import { conv2d, relu, residual, sequential, stochasticDepth } from "striate";
 *
 * const conv = conv2d({ channels: 8, kernel: 3, padding: "same" });
 * const block = residual({ body: sequential({ conv, relu: relu(), drop: stochasticDepth({ ratio: 0.2 }) }) });
 */
export const stochasticDepth =
  ({ ratio }: { readonly ratio: number }): Layer =>
  (x) =>
    sliceDropoutOf("stochasticDepth", x, ratio, 1);

/**
 * t body(x) + (1 - t) x with t = sigmoid(gate(x)): layers that learn how much of their input to carry on.
 * R. Srivastava et al., "Highway networks", 2015.
 */
export const highway =
  ({ body, gate }: { readonly body: Layer; readonly gate: Layer }): Layer =>
  (x, scope) => {
    const share = sigmoidOf(scope.apply("gate", gate, x));
    return add(mul(share, scope.apply("body", body, x)), mul(sub(1, share), x));
  };

export interface SqueezeExcitationOptions {
  /** Channels between the two layers that make the gates. */
  readonly squeeze: number;
  /** Between the two layers; ReLU by default. */
  readonly activation?: Layer;
  /** From the second layer to gates; the sigmoid by default. */
  readonly gate?: Layer;
}

/**
 * Each map of [batch, channels, height, width] times a gate, computed from the means of all maps by two layers, fc1 and
 * fc2. J. Hu et al., "Squeeze-and-excitation networks", CVPR 2018.
 *
 * @example
 * import { conv2d, sequential, squeezeExcitation } from "striate";
 *
 * const block = sequential({ conv: conv2d({ channels: 16, kernel: 3 }), se: squeezeExcitation({ squeeze: 4 }) });
 */
export function squeezeExcitation(options: SqueezeExcitationOptions): Layer {
  const { activation = relu(), gate = sigmoid() } = options;
  const squeeze = wholeNumber("squeezeExcitation", "squeeze", options.squeeze);
  return (x, scope) => {
    const channels = channelsOf("squeezeExcitation", x, 4);
    const squeezed = scope.apply("fc1", conv2d({ channels: squeeze, kernel: 1 }), globalAveragePool(x));
    const excited = scope.apply(
      "fc2",
      conv2d({ channels, kernel: 1 }),
      scope.apply("activation", activation, squeezed),
    );
    return mul(x, scope.apply("scale_activation", gate, excited));
  };
}

/** The input and body(x) one after the other along the channels. G. Huang et al., "Densely connected ...", CVPR 2017. */
export const denseConnection =
  ({ body }: { readonly body: Layer }): Layer =>
  (x, scope) =>
    concat([x, body(x, scope)], 1);

/**
 * Layers side by side on one input, named by their keys, their outputs one after the other along the channels.
 * C. Szegedy et al., "Going deeper with convolutions", CVPR 2015.
 *
 * @example
 * import { branches, conv2d } from "striate";
 *
 * const inception = branches({
 *   narrow: conv2d({ channels: 4, kernel: 1 }),
 *   wide: conv2d({ channels: 4, kernel: 3, padding: "same" }),
 * });
 */
export function branches(layers: Readonly<Record<string, Layer>>): Layer {
  if (Object.keys(layers).length === 0)
    throw new StriateError({ subject: "branches", found: "no layers", expected: "at least one" });
  return (x, scope) =>
    concat(
      Object.entries(layers).map(([name, layer]): Value => scope.apply(name, layer, x)),
      1,
    );
}

/**
 * Channel c of g groups goes to place (c mod n) g + floor(c / n), n being the channels of a group: grouped convolutions
 * after it see all groups. X. Zhang et al., "ShuffleNet", CVPR 2018.
 */
export function channelShuffle({ groups }: { readonly groups: number }): Layer {
  wholeNumber("channelShuffle", "groups", groups);
  return (x) => {
    const channels = x.shape[1];
    if (typeof channels !== "number" || channels % groups !== 0)
      throw new StriateError({
        subject: "channelShuffle",
        found: `an input of ${formatShape(x.shape)} in ${groups} groups`,
        expected: "whole groups of channels",
      });
    const split = reshape(x, [0, groups, channels / groups, -1]);
    return reshapeLike(transpose(split, [0, 2, 1, 3]), x);
  };
}
