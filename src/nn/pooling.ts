/** Pooling layers over one, two or three spatial axes, over whole maps and over channels. */
import { StriateError } from "../errors.ts";
import type { Value } from "../graph/value.ts";
import { type ReduceOptions, reduceMax, reduceMean } from "../ops/core/reduce.ts";
import { flatten } from "../ops/core/shape.ts";
import { averagePool, globalAveragePool as globalAveragePoolOf, maxPool, type PoolAttributes } from "../ops/pool.ts";
import * as pooling from "../ops/pooling.ts";
import { stochasticPool as stochasticPoolOf } from "../ops/stochastic-pool.ts";
import { relu } from "./activations.ts";
import { type ConvolutionOptions, conv1d, conv2d, conv3d } from "./convolution.ts";
import { axesOf, channelsOf, type Each, each, type Padding, paddingOf, requireExact, wholeNumber } from "./options.ts";
import type { Layer } from "./scope.ts";

export interface PoolOptions {
  readonly kernel: Each;
  /** As the kernel by default, so that windows do not overlap. */
  readonly stride?: Each;
  readonly padding?: Padding;
  readonly dilation?: Each;
  /** Also pool a last window that hangs over the end, as long as it starts before it: sizes are rounded up. */
  readonly ceil?: boolean;
  /** Refuse a size that the stride does not divide, instead of rounding down. */
  readonly exact?: boolean;
}

/** What slides, as the operators take it. */
type Window = Pick<PoolAttributes, "kernel_shape" | "strides" | "dilations" | "pads" | "ceil_mode">;

const slidingPool = (
  subject: string,
  options: PoolOptions,
  axes: number,
  pool: (x: Value, window: Window) => Value,
): Layer => {
  const kernel = each(subject, "kernel", options.kernel, axes);
  const stride = each(subject, "stride", options.stride ?? kernel, axes);
  const dilation = each(subject, "dilation", options.dilation ?? 1, axes);
  const pads = paddingOf(subject, options.padding ?? "valid", kernel, dilation);
  const { ceil = false, exact = false } = options;
  return (x) => {
    channelsOf(subject, x, axes + 2);
    if (exact) requireExact(subject, x, { kernel, stride, pads, dilation });
    return pool(x, { kernel_shape: kernel, strides: stride, dilations: dilation, pads, ceil_mode: ceil ? 1 : 0 });
  };
};

const windowMax =
  (axes: number) =>
  (options: PoolOptions): Layer =>
    slidingPool(`maxPool${axes}d`, options, axes, maxPool);

/**
 * The largest element under each window; padding never wins. Chapter, equation 1.11.
 *
 * @example
 * import { maxPool2d } from "striate";
 *
 * const layer = maxPool2d({ kernel: 3, stride: 2, padding: 1 });
 */
export const maxPool2d = windowMax(2);
export const maxPool1d = windowMax(1);
export const maxPool3d = windowMax(3);

export interface AveragePoolOptions extends PoolOptions {
  /** Count the padding's zeros among the elements that a mean is over. */
  readonly countIncludePad?: boolean;
}

const windowMean =
  (axes: number) =>
  ({ countIncludePad = false, ...options }: AveragePoolOptions): Layer =>
    slidingPool(`averagePool${axes}d`, options, axes, (x, window) =>
      averagePool(x, { ...window, count_include_pad: countIncludePad ? 1 : 0 }),
    );

/** The mean of the elements under each window, padding left out unless it is to count. Chapter, equation 1.12. */
export const averagePool2d = windowMean(2);
export const averagePool1d = windowMean(1);
export const averagePool3d = windowMean(3);

export interface LpPoolOptions extends PoolOptions {
  /** Which norm: 2 by default, the root of the sum of squares. */
  readonly p?: number;
}

/**
 * (sum under each window of |x|^p)^(1/p), over as many spatial axes as the input has; padding is 0.
 * P. Sermanet et al., "Convolutional neural networks applied to house numbers digit classification", ICPR 2012.
 * @throws StriateError unless p is a number above 0
 *
 * @example
 * import { lpPool } from "striate";
 *
 * const energy = lpPool({ kernel: 2, p: 2 });
 */
