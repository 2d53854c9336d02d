/** Normalisations by a norm along an axis, and by the neighbours of each element. */
import { StriateError } from "../errors.ts";
import { apply, defineOp } from "../graph/op.ts";
import { constant, producerOf, type Value } from "../graph/value.ts";
import { allocate } from "../tensor/dtype.ts";
import { broadcastStrides, formatShape, normaliseAxis, offsets, sizeOf } from "../tensor/shape.ts";
import { Tensor, tensor } from "../tensor/tensor.ts";
import { abs, add, div, equal, mul, pow, relu, sign, sqrt, sub, where } from "./core/elementwise.ts";
import { reduceMean, reduceSum } from "./core/reduce.ts";
import { reshape, reshapeLike } from "./core/shape.ts";
import { matmul } from "./matmul.ts";
import { averagePool } from "./pool.ts";

/**
 * x over its norm along an axis, the sum of magnitudes (p = 1) or the root of the sum of squares (p = 2); 0 stays 0.
 * ONNX: https://onnx.ai/onnx/operators/onnx__LpNormalization.html
 */
export const LpNormalization = defineOp<{ axis: number; p: number }>({
  name: "LpNormalization",
  domain: "",
  attributes: { axis: { kind: "int", default: -1 }, p: { kind: "int", default: 2 } },
  arity: [1, 1],
  infer: ([x], { axis, p }) => {
    normaliseAxis(axis, x!.shape.length, "LpNormalization");
    if (p !== 1 && p !== 2) throw new StriateError({ subject: "LpNormalization", found: `p ${p}`, expected: "1 or 2" });
    return [x!];
  },
  evaluate: ([x], { axis, p }) => {
    const along = normaliseAxis(axis, x!.shape.length, "LpNormalization");
    const kept = x!.shape.with(along, 1);
    const at = offsets(x!.shape, broadcastStrides(kept, x!.shape));
    const sums = new Float64Array(sizeOf(kept));
    for (let index = 0; index < at.length; index++) sums[at[index]!]! += Math.abs(x!.numbers[index]!) ** p;
    const data = allocate(x!.dtype, at.length);
    for (let index = 0; index < at.length; index++)
      data[index] = x!.numbers[index]! / ((p === 2 ? Math.sqrt(sums[at[index]!]!) : sums[at[index]!]!) || 1);
    return [new Tensor(x!.dtype, x!.shape, data)];
  },
  gradient: (node, [g], { axis, p }) => {
    if (!g) return [];
    const [x] = node.inputs as [Value];
    const options = { axes: [axis], keepDimensions: true };
    const power = reduceSum(p === 2 ? mul(x, x) : abs(x), options);
    const none = equal(power, 0);
    const some = where(none, 1, power, x.dtype);
    const norm = p === 2 ? sqrt(some) : some;
    const y = div(x, norm);
    const along = mul(p === 2 ? y : sign(x), reduceSum(mul(g, y), options));
    return [where(none, 0, div(sub(g, along), norm))];
  },
  macs: ({ outputs }) => sizeOf(outputs[0]!),
});

interface LrnAttributes {
  size: number;
  alpha: number;
  beta: number;
  bias: number;
}

/** How many channels before and after its own a neighbourhood of `size` holds. */
export const reach = (size: number): readonly [number, number] => [
  Math.floor((size - 1) / 2),
  Math.ceil((size - 1) / 2),
];

/**
 * x / (bias + alpha / size * the sum of squares over the `size` channels about each)^beta (chapter, equation 1.13).
 * A. Krizhevsky et al., NeurIPS 2012. ONNX: https://onnx.ai/onnx/operators/onnx__LRN.html
 */
export const LRN = defineOp<LrnAttributes>({
  name: "LRN",
  domain: "",
  attributes: {
    size: { kind: "int" },
    alpha: { kind: "float", default: 0.0001 },
    beta: { kind: "float", default: 0.75 },
    bias: { kind: "float", default: 1 },
  },
  arity: [1, 1],
  infer: ([x], { size }) => {
    if (x!.shape.length < 2)
      throw new StriateError({ subject: "LRN", found: formatShape(x!.shape), expected: "[batch, channels, ...]" });
    if (!(Number.isInteger(size) && size >= 1))
      throw new StriateError({ subject: "LRN", found: `size ${size}`, expected: "a whole number of at least 1" });
    return [x!];
  },
  evaluate: ([x], { size, alpha, beta, bias }) => {
    const [before, after] = reach(size);
    const channels = x!.shape[1]!;
    const map = sizeOf(x!.shape.slice(2));
    const data = allocate(x!.dtype, x!.size);
    for (let index = 0; index < x!.size; index++) {
      const channel = Math.floor(index / map) % channels;
      let squares = 0;
      for (let other = Math.max(0, channel - before); other <= Math.min(channels - 1, channel + after); other++)
        squares += x!.numbers[index + (other - channel) * map]! ** 2;
      data[index] = x!.numbers[index]! / (bias + (alpha / size) * squares) ** beta;
    }
    return [new Tensor(x!.dtype, x!.shape, data)];
  },
  gradient: (node, [g], { size, alpha, beta, bias }) => {
    if (!g) return [];
    const [x] = node.inputs as [Value];
    const [before, after] = reach(size);
    const divisor = add(mul(overChannels(mul(x, x), [before, after]), alpha / size), bias);
    const direct = mul(g, pow(divisor, -beta));
    const shared = mul(mul(g, x), pow(divisor, -beta - 1));
    return [sub(direct, mul(mul(x, overChannels(shared, [after, before])), (2 * alpha * beta) / size))];
  },
  macs: ({ outputs }, { size }) => (size + 1) * sizeOf(outputs[0]!),
});

