/** Convolution over one, two or three spatial axes, and its transpose. */
import { StriateError } from "../errors.ts";
import { apply } from "../graph/op.ts";
import type { Value } from "../graph/value.ts";
import { conv, convTranspose } from "../ops/conv.ts";
import { Slice } from "../ops/core/arrange.ts";
import { vector } from "../ops/core/shape.ts";
import { type Border, padBorders } from "../ops/padding.ts";
import { fill, heNormal, type Initialiser } from "./initialisers.ts";
import {
  axesOf,
  channelsOf,
  type Each,
  each,
  type Padding,
  requireExact,
  type WindowOptions,
  wholeNumber,
  windowOf,
} from "./options.ts";
import { type Layer, sequential } from "./scope.ts";

export interface ConvolutionOptions extends WindowOptions {
  /** Filters: the channels of the output. */
  readonly channels: number;
  /** Channels are split into this many groups, convolved apart. */
  readonly groups?: number;
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

/** @throws StriateError for a mirror image, or another side, of more elements than an axis has */
function requireBorder(
  subject: string,
  x: Value,
  around: readonly (readonly [number, number])[],
  border: Border,
): void {
  if (border !== "reflect" && border !== "circular") return;
  x.shape.slice(2).forEach((length, axis) => {
    const most = Number(length) - (border === "reflect" ? 1 : 0);
    if (Math.max(...around[axis]!) > most)
      throw new StriateError({
        subject,
        found: `${border} padding [${around[axis]}] on ${length} elements along axis ${axis + 2}`,
        expected: `at most ${most}`,
      });
  });
}

const convolution =
  (axes: number, subject = `conv${axes}d`) =>
  (options: ConvolutionOptions): Layer => {
    const channels = wholeNumber(subject, "channels", options.channels);
    const groups = wholeNumber(subject, "groups", options.groups ?? 1);
    const { kernel, stride, dilation, pads } = windowOf(subject, axes, options);
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
      requireBorder(subject, x, around, border);
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

/**
 * A convolution with kernels of one element, over the axes that the input has: one matrix for the channels of every place.
 * M. Lin et al., "Network in network", ICLR 2014.
 */
export function pointwiseConv(
  options: Pick<ConvolutionOptions, "channels" | "stride" | "groups" | "bias" | "initialiser">,
): Layer {
  const subject = "pointwiseConv";
  wholeNumber(subject, "channels", options.channels);
  return (x, scope) => convolution(axesOf(subject, x), subject)({ ...options, kernel: 1 })(x, scope);
}

export interface DepthwiseOptions extends Omit<ConvolutionOptions, "channels" | "groups"> {
  /** Filters for each channel; one by default. */
  readonly multiplier?: number;
}

/** Every channel convolved by filters of its own, over the axes that the input has: as many groups as there are channels. */
export function depthwiseConv({ multiplier = 1, ...options }: DepthwiseOptions): Layer {
  const subject = "depthwiseConv";
  wholeNumber(subject, "multiplier", multiplier);
  return (x, scope) => {
    const axes = axesOf(subject, x);
    const groups = channelsOf(subject, x, axes + 2);
    return convolution(axes, subject)({ ...options, channels: groups * multiplier, groups })(x, scope);
  };
}

/**
 * A depthwise convolution, which sees space, then a pointwise one, which mixes channels: `depthwise` (without bias) and
 * `pointwise`. F. Chollet, "Xception", CVPR 2017.
 *
 * @example
 * import { depthwiseSeparableConv } from "striate";
 *
 * const layer = depthwiseSeparableConv({ channels: 32, kernel: 3, padding: "same" });
 */
export function depthwiseSeparableConv({
  channels,
  bias,
  ...options
}: DepthwiseOptions & Pick<ConvolutionOptions, "channels">): Layer {
  const { initialiser } = options;
  return sequential({
    depthwise: depthwiseConv({ ...options, bias: false }),
    pointwise: pointwiseConv({ channels, bias, initialiser }),
  });
}

export interface SeparableOptions extends Omit<ConvolutionOptions, "groups"> {
  /** Channels between the convolutions; as many as come out by default. */
  readonly between?: number;
}

const axisNames = ["depth", "height", "width"] as const;

/**
 * Convolutions along one axis after the other with nothing between: K x 1 (`height`), then 1 x K (`width`, which has the
 * bias); over three axes `depth` first. Together they are one convolution with kernels that are sums of `between` outer
 * products. Chapter, section 1.1.4.
 *
 * @example
 * import { separableConv } from "striate";
 *
 * const layer = separableConv({ channels: 16, kernel: 7, padding: "same" });
 */
export function separableConv({ between, ...options }: SeparableOptions): Layer {
  const subject = "separableConv";
  const { bias, initialiser, border, flip, exact } = options;
  const channels = wholeNumber(subject, "channels", options.channels);
  wholeNumber(subject, "between", between ?? channels);
  return (x, scope) => {
    const axes = axesOf(subject, x);
    if (axes < 2 || axes > axisNames.length)
      throw new StriateError({ subject, found: `${axes} spatial axes`, expected: "two or three" });
    const { kernel, stride, dilation, pads } = windowOf(subject, axes, options);
    const at = <T>(axis: number, one: T, other: T) => kernel.map((_, index) => (index === axis ? one : other));
    const along = convolution(axes, subject);
    return axisNames.slice(-axes).reduce((value, name, axis) => {
      const isLast = axis === axes - 1;
      const layer = along({
        channels: isLast ? channels : (between ?? channels),
        kernel: at(axis, kernel[axis]!, 1),
        stride: at(axis, stride[axis]!, 1),
        dilation: at(axis, dilation[axis]!, 1),
        padding: at<readonly [number, number]>(axis, [pads[axis]!, pads[axis + axes]!], [0, 0]),
        bias: isLast && bias !== false,
        ...{ initialiser, border, flip, exact },
      });
      return scope.apply(name, layer, value);
    }, x);
  };
}

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
    const { kernel, stride: strides, dilation: dilations, pads } = windowOf(subject, axes, options);
    const output_padding = each(subject, "outputPadding", options.outputPadding ?? 0, axes, 0);
    requireWholeGroups(subject, 0, channels, groups);
    return (x, scope) => {
      const inputs = channelsOf(subject, x, axes + 2);
      requireWholeGroups(subject, inputs, channels, groups);
      const weight = scope.parameter("weight", [inputs, channels / groups, ...kernel], options.initialiser ?? heNormal);
      const bias = options.bias === false ? undefined : scope.parameter("bias", [channels], fill(0));
      const filters = options.flip ? flipped(weight) : weight;
      const attributes = { strides, dilations, pads, output_padding, group: groups };
      return convTranspose(x, filters, attributes, bias);
    };
  };

/**
 * Transposed convolution: [batch, in, ...size] to [batch, channels, ...size'] with
 * size' = (size - 1) stride - padding + dilation (kernel - 1) + outputPadding + 1. Every element spreads the kernel over
 * the output, which is to dilate the signal by the stride, then to convolve (chapter, equations 1.9 and 1.10). Weights are
 * [in, channels / groups, ...kernel]. With padding "same" and an outputPadding of stride - 1, size' = stride size.
 *
 * @example
 * import { convTranspose2d } from "striate";
 *
 * const twiceAsLarge = convTranspose2d({ channels: 8, kernel: 3, stride: 2, padding: 1, outputPadding: 1 });
 */
export const convTranspose2d = transposedConvolution(2);
export const convTranspose1d = transposedConvolution(1);
export const convTranspose3d = transposedConvolution(3);