export const lpPool =
  ({ p = 2, ...options }: LpPoolOptions): Layer =>
  (x, scope) =>
    slidingPool("lpPool", options, axesOf("lpPool", x), (value, window) => pooling.lpPool(value, p, window))(x, scope);

/**
 * Stochastic pooling, over as many spatial axes as the input has, of activations that are not negative (others count as
 * 0). In training each window gives one of its elements, drawn with the probability p = a / sum a, and its gradient goes to
 * that one; otherwise the mean weighted by p, sum p a. A window of zeros gives 0.
 * M. Zeiler and R. Fergus, "Stochastic pooling for regularization of deep convolutional neural networks", ICLR 2013.
 *
 * @example
 * import { conv2d, relu, sequential, stochasticPool } from "striate";
 *
 * const block = sequential({
 *   conv: conv2d({ channels: 8, kernel: 5 }),
 *   relu: relu(),
 *   pool: stochasticPool({ kernel: 3, stride: 2, ceil: true }),
 * });
 */
export const stochasticPool =
  (options: PoolOptions): Layer =>
  (x, scope) =>
    slidingPool("stochasticPool", options, axesOf("stochasticPool", x), stochasticPoolOf)(x, scope);

/** The mean of each whole feature map: [batch, channels, ...size] to [batch, channels]. Chapter, equation 1.16. */
export const globalAveragePool = (): Layer => (x) => flatten(globalAveragePoolOf(x));

/** The largest element of each whole feature map: [batch, channels, ...size] to [batch, channels]. Chapter, section 1.2.2. */
export const globalMaxPool = (): Layer => (x) => flatten(pooling.globalMaxPool(x));

/** (sum over each whole feature map of |x|^p)^(1/p): [batch, channels, ...size] to [batch, channels]. */
export const globalLpPool =
  ({ p = 2 }: { readonly p?: number } = {}): Layer =>
  (x) =>
    flatten(pooling.globalLpPool(x, p));

export interface SizeOptions {
  /** The lengths of the spatial axes that come out. */
  readonly size: Each;
}

const toSize =
  (subject: string, pool: (x: Value, size: readonly number[]) => Value) =>
  ({ size }: SizeOptions): Layer =>
  (x) =>
    pool(x, each(subject, "size", size, axesOf(subject, x)));

/**
 * Means of windows that share the maps out among `size` elements, from floor(i input / size) to ceil((i + 1) input / size),
 * as PyTorch's.
 *
 * @example
 * import { adaptiveAveragePool, flatten, linear, sequential } from "striate";
 *
 * const head = sequential({ pool: adaptiveAveragePool({ size: 6 }), flatten: flatten(), fc: linear({ features: 10 }) });
 */
export const adaptiveAveragePool = toSize("adaptiveAveragePool", pooling.adaptiveAveragePool);

/** The largest elements of the same windows. */
export const adaptiveMaxPool = toSize("adaptiveMaxPool", pooling.adaptiveMaxPool);

/**
 * Maps of any size from the lowest frequencies of the input's: the real part of the inverse Fourier transform of a spectrum
 * that is cut down to -floor(size / 2) ... floor((size - 1) / 2) along each axis, scaled so that means stay as they are. A
 * signal that has no other frequencies is sampled, exactly; a larger size gives it more samples. O. Rippel et al.,
 * "Spectral representations for convolutional neural networks", NeurIPS 2015 (whose unitary transforms multiply the result
 * by the root of input size / output size).
 * @throws StriateError when the spatial sizes are not known numbers
 *
 * @example
 * import { inputValue, Scope, spectralPool } from "striate";
 *
 * const image = inputValue("image", { dtype: "float32", shape: ["batch", 3, 32, 32] });
 * const pooled = spectralPool({ size: [23, 17] })(image, new Scope());
 * console.assert(pooled.shape.join() === "batch,3,23,17");
 */
export const spectralPool = toSize("spectralPool", pooling.spectralPool);