/** For each channel, the sum over those from `before` before it to `after` after it, or their mean: a product with a matrix. */
function overChannels(x: Value, [before, after]: readonly [number, number], kind: "sum" | "mean" = "sum"): Value {
  const channels = x.shape[1];
  if (typeof channels !== "number")
    throw new StriateError({
      subject: "local normalisation",
      found: `neighbours among an unknown number of channels, ${formatShape(x.shape)}`,
      expected: "a number",
      mend: "Bind the named dimensions first",
    });
  const band = Array.from({ length: channels * channels }, (_, place) => {
    const [channel, other] = [Math.floor(place / channels), place % channels];
    const [first, last] = [Math.max(0, channel - before), Math.min(channels - 1, channel + after)];
    return other < first || other > last ? 0 : kind === "sum" ? 1 : 1 / (last - first + 1);
  });
  const matrix = constant(tensor(band, [channels, channels], x.dtype));
  return reshapeLike(matmul(matrix, reshape(x, [0, channels, -1])), x);
}

/** How many channels, and how many elements along each spatial axis, around an element's own; "all" of them. */
export interface Neighbourhood {
  readonly channels: number | "all";
  readonly space: readonly number[] | "all";
}

/** The same as PyTorch's: the odd one of an even number is before. */
const reachBefore = (size: number): readonly [number, number] => {
  const [less, more] = reach(size);
  return [more, less];
};

/** For each element the sum or mean of what there is in its neighbourhood; axes that are taken whole have length 1. */
function around(x: Value, { channels, space }: Neighbourhood, kind: "sum" | "mean"): Value {
  const whole = (value: Value, axes: readonly number[]) =>
    (kind === "sum" ? reduceSum : reduceMean)(value, { axes, keepDimensions: true });
  const among = channels === "all" ? whole(x, [1]) : channels === 1 ? x : overChannels(x, reachBefore(channels), kind);
  if (space === "all")
    return whole(
      among,
      x.shape.slice(2).map((_, axis) => axis + 2),
    );
  // Along one axis after the other: as many taps as the window's sides are long, not as it has places.
  return space.reduce((value, length, axis) => {
    const at = (one: number, other: number) => space.map((_, each) => (each === axis ? one : other));
    const pads = reachBefore(length).flatMap((beyond) => at(beyond, 0));
    const window = { kernel_shape: at(length, 1), pads, count_include_pad: kind === "sum" ? 1 : 0 };
    return length === 1 ? value : kind === "sum" ? mul(averagePool(value, window), length) : averagePool(value, window);
  }, among);
}

/** Ways to normalise by what is in a neighbourhood, each with something small that keeps division possible. */
export const localNormalizations = {
  /** x / (epsilon + sum |x|) */
  l1: (x: Value, near: Neighbourhood, epsilon: number): Value => div(x, add(around(abs(x), near, "sum"), epsilon)),
  /** x / sqrt(epsilon + sum x^2) */
  l2: (x: Value, near: Neighbourhood, epsilon: number): Value =>
    div(x, sqrt(add(around(mul(x, x), near, "sum"), epsilon))),
  /** (x - mean) / sqrt(epsilon + variance) */
  standard: (x: Value, near: Neighbourhood, epsilon: number): Value => {
    // Without the sample's own mean first, so that the difference of squares keeps its digits.
    const own = reduceMean(x, { axes: x.shape.slice(1).map((_, axis) => axis + 1), keepDimensions: true });
    const centred = sub(x, own);
    const mean = around(centred, near, "mean");
    const variance = relu(sub(around(mul(centred, centred), near, "mean"), mul(mean, mean)));
    return div(sub(centred, mean), sqrt(add(variance, epsilon)));
  },
} as const;

/**
 * LRN; composed where ONNX Runtime lacks it: an even size, or other than four axes. The odd one of an even size is a
 * channel before, as PyTorch has it; ONNX's LRN has it after.
 */
export function localResponseNormalization(x: Value, attributes: Partial<LrnAttributes> & { size: number }): Value {
  const y = apply(LRN, [x], attributes)[0]!;
  const { size, alpha, beta, bias } = producerOf(y)!.attributes as unknown as LrnAttributes;
  if (size % 2 === 1 && x.shape.length === 4) return y;
  return mul(x, pow(add(mul(overChannels(mul(x, x), reachBefore(size)), alpha / size), bias), -beta));
}

/**
 * x / (bias + alpha / taps * the sum of squares under a window of so many taps around each, zeros beyond the border)^beta:
 * within its channel.
 */
export function spatialResponseNormalization(
  x: Value,
  { space, alpha, beta, bias }: Omit<LrnAttributes, "size"> & { space: readonly number[] },
): Value {
  const squares = around(mul(x, x), { channels: 1, space }, "sum");
  return mul(x, pow(add(mul(squares, alpha / sizeOf(space)), bias), -beta));
}

export const lpNormalization = (x: Value, axis: number, p: 1 | 2): Value =>
  apply(LpNormalization, [x], { axis, p })[0]!;
