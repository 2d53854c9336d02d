/** Stochastic pooling: M. Zeiler and R. Fergus, "Stochastic pooling for regularization of deep networks", ICLR 2013. */
import { apply, defineOp, type Op, striateDomain } from "../graph/op.ts";
import { constant, randomValue, type Value } from "../graph/value.ts";
import { allocate } from "../tensor/dtype.ts";
import { sizeOf } from "../tensor/shape.ts";
import { Tensor, tensor } from "../tensor/tensor.ts";
import { div, equal, greater, mul, relu, sub, where } from "./core/elementwise.ts";
import { LessOrEqual } from "./core/logic.ts";
import { reduceMax, reduceSum } from "./core/reduce.ts";
import { reshape, reshapeLike, shapeOf } from "./core/shape.ts";
import { matmul } from "./matmul.ts";
import { unfold } from "./patches.ts";
import { AveragePoolGradient, averagePool, inferPool, type PoolAttributes, poolAxes, visitTaps } from "./pool.ts";
import { explicitWindow } from "./pooling.ts";

type StochasticPoolAttributes = Omit<PoolAttributes, "auto_pad">;

/** The same window for the operators that can do more. */
const windowOf = (attributes: StochasticPoolAttributes) => ({ auto_pad: "NOTSET", ...attributes });

/**
 * With a the elements under a window that are above 0 and p = a / sum a, what one drawn with probability p is on average:
 * sum of p a; 0 where none is above 0. In training one is drawn, by numbers that are an input of the graph, and has the
 * whole gradient.
 */
export const StochasticPool: Op<StochasticPoolAttributes> = defineOp<StochasticPoolAttributes>({
  name: "StochasticPool",
  domain: striateDomain,
  attributes: {
    dilations: { kind: "ints" },
    kernel_shape: { kind: "ints" },
    pads: { kind: "ints" },
    strides: { kind: "ints" },
    ceil_mode: { kind: "int", default: 0 },
  },
  arity: [1, 1],
  infer: ([x], attributes) => inferPool("StochasticPool", x!, windowOf(attributes)),
  evaluate: ([x], attributes) => {
    const axes = poolAxes(x!.shape, windowOf(attributes));
    const shape = [...x!.shape.slice(0, 2), ...axes.map((axis) => axis.output)];
    const [sums, squares] = [new Float64Array(sizeOf(shape)), new Float64Array(sizeOf(shape))];
    visitTaps(x!.shape, axes, (output, from) => {
      const element = Math.max(0, x!.numbers[from]!);
      sums[output]! += element;
      squares[output]! += element * element;
    });
    const data = allocate(x!.dtype, sums.length);
    for (let index = 0; index < data.length; index++) data[index] = squares[index]! / (sums[index]! || 1);
    return [new Tensor(x!.dtype, shape, data)];
  },
  gradient: (node, [g], attributes) => {
    if (!g) return [];
    const [x] = node.inputs as [Value];
    const { sum, isEmpty, mean } = parts(x, attributes);
    const share = where(isEmpty, 0, div(g, sum), x.dtype);
    const spread = (value: Value) =>
      apply(AveragePoolGradient, [value, shapeOf(x)], { ...windowOf(attributes), count_include_pad: 0 })[0]!;
    const change = sub(mul(mul(x, 2), spread(share)), spread(mul(share, mean)));
    return [where(greater(x, 0), change, 0, x.dtype)];
  },
  training: (node, attributes, unique) => {
    const [x] = node.inputs as [Value];
    const { dtype, shape } = node.outputs[0]!;
    const draws = randomValue(unique(`${node.scope || "stochasticPool"}.uniform`), { dtype, shape }, "uniform");
    return { outputs: [drawn(x, draws, attributes)] };
  },
  composition: ([x], attributes) => [parts(x!, attributes).mean],
});

/** Means over windows of what is above 0 (1 where nothing is), where nothing is, and what one drawn is on average. */
function parts(x: Value, attributes: StochasticPoolAttributes) {
  const positive = relu(x);
  const window = windowOf(attributes);
  const mean = averagePool(positive, window);
  const isEmpty = equal(mean, 0);
  const sum = where(isEmpty, 1, mean, x.dtype);
  return { sum, isEmpty, mean: div(averagePool(mul(positive, positive), window), sum) };
}

/**
 * Of each window's elements above 0, in row-major order, the first whose sum with those before it is above `draws` times the
 * sum of all; draws are in [0, 1), of the output's shape.
 */
function drawn(x: Value, draws: Value, attributes: StochasticPoolAttributes): Value {
  const { kernel_shape: kernel, strides: stride, dilations: dilation } = attributes;
  const { pads: padding } = explicitWindow("StochasticPool", x, windowOf(attributes));
  const taps = sizeOf(kernel!);
  const columns = unfold(relu(x), { kernel: kernel!, stride, dilation, padding });
  const elements = reshape(columns, [0, x.shape[1] as number, taps, -1]);
  const earlier = Array.from({ length: taps * taps }, (_, place) => (place % taps < Math.floor(place / taps) ? 1 : 0));
  const before = matmul(constant(tensor(earlier, [taps, taps], x.dtype)), elements);
  const across = { axes: [2], keepDimensions: true };
  const mark = mul(reshape(draws, [0, 0, 1, -1]), reduceSum(elements, across));
  const isCandidate = apply(LessOrEqual, [before, mark])[0]!;
  const order = constant(
    tensor(
      Array.from({ length: taps }, (_, tap) => tap + 1),
      [taps, 1],
      x.dtype,
    ),
  );
  const rank = where(isCandidate, where(greater(elements, 0), order, 0, x.dtype), 0, x.dtype);
  const chosen = equal(rank, reduceMax(rank, across));
  return reshapeLike(reduceSum(where(chosen, elements, 0, x.dtype), { axes: [2] }), draws);
}

/** @throws StriateError when the windows do not fit */
export const stochasticPool = (x: Value, attributes: Partial<StochasticPoolAttributes>): Value =>
  apply(StochasticPool, [x], attributes)[0]!;