const acrossChannels = {
  max: reduceMax,
  mean: reduceMean,
  l2: (x: Value, options: ReduceOptions) => pooling.lpNorm("channelPool", x, 2, options),
};

export interface ChannelPoolOptions {
  /** How many neighbouring channels make one. */
  readonly size: number;
  /** The largest (the default), the mean, or the root of the sum of squares. */
  readonly kind?: keyof typeof acrossChannels;
}

/**
 * Every `size` neighbouring channels made one, at each place: [batch, channels, ...] to [batch, channels / size, ...].
 * Filters for one pattern at `size` orientations become a detector of the pattern at any. Chapter, section 1.2.1.
 * @throws StriateError when the channels are not whole groups of that size
 *
 * @example
 * import { channelPool, conv2d, sequential } from "striate";
 *
 * const block = sequential({ conv: conv2d({ channels: 32, kernel: 3 }), pool: channelPool({ size: 4, kind: "l2" }) });
 */
export function channelPool({ size, kind = "max" }: ChannelPoolOptions): Layer {
  wholeNumber("channelPool", "size", size);
  return (x) => pooling.overChannels(x, size, acrossChannels[kind]);
}

/** The largest of every `pieces` neighbouring channels or features. I. Goodfellow et al., "Maxout networks", ICML 2013. */
export const maxout = ({ pieces }: { readonly pieces: number }): Layer => channelPool({ size: pieces });

export interface BlurOptions {
  /** The length of the binomial filter: 1 (none) to 7; 3 by default. */
  readonly taps?: number;
  /** Every how many elements one stays; 2 by default. */
  readonly stride?: Each;
}

/**
 * A binomial blur, then every `stride`-th element; borders reflect. It is the anti-aliased form of average pooling, which it
 * is with two taps. R. Zhang, "Making convolutional networks shift-invariant again", ICML 2019.
 * @throws StriateError unless there are 1 to 7 taps
 */
export const blurPool =
  ({ taps = 3, stride = 2 }: BlurOptions = {}): Layer =>
  (x) =>
    pooling.blurPool(x, taps, each("blurPool", "stride", stride, axesOf("blurPool", x)));

export interface MaxBlurPoolOptions extends BlurOptions, Pick<PoolOptions, "kernel" | "padding"> {}

/**
 * Max pooling against aliasing: the largest element under a window at every place, a blur, then every `stride`-th element.
 * R. Zhang, ICML 2019.
 *
 * @example
 * import { maxBlurPool } from "striate";
 *
 * const layer = maxBlurPool({ kernel: 3, padding: 1, taps: 4 });
 */
export const maxBlurPool =
  ({ kernel, padding, taps, stride }: MaxBlurPoolOptions): Layer =>
  (x, scope) => {
    const axes = axesOf("maxBlurPool", x);
    const dense = slidingPool("maxBlurPool", { kernel, padding, stride: 1 }, axes, maxPool);
    return blurPool({ taps, stride })(dense(x, scope), scope);
  };

export interface BlurConvOptions extends Omit<ConvolutionOptions, "stride" | "exact">, BlurOptions {
  /** Between the convolution and the blur; ReLU by default. */
  readonly activation?: Layer;
}

/**
 * A strided convolution against aliasing: the convolution at every place, its activation, a blur, then every `stride`-th
 * element. Its parameters are the convolution's. R. Zhang, ICML 2019.
 *
 * @example
 * import { blurConv } from "striate";
 *
 * const layer = blurConv({ channels: 64, kernel: 7, padding: 3, taps: 5 });
 */
export const blurConv =
  ({ taps, stride, activation = relu(), ...options }: BlurConvOptions): Layer =>
  (x, scope) => {
    const conv = [conv1d, conv2d, conv3d][axesOf("blurConv", x) - 1];
    if (!conv)
      throw new StriateError({ subject: "blurConv", found: `${x.shape.length - 2} spatial axes`, expected: "1 to 3" });
    const dense = scope.apply("activation", activation, conv(options)(x, scope));
    return blurPool({ taps, stride })(dense, scope);
  };
