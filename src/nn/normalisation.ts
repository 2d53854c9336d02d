/** Normalisation layers. Parameters are named as PyTorch's: weight, bias, running_mean, running_var. */
import { StriateError } from "../errors.ts";
import { apply } from "../graph/op.ts";
import { constant, type Value } from "../graph/value.ts";
import { BatchNormalization } from "../ops/batch-normalisation.ts";
import { transpose } from "../ops/core/shape.ts";
import {
  localNormalizations,
  localResponseNormalization,
  spatialResponseNormalization,
} from "../ops/local-normalisation.ts";
import { groupNormalization, instanceNormalization, layerNormalization } from "../ops/normalisation.ts";
import { formatShape, type Shape } from "../tensor/shape.ts";
import { full } from "../tensor/tensor.ts";
import { fill } from "./initialisers.ts";
import { type Each, each, positive, wholeNumber } from "./options.ts";
import type { Layer, Scope } from "./scope.ts";

export interface NormalisationOptions {
  /** Added to the variance before its root; 1e-5 by default. */
  readonly epsilon?: number;
  /** Learn a weight and a bias for what is normalised. */
  readonly affine?: boolean;
}

function channelsOf(subject: string, x: Value, leastRank: number): number {
  const channels = x.shape[1];
  if (x.shape.length < leastRank || typeof channels !== "number")
    throw new StriateError({
      subject,
      found: `an input of ${formatShape(x.shape)}`,
      expected: leastRank > 2 ? "[batch, channels, size, ...]" : "[batch, channels, ...]",
    });
  return channels;
}

/** The parameters weight (ones) and bias (zeros), or constants in their place. */
function affineOf(scope: Scope, shape: Shape, affine: boolean): readonly [Value, Value] {
  if (!affine) return [constant(full(shape, 1)), constant(full(shape, 0))];
  return [scope.parameter("weight", shape, fill(1)), scope.parameter("bias", shape, fill(0))];
}

export interface BatchNormOptions extends NormalisationOptions {
  /** The batch's share in the running statistics; 0.1 by default. */
  readonly momentum?: number;
}

/**
 * Batch normalisation of [batch, channels, ...], with any number of spatial axes:
 * weight (x - mean) / sqrt(variance + epsilon) + bias for each channel. In training by the batch's mean and (biased)
 * variance, which join the running ones with the share `momentum` (the variance unbiased); in evaluation by those.
 * S. Ioffe and C. Szegedy, "Batch normalization", ICML 2015.
 * @throws StriateError in training when a channel has only one number
 *
 * @example
 * import { batchNorm, conv2d, Model, relu, sequential } from "striate";
 *
 * const block = sequential({
 *   conv: conv2d({ channels: 4, kernel: 3, bias: false }),
 *   bn: batchNorm(),
 *   relu: relu(),
 * });
 * const model = Model.build(block, { name: "block", input: [1, 8, 8] });
 * console.assert(model.variables.get("bn.running_var")?.toArray().join() === "1,1,1,1");
 */
export function batchNorm({ epsilon = 1e-5, momentum = 0.1, affine = true }: BatchNormOptions = {}): Layer {
  positive("batchNorm", "epsilon", epsilon);
  if (!(momentum >= 0 && momentum <= 1))
    throw new StriateError({ subject: "batchNorm", found: `momentum ${momentum}`, expected: "between 0 and 1" });
  return (x, scope) => {
    const channels = channelsOf("batchNorm", x, 2);
    const [weight, bias] = affineOf(scope, [channels], affine);
    const mean = scope.state("running_mean", [channels], fill(0));
    const variance = scope.state("running_var", [channels], fill(1));
    return apply(BatchNormalization, [x, weight, bias, mean, variance], { epsilon, momentum: 1 - momentum })[0]!;
  };
}

/**
 * Normalises each map of each sample of [batch, channels, size, ...]; without weight and bias unless `affine`.
 * D. Ulyanov et al., "Instance normalization", 2016.
 */
export function instanceNorm({ epsilon = 1e-5, affine = false }: NormalisationOptions = {}): Layer {
  positive("instanceNorm", "epsilon", epsilon);
  return (x, scope) => {
    const channels = channelsOf("instanceNorm", x, 3);
    return instanceNormalization(x, ...affineOf(scope, [channels], affine), epsilon);
  };
}

export interface GroupNormOptions extends NormalisationOptions {
  /** How many groups of neighbouring channels there are; a divisor of the channels. */
  readonly groups: number;
}

/**
 * Normalises each of `groups` groups of a sample's channels: [batch, channels, ...].
 * Y. Wu and K. He, "Group normalization", ECCV 2018.
 */
export function groupNorm({ groups, epsilon = 1e-5, affine = true }: GroupNormOptions): Layer {
  wholeNumber("groupNorm", "groups", groups);
  positive("groupNorm", "epsilon", epsilon);
  return (x, scope) => {
    const channels = channelsOf("groupNorm", x, 2);
    if (channels % groups !== 0)
      throw new StriateError({
        subject: "groupNorm",
        found: `${channels} channels in ${groups} groups`,
        expected: "whole groups",
      });
    return groupNormalization(x, ...affineOf(scope, [channels], affine), groups, epsilon);
  };
}

