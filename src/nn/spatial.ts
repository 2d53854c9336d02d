/** Layers over one, two or three spatial axes: convolution with any border, its transpose, resampling and pooling. */
import { StriateError } from "../errors.ts";
import { conv, convTranspose } from "../ops/conv.ts";
import { add } from "../ops/core/elementwise.ts";
import { reshape } from "../ops/core/shape.ts";
import { resizeTo } from "../ops/resize.ts";
import * as spatial from "../ops/spatial.ts";
import { fill, heNormal } from "./initialisers.ts";
import { channelsOf, type Each, wholeNumber } from "./options.ts";
import type { Layer } from "./scope.ts";

/** One whole number for every spatial axis. */
function each(subject: string, name: string, value: Each, axes: number, least = 1): readonly number[] {
  const values = typeof value === "number" ? Array.from({ length: axes }, () => value) : value;
  if (values.length !== axes)
    throw new StriateError({ subject, found: `${name} [${values}]`, expected: `one number or ${axes}` });
  return values.map((length) => wholeNumber(subject, name, length, least));
}

export interface ConvolutionOptions {
  /** Filters: the channels of the output. */
  readonly channels: number;
  readonly kernel: Each;
  readonly stride?: Each;
  readonly dilation?: Each;
  readonly groups?: number;
  readonly bias?: boolean;
  /** Elements before and after each axis. */
  readonly padding?: Each;
  /** What stands in the padding: zeros (the default), or the input mirrored, its border repeated, or its other side. */
  readonly border?: spatial.Border;
}

const convolution =
  (axes: number) =>
  (options: ConvolutionOptions): Layer => {
    const subject = `conv${axes}d`;
    const { channels, groups = 1, border = "zeros" } = options;
    const kernel = each(subject, "kernel", options.kernel, axes);
    const strides = each(subject, "stride", options.stride ?? 1, axes);
    const dilations = each(subject, "dilation", options.dilation ?? 1, axes);
    const padding = each(subject, "padding", options.padding ?? 0, axes, 0);
    const around = padding.map((length) => [length, length] as const);
    return (x, scope) => {
      const inputs = channelsOf(subject, x, axes + 2);
      if (inputs % groups !== 0 || channels % groups !== 0)
        throw new StriateError({
          subject,
          found: `${inputs} and ${channels} channels in ${groups} groups`,
          expected: "whole groups",
        });
      const weight = scope.parameter("weight", [channels, inputs / groups, ...kernel], heNormal);
      const bias = options.bias === false ? undefined : scope.parameter("bias", [channels], fill(0));
      const plain = border === "zeros";
      const pads = plain ? [...padding, ...padding] : undefined;
      const bordered = plain ? x : spatial.padBorders(x, around, border);
      return conv(bordered, weight, bias, { strides, dilations, group: groups, ...(pads && { pads }) });
    };
  };

/**
 * Cross-correlation over one axis, with any border: [batch, in, length] to [batch, channels, length'].
 *
 * @example
 * import { conv1d } from "striate";
 *
 * const layer = conv1d({ channels: 8, kernel: 5, padding: 2, border: "circular" });
 */
export const conv1d = convolution(1);

/** Cross-correlation over two axes with any border, which `conv2d` leaves at zeros. */
export const borderedConv2d = convolution(2);

/** Cross-correlation over three axes, with any border. */
export const conv3d = convolution(3);

export interface TransposedOptions extends Omit<ConvolutionOptions, "border"> {
  /** Elements more at the end of each axis, to choose among the sizes that the stride rounds to one. */
  readonly outputPadding?: Each;
}

const transposedConvolution =
  (axes: number) =>
  (options: TransposedOptions): Layer => {
    const subject = `convTranspose${axes}d`;
    const { channels, groups = 1 } = options;
    const kernel = each(subject, "kernel", options.kernel, axes);
    const strides = each(subject, "stride", options.stride ?? 1, axes);
    const dilations = each(subject, "dilation", options.dilation ?? 1, axes);
    const padding = each(subject, "padding", options.padding ?? 0, axes, 0);
    const output_padding = each(subject, "outputPadding", options.outputPadding ?? 0, axes, 0);
    return (x, scope) => {
      const inputs = channelsOf(subject, x, axes + 2);
      const weight = scope.parameter("weight", [inputs, channels / groups, ...kernel], heNormal);
      const pads = [...padding, ...padding];
      const y = convTranspose(x, weight, { strides, dilations, pads, output_padding, group: groups });
      if (options.bias === false) return y;
      const bias = scope.parameter("bias", [channels], fill(0));
      return add(y, reshape(bias, [channels, ...kernel.map(() => 1)]));
    };
  };

/** Transposed convolution: length' = (length - 1) stride - 2 padding + dilation (kernel - 1) + outputPadding + 1. */
export const convTranspose1d = transposedConvolution(1);
export const convTranspose2d = transposedConvolution(2);
export const convTranspose3d = transposedConvolution(3);

export interface UpsampleOptions {
  /** The lengths of the spatial axes. */
  readonly size: readonly number[];
  readonly mode?: "nearest" | "linear" | "cubic";
  /** Whether the outermost elements stay outermost; by default elements are areas. */
  readonly alignCorners?: boolean;
}

/**
 * Maps resized, as PyTorch's `interpolate` does: nearest, (bi)linear or (bi)cubic.
 *
 * @example
 * import { upsample } from "striate";
 *
 * const layer = upsample({ size: [32, 32], mode: "linear" });
 */
export const upsample =
  ({ size, mode = "nearest", alignCorners = false }: UpsampleOptions): Layer =>
  (x) =>
    resizeTo(x, size, {
      mode,
      nearest_mode: "floor",
      coordinate_transformation_mode:
        mode === "nearest" ? "asymmetric" : alignCorners ? "align_corners" : "pytorch_half_pixel",
    });

/** Means of windows that share the maps out among `size` elements, as PyTorch's. */
export const adaptiveAveragePool =
  ({ size }: { readonly size: readonly number[] }): Layer =>
  (x) =>
    spatial.adaptiveAveragePool(x, size);

/** The largest of the same windows. */
export const adaptiveMaxPool =
  ({ size }: { readonly size: readonly number[] }): Layer =>
  (x) =>
    spatial.adaptiveMaxPool(x, size);

/** Binomial blur of 1 to 7 taps, then every `stride`-th element. R. Zhang, ICML 2019. */
export const blurPool =
  ({ taps = 3, stride = 2 }: { readonly taps?: number; readonly stride?: number } = {}): Layer =>
  (x) =>
    spatial.blurPool(x, taps, stride);

/** Channels to places: `factor` times as long along each axis. W. Shi et al., CVPR 2016. */
export const pixelShuffle =
  ({ factor }: { readonly factor: number }): Layer =>
  (x) =>
    spatial.pixelShuffle(x, factor);
