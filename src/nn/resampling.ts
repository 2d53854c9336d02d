/** Layers that make maps larger or smaller without weights: interpolation, zeros between elements, unpooling, shuffling. */
import { StriateError } from "../errors.ts";
import { apply } from "../graph/op.ts";
import { constant, type Value } from "../graph/value.ts";
import { zerosLike } from "../ops/core/broadcast.ts";
import { lengthsOf, vector } from "../ops/core/shape.ts";
import * as depthSpace from "../ops/depth-space.ts";
import * as padding from "../ops/padding.ts";
import { MaxPool } from "../ops/pool.ts";
import * as pooling from "../ops/pooling.ts";
import { Resize, resizeTo } from "../ops/resize.ts";
import { formatShape, sameShape } from "../tensor/shape.ts";
import { tensor } from "../tensor/tensor.ts";
import { axesOf, type Each, each, type Padding, paddingOf, wholeNumber } from "./options.ts";
import type { Layer } from "./scope.ts";

export interface UpsampleOptions {
  /** The lengths of the spatial axes, or one for all. */
  readonly size?: Each;
  /** Factors in place of lengths, whole or not, above or below 1: length' = floor(scale length). */
  readonly scale?: Each;
  readonly mode?: "nearest" | "linear" | "cubic";
  /** Whether the outermost elements stay outermost; by default elements are areas. Not for "nearest". */
  readonly alignCorners?: boolean;
}

/**
 * Maps over any number of axes resized to a size or by a scale, as PyTorch's `interpolate` does: by the nearest element,
 * linear (bilinear, trilinear) or cubic interpolation (R. Keys 1981, a = -0.75), along one axis after the other.
 * @throws StriateError for both or neither of size and scale, and where corners are to be aligned of named lengths by a scale
 *
 * @example
 * import { upsample } from "striate";
 *
 * const twice = upsample({ scale: 2 });
 * const layer = upsample({ size: [32, 48], mode: "cubic", alignCorners: true });
 */
export function upsample({ size, scale, mode = "nearest", alignCorners = false }: UpsampleOptions): Layer {
  const subject = "upsample";
  if ((size === undefined) === (scale === undefined))
    throw new StriateError({ subject, found: `size ${size} and scale ${scale}`, expected: "one of the two" });
  if (alignCorners && mode === "nearest")
    throw new StriateError({ subject, found: "alignCorners and the nearest element", expected: "linear or cubic" });
  const attributes = {
    mode,
    nearest_mode: "floor",
    coordinate_transformation_mode: mode === "nearest" ? "asymmetric" : alignCorners ? "align_corners" : "half_pixel",
  };
  return (x) => {
    const axes = axesOf(subject, x);
    if (size !== undefined) return resizeTo(x, each(subject, "size", size, axes), attributes);
    const scales = typeof scale === "number" ? new Array<number>(axes).fill(scale) : scale!;
    if (scales.length !== axes || !scales.every((factor) => factor > 0 && Number.isFinite(factor)))
      throw new StriateError({ subject, found: `scale [${scales}]`, expected: `one number above 0, or ${axes}` });
    if (alignCorners) {
      const lengths = lengthsOf(subject, x, 2).map((length, axis) => Math.floor(length * scales[axis]!));
      return resizeTo(x, lengths, attributes);
    }
    if (scales.every(Number.isInteger))
      return apply(Resize, [x, undefined, constant(tensor([1, 1, ...scales]))], attributes)[0]!;
    return scales.reduce((value, factor, index): Value => {
      const length = Number(x.shape[index + 2]);
      const to = saidLength(length, factor, mode, axes);
      const how = to === undefined ? [constant(tensor([factor]))] : [undefined, vector([to])];
      return apply(Resize, [value, undefined, ...how], { ...attributes, axes: [index + 2] })[0]!;
    }, x);
  };
}

/**
 * The length that an axis is better resized to than by its scale. Files keep scales in float32, in which 5 times 1.4 is
 * less than 7; and PyTorch forgets what is left of a scale where interpolation leaves a length as it was, and where
 * the nearest elements of maps over more than one axis stay as many or become twice as many.
 */
