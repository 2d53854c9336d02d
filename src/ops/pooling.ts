/** Pooling composed of other operators: adaptive, by a norm, across channels, against aliasing, in the frequency domain. */
import { StriateError } from "../errors.ts";
import { apply } from "../graph/op.ts";
import { constant, type Value } from "../graph/value.ts";
import { isFloat } from "../tensor/dtype.ts";
import { formatShape, sizeOf } from "../tensor/shape.ts";
import { tensor } from "../tensor/tensor.ts";
import { type AxisMatrix, alongAxis } from "./along.ts";
import { conv } from "./conv.ts";
import { concat, slice } from "./core/arrange.ts";
import { zerosLike } from "./core/broadcast.ts";
import { abs, add, equal, mul, pow, sqrt, sub, where } from "./core/elementwise.ts";
import { ScatterElements } from "./core/index.ts";
import { type ReduceOptions, reduceMax, reduceSum } from "./core/reduce.ts";
import { lengthsOf, reshape, reshapeLike, shapeOf, vector } from "./core/shape.ts";
import { padBorders } from "./padding.ts";
import { averagePool, MaxPool, type PoolAttributes, poolAxes, withOverhang } from "./pool.ts";
import { padsOf } from "./window.ts";

/** PyTorch's adaptive windows: from floor(i input / output) to ceil((i + 1) input / output). */
const adaptiveWindows = (input: number, output: number): readonly { start: number; end: number }[] =>
  Array.from({ length: output }, (_, index) => ({
    start: Math.floor((index * input) / output),
    end: Math.ceil(((index + 1) * input) / output),
  }));

/** The means of windows that share each spatial axis out among `size` elements: [batch, channels, ...size]. */
export function adaptiveAveragePool(x: Value, size: readonly number[]): Value {
  return lengthsOf("adaptiveAveragePool", x, 2).reduce((value, input, index): Value => {
    const windows = adaptiveWindows(input, size[index]!);
    const data = new Float64Array(windows.length * input);
    windows.forEach(({ start, end }, row) => {
      data.fill(1 / (end - start), row * input + start, row * input + end);
    });
    const matrix: AxisMatrix = { rows: windows.length, columns: input, data };
    return alongAxis(value, index + 2, matrix);
  }, x);
}

/** The largest elements of the same windows. */
export function adaptiveMaxPool(x: Value, size: readonly number[]): Value {
  return lengthsOf("adaptiveMaxPool", x, 2).reduce((value, input, index): Value => {
    const axis = index + 2;
    const parts = adaptiveWindows(input, size[index]!).map((window) =>
      reduceMax(slice(value, { axis, ...window }), { axes: [axis], keepDimensions: true }),
    );
    return concat(parts, axis);
  }, x);
}

/** |x|^p, and from sums of it the p-th root, whose gradient where the sum is 0 is taken as 0. */
function normOf(subject: string, p: number) {
  if (!(p > 0 && p < Number.POSITIVE_INFINITY))
    throw new StriateError({ subject, found: `p = ${p}`, expected: "a number above 0" });
  const root = (sum: Value): Value => (p === 1 ? sum : p === 2 ? sqrt(sum) : pow(sum, 1 / p));
  return {
    power: (x: Value): Value => {
      if (!isFloat(x.dtype)) throw new StriateError({ subject, found: x.dtype, expected: "floats" });
      if (p === 1 || p === 2) return p === 1 ? abs(x) : mul(x, x);
      if (p > 1) return pow(abs(x), p);
      // The slope of |x|^p at 0 is infinite here; 0 takes its place.
      const isZero = equal(x, 0);
      return where(isZero, 0, pow(abs(where(isZero, 1, x)), p));
    },
    root: (sum: Value): Value => {
      const isEmpty = equal(sum, 0);
      return where(isEmpty, 0, root(where(isEmpty, 1, sum)));
    },
  };
}

/** A window whose last place hangs over the end (`ceil_mode`) as one with so much more padding. */
export function explicitWindow(subject: string, x: Value, window: PoolAttributes): PoolAttributes {
  if (window.ceil_mode !== 1) return window;
  const axes = poolAxes([1, 1, ...lengthsOf(subject, x, 2)], window);
  return { ...window, auto_pad: "NOTSET", ceil_mode: 0, pads: padsOf(axes.map(withOverhang)) };
}

/** (sum under each window of |x|^p)^(1/p); windows lie inside the input or over zeros. */
export function lpPool(x: Value, p: number, attributes: Partial<PoolAttributes>): Value {
  const { power, root } = normOf("lpPool", p);
  const window = explicitWindow("lpPool", x, { auto_pad: "NOTSET", ceil_mode: 0, ...attributes });
  const means = averagePool(power(x), { ...window, count_include_pad: 1 });
  return root(mul(means, sizeOf(attributes.kernel_shape!)));
}

/** (sum along axes of |x|^p)^(1/p). */
export function lpNorm(subject: string, x: Value, p: number, options: ReduceOptions): Value {
  const { power, root } = normOf(subject, p);
  return root(reduceSum(power(x), options));
}

/** (sum over each whole map of |x|^p)^(1/p), spatial axes kept with length 1. */
export const globalLpPool = (x: Value, p: number): Value => lpNorm("globalLpPool", x, p, overMaps("globalLpPool", x));

/** The largest element of each whole map, spatial axes kept with length 1. */
export const globalMaxPool = (x: Value): Value => reduceMax(x, overMaps("globalMaxPool", x));

function overMaps(subject: string, x: Value): ReduceOptions {
  if (x.shape.length < 3)
    throw new StriateError({ subject, found: formatShape(x.shape), expected: "[batch, channels, spatial...]" });
  return { axes: x.shape.slice(2).map((_, axis) => axis + 2), keepDimensions: true };
}