export interface LayerNormOptions extends NormalisationOptions {
  /** How many of the last axes are normalised together (1 by default), or "channels": each place over its channels. */
  readonly over?: number | "channels";
}

/**
 * Normalises over the last axes, or at each place of [batch, channels, height, width] over the channels.
 * J. L. Ba et al., "Layer normalization", 2016; for maps Z. Liu et al., "A ConvNet for the 2020s", CVPR 2022.
 */
export function layerNorm({ over = 1, epsilon = 1e-5, affine = true }: LayerNormOptions = {}): Layer {
  if (over !== "channels") wholeNumber("layerNorm", "over", over);
  positive("layerNorm", "epsilon", epsilon);
  const normalise = (x: Value, scope: Scope, axes: number): Value => {
    const shape = x.shape.slice(-axes);
    if (shape.length < axes || shape.some((length) => typeof length !== "number"))
      throw new StriateError({
        subject: "layerNorm",
        found: `an input of ${formatShape(x.shape)}`,
        expected: `numbers as its last ${axes === 1 ? "axis" : `${axes} axes`}, to have weights`,
      });
    const [weight, bias] = affineOf(scope, shape as Shape, affine);
    return layerNormalization(x, weight, bias, -axes, epsilon);
  };
  return (x, scope) => {
    if (over !== "channels") return normalise(x, scope, over);
    channelsOf("layerNorm", x, 2);
    const spatial = x.shape.slice(2).map((_, axis) => axis + 2);
    const last = normalise(transpose(x, [0, ...spatial, 1]), scope, 1);
    return transpose(last, [0, x.shape.length - 1, ...spatial.map((axis) => axis - 1)]);
  };
}

export interface LocalResponseNormOptions {
  /** How many neighbouring channels share a response, or elements along each spatial axis; 5 by default. */
  readonly size?: number;
  /** The neighbours: in other channels at the same place (the default), or in the same channel. */
  readonly over?: "channels" | "space";
  readonly alpha?: number;
  readonly beta?: number;
  readonly k?: number;
}

/**
 * x / (k + alpha / n * the sum of squares over n neighbours)^beta: `size` neighbouring channels (chapter, equation 1.13), or
 * the places of a window of `size` along every spatial axis, within the channel; the odd one of an even size stands before.
 * A. Krizhevsky et al., "ImageNet classification with deep convolutional neural networks", NeurIPS 2012 (there with
 * alpha for alpha / n).
 *
 * @example
 * import { localResponseNorm } from "striate";
 *
 * const alexnets = localResponseNorm({ size: 5, alpha: 5e-4, beta: 0.75, k: 2 });
 * const within = localResponseNorm({ size: 3, over: "space" });
 */
export function localResponseNorm(options: LocalResponseNormOptions = {}): Layer {
  const { size = 5, over = "channels", alpha = 1e-4, beta = 0.75, k = 1 } = options;
  const subject = "localResponseNorm";
  wholeNumber(subject, "size", size);
  positive(subject, "k", k);
  return (x) => {
    channelsOf(subject, x, over === "space" ? 3 : 2);
    if (over === "channels") return localResponseNormalization(x, { size, alpha, beta, bias: k });
    return spatialResponseNormalization(x, { space: x.shape.slice(2).map(() => size), alpha, beta, bias: k });
  };
}

export interface LocalNormOptions {
  /** "l1": x / (e + sum |x|); "l2": x / sqrt(e + sum x^2); "standard": (x - mean) / sqrt(e + variance), which is biased. */
  readonly by: keyof typeof localNormalizations;
  /** How long the neighbourhood is along the spatial axes; 1 by default. */
  readonly space?: Each | "all";
  /** How many neighbouring channels it has; 1 by default: the element's own. */
  readonly channels?: number | "all";
  /** The e above; 1e-5 by default. */
  readonly epsilon?: number;
}

/**
 * Normalises each element of [batch, channels, ...size] by what is in its neighbourhood: a window of space in its own
 * channel, a column of channels at its own place, or both; the odd one of an even length stands before it, and nothing is
 * beyond borders. Chapter, section 1.2.3; K. Jarrett et al., "What is the best multi-stage architecture for object
 * recognition?", ICCV 2009 (by standardisation).
 * @throws StriateError for a neighbourhood of nothing but the element
 *
 * @example
 * import { localNorm } from "striate";
 *
 * const contrast = localNorm({ by: "standard", space: 9, channels: "all" });
 * const column = localNorm({ by: "l2", channels: 5 });
 */
export function localNorm({ by, space = 1, channels = 1, epsilon = 1e-5 }: LocalNormOptions): Layer {
  const subject = "localNorm";
  positive(subject, "epsilon", epsilon);
  if (channels !== "all") wholeNumber(subject, "channels", channels);
  return (x) => {
    channelsOf(subject, x, space === 1 ? 2 : 3);
    const lengths = space === "all" ? space : each(subject, "space", space, x.shape.length - 2);
    if (channels === 1 && lengths !== "all" && lengths.every((length) => length === 1))
      throw new StriateError({
        subject,
        found: "a neighbourhood of one element",
        expected: "`space` or `channels` above 1",
      });
    return localNormalizations[by](x, { channels, space: lengths }, epsilon);
  };
}
