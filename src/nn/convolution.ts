/** Convolution over one, two or three spatial axes, and its transpose. */
import { StriateError } from "../errors.ts";
import { apply } from "../graph/op.ts";
import type { Value } from "../graph/value.ts";
import { ConvTranspose, conv } from "../ops/conv.ts";
import { Slice } from "../ops/core/arrange.ts";
import { vector } from "../ops/core/shape.ts";
import { type Border, padBorders } from "../ops/spatial.ts";
import { fill, heNormal, type Initialiser } from "./initialisers.ts";
import { channelsOf, type Each, each, type Padding, paddingOf, requireExact, wholeNumber } from "./options.ts";
import type { Layer } from "./scope.ts";

export interface ConvolutionOptions {
  /** Filters: the channels of the output. */
  readonly channels: number;
  readonly kernel: Each;
  readonly stride?: Each;
  /** Distance between the kernel's taps. */
  readonly dilation?: Each;
  /** Channels are split into this many groups, convolved apart. */
  readonly groups?: number;
  /** "valid" (the default), "same", or elements before and after each axis. */
  readonly padding?: Padding;
  /** What stands in the padding: zeros (the default), the input mirrored, its last elements repeated, or its other side. */
  readonly border?: Border;
  /** Turn the kernel over along every axis: convolution (chapter, equation 1.2), as against cross-correlation. */
  readonly flip?: boolean;
  readonly bias?: boolean;
  /** Refuse a size that the stride does not divide, instead of rounding down. */
  readonly exact?: boolean;
  /** First values of the weights [filters, channels / groups, ...kernel]; He's by default. */
  readonly initialiser?: Initialiser;
}

/** @throws StriateError unless the groups divide both numbers of channels */
function requireWholeGroups(subject: string, inputs: number, channels: number, groups: number): void {
  for (const [count, name] of [
    [inputs, "input channels"],
    [channels, "channels"],
  ] as const)
    if (count % groups !== 0)
      throw new StriateError({ subject, found: `${count} ${name} in ${groups} groups`, expected: "whole groups" });
}

/** The kernel turned over along its spatial axes. */
function flipped(weight: Value): Value {
  const axes = weight.shape.slice(2).map((_, axis) => axis + 2);
  const backwards = [axes.map(() => -1), axes.map(() => -(2 ** 31)), axes, axes.map(() => -1)];
  return apply(Slice, [weight, ...backwards.map(vector)])[0]!;
}

const convolution =
  (axes: number) =>
  (options: ConvolutionOptions): Layer => {
    const subject = `conv${axes}d`;
    const channels = wholeNumber(subject, "channels", options.channels);
    const groups = wholeNumber(subject, "groups", options.groups ?? 1);
    const kernel = each(subject, "kernel", options.kernel, axes);
    const stride = each(subject, "stride", options.stride ?? 1, axes);
    const dilation = each(subject, "dilation", options.dilation ?? 1, axes);
    const pads = paddingOf(subject, options.padding ?? "valid", kernel, dilation);
    const { border = "zeros" } = options;
    requireWholeGroups(subject, 0, channels, groups);
    return (x, scope) => {
      const inputs = channelsOf(subject, x, axes + 2);
      requireWholeGroups(subject, inputs, channels, groups);
      if (options.exact) requireExact(subject, x, { kernel, stride, pads, dilation });
      const weight = scope.parameter("weight", [channels, inputs / groups, ...kernel], options.initialiser ?? heNormal);
      const bias = options.bias === false ? undefined : scope.parameter("bias", [channels], fill(0));
      const attributes = { strides: stride, dilations: dilation, group: groups };
      const filters = options.flip ? flipped(weight) : weight;
      if (border === "zeros") return conv(x, filters, bias, { ...attributes, pads });
      const around = kernel.map((_, axis) => [pads[axis]!, pads[axis + axes]!] as const);
      return conv(padBorders(x, around, border), filters, bias, attributes);
    };
  };

/**
 * A convolution layer (cross-correlation, unless flipped): [batch, in, ...size] to [batch, channels, ...size'] with
 * size' = floor((size + padding - dilation (kernel - 1) - 1) / stride) + 1 along each of one, two or three axes.
 * Chapter, section 1.1.
 * @throws StriateError for a kernel larger than the padded input, channels that the groups do not divide, and counts below 1
 *
 * @example
 * import { conv1d, conv2d, relu, sequential } from "striate";
 *
 * const block = sequential({ conv: conv2d({ channels: 16, kernel: 3, padding: "same" }), relu: relu() });
 * const ring = conv1d({ channels: 8, kernel: 5, padding: 2, border: "circular" });
 * const causal = conv1d({ channels: 8, kernel: 3, dilation: 2, padding: [[4, 0]] });
 */
export const conv2d = convolution(2);
export const conv1d = convolution(1);
export const conv3d = convolution(3);

export interface TransposedOptions extends Omit<ConvolutionOptions, "padding" | "border" | "exact"> {
  /** Elements taken away at the ends of each axis: those that padding adds in the convolution this transposes. */
  readonly padding?: Padding;
  /** Elements more at the end of each axis, to choose among the sizes that the stride rounds to one. */
  readonly outputPadding?: Each;
}

const transposedConvolution =
  (axes: number) =>
  (options: TransposedOptions): Layer => {
    const subject = `convTranspose${axes}d`;
    const channels = wholeNumber(subject, "channels", options.channels);
    const groups = wholeNumber(subject, "groups", options.groups ?? 1);
    const kernel = each(subject, "kernel", options.kernel, axes);
    const strides = each(subject, "stride", options.stride ?? 1, axes);
    const dilations = each(subject, "dilation", options.dilation ?? 1, axes);
    const pads = paddingOf(subject, options.padding ?? "valid", kernel, dilations);
    const output_padding = each(subject, "outputPadding", options.outputPadding ?? 0, axes, 0);
    requireWholeGroups(subject, 0, channels, groups);
    return (x, scope) => {
      const inputs = channelsOf(subject, x, axes + 2);
      requireWholeGroups(subject, inputs, channels, groups);
      const weight = scope.parameter("weight", [inputs, channels / groups, ...kernel], options.initialiser ?? heNormal);
      const bias = options.bias === false ? undefined : scope.parameter("bias", [channels], fill(0));
      const filters = options.flip ? flipped(weight) : weight;
      const attributes = { strides, dilations, pads, output_padding, group: groups };
      return apply(ConvTranspose, bias ? [x, filters, bias] : [x, filters], attributes)[0]!;
    };
  };

/**
 * Transposed convolution: [batch, in, ...size] to [batch, channels, ...size'] with
 * size' = (size - 1) stride - padding + dilation (kernel - 1) + outputPadding + 1. Every element spreads the kernel over
 * the output, which is to dilate the signal by the stride, then to convolve (chapter, equations 1.9 and 1.10). Weights are
 * [in, channels / groups, ...kernel]. With "same" it maps back to `size` what a "same" convolution of stride 1 gave.
 *
 * @example
 * import { convTranspose2d } from "striate";
 *
 * const twiceAsLarge = convTranspose2d({ channels: 8, kernel: 3, stride: 2, padding: 1, outputPadding: 1 });
 */
export const convTranspose2d = transposedConvolution(2);
export const convTranspose1d = transposedConvolution(1);
export const convTranspose3d = transposedConvolution(3);