/** Every window's largest element where it stood, zeros elsewhere (Zeiler and Fergus 2014); windows do not overlap. */
export function maxUnpoolOfMaxPool(x: Value, attributes: Partial<PoolAttributes>): Value {
  const [largest, indices] = apply(MaxPool, [x], attributes);
  return maxUnpool(largest!, indices!, zerosLike(x));
}

/** Elements put at their flat offsets into zeros. */
export const maxUnpool = (x: Value, indices: Value, zeros: Value): Value => {
  const [into, at, from] = [zeros, indices, x].map((value) => reshape(value, [-1]));
  return reshapeLike(apply(ScatterElements, [into, at, from])[0]!, zeros);
};

/** Every `size` neighbouring channels reduced to one: [batch, channels, ...] to [batch, channels / size, ...]. */
export function overChannels(x: Value, size: number, reduce: (x: Value, options: ReduceOptions) => Value): Value {
  const [channels] = lengthsOf("channelPool", x, 1, 2);
  if (channels! % size !== 0)
    throw new StriateError({
      subject: "channelPool",
      found: `${channels} channels by ${size}`,
      expected: "whole groups",
    });
  const lengths = shapeOf(x);
  const rank = x.shape.length;
  const batch = slice(lengths, { axis: 0, start: 0, end: 1 });
  const spatial = rank > 2 ? [slice(lengths, { axis: 0, start: 2, end: rank })] : [];
  return reduce(reshape(x, concat([batch, vector([channels! / size, size]), ...spatial], 0)), { axes: [2] });
}

/** One row of Pascal's triangle, as fractions: the blur of so many taps. */
function binomial(taps: number): readonly number[] {
  let row = [1];
  for (let count = 1; count < taps; count++)
    row = [...row, 0].map((each, index) => each / 2 + (row[index - 1] ?? 0) / 2);
  return row;
}

/**
 * Blur with a binomial filter, then every `stride`-th element; borders reflect. R. Zhang, "Making convolutional networks
 * shift-invariant again", ICML 2019.
 */
export function blurPool(x: Value, taps: number, stride: readonly number[]): Value {
  const subject = "blurPool";
  if (!Number.isInteger(taps) || taps < 1 || taps > 7)
    throw new StriateError({ subject, found: `a filter of ${taps}`, expected: "1 to 7 taps" });
  const [channels] = lengthsOf(subject, x, 1, 2);
  const row = binomial(taps);
  const filter = stride.reduce<readonly number[]>((all) => all.flatMap((each) => row.map((part) => each * part)), [1]);
  const every = Array.from({ length: channels! }, () => filter).flat();
  const weights = constant(tensor(every, [channels!, 1, ...stride.map(() => taps)], x.dtype));
  const before = Math.floor((taps - 1) / 2);
  const pads = stride.map(() => [before, taps - 1 - before] as const);
  const padded = taps === 1 ? x : padBorders(x, pads, "reflect");
  return conv(padded, weights, undefined, { group: channels, strides: stride });
}

/**
 * The matrices, real and imaginary, that take the lowest `output` frequencies of `input` numbers to as many numbers:
 * sum over k of exp(2 pi i k (m / output - n / input)) / input, k from -floor(size / 2) to floor((size - 1) / 2), size being
 * the smaller of the two. Of an even size the frequency -size / 2 is there without its opposite: it alone is not real.
 */
function truncation(input: number, output: number): { real: AxisMatrix; imaginary: AxisMatrix | undefined } {
  const size = Math.min(input, output);
  const pairs = Math.floor((size - 1) / 2);
  const isEven = size % 2 === 0;
  const real = new Float64Array(output * input);
  const imaginary = new Float64Array(output * input);
  for (let m = 0; m < output; m++)
    for (let n = 0; n < input; n++) {
      // Within one turn, by whole numbers, so that no digits are lost.
      const angle = (Math.PI * ((m * input - n * output) % (input * output))) / (input * output);
      const inPairs = angle === 0 ? 2 * pairs + 1 : Math.sin((2 * pairs + 1) * angle) / Math.sin(angle);
      real[m * input + n] = (inPairs + (isEven ? Math.cos(size * angle) : 0)) / input;
      imaginary[m * input + n] = -Math.sin(size * angle) / input;
    }
  const matrix = (data: Float64Array): AxisMatrix => ({ rows: output, columns: input, data });
  return { real: matrix(real), imaginary: isEven ? matrix(imaginary) : undefined };
}

/**
 * The real part of the inverse Fourier transform of the lowest frequencies of each map, scaled to keep its mean:
 * [batch, channels, ...] to [batch, channels, ...size]. A larger size gets zeros for the frequencies that there are not.
 */
export function spectralPool(x: Value, size: readonly number[]): Value {
  let [real, imaginary]: [Value, Value | undefined] = [x, undefined];
  lengthsOf("spectralPool", x, 2).forEach((input, index) => {
    if (size[index] === input) return;
    const matrices = truncation(input, size[index]!);
    const along = (value: Value, matrix: AxisMatrix) => alongAxis(value, index + 2, matrix);
    const [oldReal, oldImaginary] = [real, imaginary];
    real = along(oldReal, matrices.real);
    imaginary = oldImaginary && along(oldImaginary, matrices.real);
    if (!matrices.imaginary) return;
    const turned = along(oldReal, matrices.imaginary);
    if (oldImaginary) real = sub(real, along(oldImaginary, matrices.imaginary));
    imaginary = imaginary ? add(imaginary, turned) : turned;
  });
  return real;
}
