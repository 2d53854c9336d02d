/** Normalisations by a norm along an axis, and by the neighbouring channels. */
import { StriateError } from "../errors.ts";
import { apply, defineOp } from "../graph/op.ts";
import { constant, producerOf, type Value } from "../graph/value.ts";
import { allocate } from "../tensor/dtype.ts";
import { broadcastStrides, formatShape, normaliseAxis, offsets, sizeOf } from "../tensor/shape.ts";
import { Tensor, tensor } from "../tensor/tensor.ts";
import { abs, add, div, equal, mul, pow, sign, sqrt, sub, where } from "./core/elementwise.ts";
import { reduceSum } from "./core/reduce.ts";
import { reshape, reshapeLike } from "./core/shape.ts";
import { matmul } from "./matmul.ts";

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
  gradient: (node, [g]) => {
    if (!g) return [];
    const [x] = node.inputs as [Value];
    const { axis, p } = node.attributes as { axis: number; p: number };
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
const reach = (size: number): readonly [number, number] => [Math.floor((size - 1) / 2), Math.ceil((size - 1) / 2)];

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
  gradient: (node, [g]) => {
    if (!g) return [];
    const [x] = node.inputs as [Value];
    const { size, alpha, beta, bias } = node.attributes as unknown as LrnAttributes;
    const [before, after] = reach(size);
    const divisor = add(mul(sumOfChannels(mul(x, x), before, after), alpha / size), bias);
    const direct = mul(g, pow(divisor, -beta));
    const shared = mul(mul(g, x), pow(divisor, -beta - 1));
    return [sub(direct, mul(mul(x, sumOfChannels(shared, after, before)), (2 * alpha * beta) / size))];
  },
  macs: ({ outputs }, { size }) => (size + 1) * sizeOf(outputs[0]!),
});

/** For each channel, the sum over those from `before` before it to `after` after it: a product with a banded matrix. */
function sumOfChannels(x: Value, before: number, after: number): Value {
  const channels = x.shape[1];
  if (typeof channels !== "number")
    throw new StriateError({
      subject: "LRN",
      found: `a gradient over an unknown number of channels, ${formatShape(x.shape)}`,
      expected: "a number",
      mend: "Bind the named dimensions first",
    });
  const band = Array.from({ length: channels * channels }, (_, place) => {
    const distance = (place % channels) - Math.floor(place / channels);
    return distance >= -before && distance <= after ? 1 : 0;
  });
  const matrix = constant(tensor(band, [channels, channels], x.dtype));
  return reshapeLike(matmul(matrix, reshape(x, [0, channels, -1])), x);
}

/**
 * LRN; composed where ONNX Runtime lacks it: an even size, or other than four axes. The odd one of an even size is a
 * channel before, as PyTorch has it; ONNX's LRN has it after.
 */
export function localResponseNormalization(x: Value, attributes: Partial<LrnAttributes> & { size: number }): Value {
  const y = apply(LRN, [x], attributes)[0]!;
  const { size, alpha, beta, bias } = producerOf(y)!.attributes as unknown as LrnAttributes;
  if (size % 2 === 1 && x.shape.length === 4) return y;
  const [less, more] = reach(size);
  const squares = sumOfChannels(mul(x, x), more, less);
  return mul(x, pow(add(mul(squares, alpha / size), bias), -beta));
}
export const lpNormalization = (x: Value, axis: number, p: 1 | 2): Value =>
  apply(LpNormalization, [x], { axis, p })[0]!;
