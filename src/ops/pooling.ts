/** Pooling composed of other operators: across channels, against aliasing, in the frequency domain. */
import { StriateError } from "../errors.ts";
import { constant, type Value } from "../graph/value.ts";
import { tensor } from "../tensor/tensor.ts";
import { type AxisMatrix, alongAxis } from "./along.ts";
import { conv } from "./conv.ts";
import { concat, slice } from "./core/arrange.ts";
import { add, sub } from "./core/elementwise.ts";
import type { ReduceOptions } from "./core/reduce.ts";
import { reshape, shapeOf, vector } from "./core/shape.ts";
import { lengthsOf, padBorders } from "./spatial.ts";

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