function saidLength(length: number, factor: number, mode: UpsampleOptions["mode"], axes: number): number | undefined {
  const to = Math.floor(length * factor);
  const isForgotten =
    (mode === "linear" && to === length) || (mode === "nearest" && axes > 1 && (to === length || to === 2 * length));
  return to === length * factor || isForgotten ? to : undefined;
}

/**
 * `stride - 1` zeros between neighbouring elements: length' = (length - 1) stride + 1. A convolution after it is a
 * transposed convolution. Chapter, equation 1.9.
 *
 * @example
 * import { conv2d, dilate, sequential } from "striate";
 *
 * const upConv = sequential({ dilate: dilate({ stride: 2 }), conv: conv2d({ channels: 8, kernel: 3, padding: "same" }) });
 */
export const dilate =
  ({ stride }: { readonly stride: Each }): Layer =>
  (x) =>
    padding.dilate(x, each("dilate", "stride", stride, axesOf("dilate", x)));

/** Channels to places: [batch, factor^d channels, ...size] to [batch, channels, ...factor size]. W. Shi et al., CVPR 2016. */
export function pixelShuffle({ factor }: { readonly factor: number }): Layer {
  wholeNumber("pixelShuffle", "factor", factor);
  return (x) => depthSpace.pixelShuffle(x, factor);
}

/** Places to channels, the inverse: [batch, channels, ...factor size] to [batch, factor^d channels, ...size]. */
export function pixelUnshuffle({ factor }: { readonly factor: number }): Layer {
  wholeNumber("pixelUnshuffle", "factor", factor);
  return (x) => depthSpace.pixelUnshuffle(x, factor);
}

export interface UnpoolingOptions {
  readonly kernel: Each;
  /** As the kernel by default; at least that, so that no element is the largest of two windows. */
  readonly stride?: Each;
  readonly padding?: Padding;
}

/**
 * The largest element of each window and where in the whole input it stands, as a flat offset, for `maxUnpool`.
 * M. Zeiler and R. Fergus, "Visualizing and understanding convolutional networks", ECCV 2014.
 * @throws StriateError for windows that overlap
 */
export function maxPoolWithIndices(
  x: Value,
  options: UnpoolingOptions,
): { readonly largest: Value; readonly indices: Value } {
  const subject = "maxPoolWithIndices";
  const axes = axesOf(subject, x);
  const kernel = each(subject, "kernel", options.kernel, axes);
  const stride = each(subject, "stride", options.stride ?? kernel, axes);
  if (stride.some((step, axis) => step < kernel[axis]!))
    throw new StriateError({
      subject,
      found: `windows of ${formatShape(kernel)} every ${formatShape(stride)}`,
      expected: "windows that do not overlap",
    });
  const pads = paddingOf(
    subject,
    options.padding ?? "valid",
    kernel,
    kernel.map(() => 1),
  );
  const [largest, indices] = apply(MaxPool, [x], { kernel_shape: kernel, strides: stride, pads });
  return { largest: largest!, indices: indices! };
}

/** Elements put where `maxPoolWithIndices` found the largest, zeros elsewhere, in the shape of `like`, what was pooled. */
export function maxUnpool(x: Value, indices: Value, like: Value): Value {
  if (!sameShape(x.shape, indices.shape))
    throw new StriateError({
      subject: "maxUnpool",
      found: `maps of ${formatShape(x.shape)}`,
      expected: `${formatShape(indices.shape)}, as the indices`,
    });
  return pooling.maxUnpool(x, indices, zerosLike(like));
}

/**
 * Max pooling, `body`, and what it gives put back where the largest elements stood: the outer layers of an encoder and
 * decoder that remember places. `body` keeps the shape of the pooled maps.
 * V. Badrinarayanan et al., "SegNet", 2015.
 *
 * @example
 * import { conv2d, unpooled } from "striate";
 *
 * const layer = unpooled({ kernel: 2, body: conv2d({ channels: 8, kernel: 3, padding: "same" }) });
 */
export const unpooled =
  ({ body, ...options }: UnpoolingOptions & { readonly body: Layer }): Layer =>
  (x, scope) => {
    const { largest, indices } = maxPoolWithIndices(x, options);
    return maxUnpool(body(largest, scope), indices, x);
  };
