/** Reductions along axes. */
import { StriateError } from "../../errors.ts";
import { apply, defineOp, type Op } from "../../graph/op.ts";
import { constant, constantOf, type Dimension, fixedShape, type Value } from "../../graph/value.ts";
import { allocate } from "../../tensor/dtype.ts";
import { broadcastStrides, normaliseAxis, offsets, type Shape, sizeOf } from "../../tensor/shape.ts";
import { Tensor, tensor } from "../../tensor/tensor.ts";
import { expandLike } from "./broadcast.ts";
import { cast, div, equal, mul, where } from "./elementwise.ts";
import { reshape, shapeOf, unsqueeze } from "./shape.ts";

interface ReduceAttributes {
  keepdims: number;
  noop_with_empty_axes: number;
}

export interface ReduceOptions {
  /** The axes that go; all of them by default. Negative axes count from the last. */
  readonly axes?: readonly number[];
  /** Keep reduced axes with length 1. */
  readonly keepDimensions?: boolean;
}

/**
 * Which axes a node reduces, from its constant second operand.
 * @throws StriateError when there is no such axis
 */
function reducedAxes(rank: number, axes: Tensor | undefined, { noop_with_empty_axes }: ReduceAttributes): boolean[] {
  const given = axes?.toArray() ?? [];
  if (given.length === 0) return new Array(rank).fill(noop_with_empty_axes === 0);
  const reduced = new Array<boolean>(rank).fill(false);
  for (const axis of given) reduced[normaliseAxis(axis, rank, "reduction")] = true;
  return reduced;
}

const drop = <T extends Dimension>(shape: readonly T[], reduced: boolean[], keep: boolean): (T | 1)[] =>
  keep ? shape.map((each, axis) => (reduced[axis] ? 1 : each)) : shape.filter((_, axis) => !reduced[axis]);

interface Reduction {
  readonly start: number;
  readonly step: (accumulated: number, value: number) => number;
  readonly finish?: (accumulated: number, count: number) => number;
  /** The gradient of the input from that of the output, both with reduced axes kept. */
  readonly gradient: (g: Value, x: Value, y: Value) => Value;
}

function reduction(name: string, { start, step, finish, gradient }: Reduction): Op<ReduceAttributes> {
  return defineOp<ReduceAttributes>({
    name,
    domain: "",
    attributes: { keepdims: { kind: "int", default: 1 }, noop_with_empty_axes: { kind: "int", default: 0 } },
    arity: [1, 2],
    settings: [1],
    infer: ([x, axes], attributes) => {
      if (axes && !constantOf(axes))
        throw new StriateError({ subject: name, found: "axes that depend on the data", expected: "constant axes" });
      const reduced = reducedAxes(x!.shape.length, constantOf(axes), attributes);
      return [{ dtype: x!.dtype, shape: drop(x!.shape, reduced, attributes.keepdims === 1) }];
    },
    evaluate: ([x, axes], attributes) => {
      const reduced = reducedAxes(x!.shape.length, axes, attributes);
      const kept = drop(x!.shape, reduced, true);
      const at = offsets(x!.shape, broadcastStrides(kept, x!.shape));
      const sums = new Float64Array(sizeOf(kept)).fill(start);
      for (let index = 0; index < at.length; index++)
        sums[at[index]!] = step(sums[at[index]!]!, Number(x!.data[index]!));
      const count = sizeOf(x!.shape) / Math.max(1, sums.length);
      const data = allocate(x!.dtype, sums.length);
      const bigint = data instanceof BigInt64Array || data instanceof BigUint64Array;
      for (let index = 0; index < data.length; index++) {
        const value = finish ? finish(sums[index]!, count) : sums[index]!;
        data[index] = bigint ? BigInt(Math.trunc(value)) : value;
      }
      return [new Tensor(x!.dtype, drop(x!.shape, reduced, attributes.keepdims === 1) as Shape, data)];
    },
    gradient: (node, [g], attributes) => {
      if (!g) return [];
      const x = node.inputs[0]!;
      const reduced = reducedAxes(x.shape.length, constantOf(node.inputs[1]), attributes);
      const keep = (value: Value) =>
        attributes.keepdims === 1
          ? value
          : unsqueeze(
              value,
              reduced.flatMap((each, axis) => (each ? [axis] : [])),
            );
      return [gradient(keep(g), x, keep(node.outputs[0]!))];
    },
  });
}

/** The axes along which y, a reduction of x with its axes kept, is shorter. */
const foldedAxes = (x: Value, y: Value): number[] =>
  x.shape.flatMap((dimension, axis) => (y.shape[axis] === 1 && dimension !== 1 ? [axis] : []));

/** How many elements of x each element of y stands for, as a number where shapes are fixed. */
export function elementsPer(x: Value, y: Value): Value | number {
  const [from, to] = [fixedShape(x), fixedShape(y)];
  if (from && to) return sizeOf(from) / sizeOf(to);
  const size = (value: Value) => cast(reduceProduct(shapeOf(value)), x.dtype);
  return reshape(div(size(x), size(y)), constant(tensor([], [0], "int64")));
}

export const ReduceSum = reduction("ReduceSum", {
  start: 0,
  step: (sum, value) => sum + value,
  gradient: (g, x) => expandLike(g, x),
});
export const ReduceMean = reduction("ReduceMean", {
  start: 0,
  step: (sum, value) => sum + value,
  finish: (sum, count) => sum / count,
  gradient: (g, x, y) => expandLike(div(g, elementsPer(x, y)), x),
});
/** The gradient of one of the elements, the largest or smallest: equal ones share it. */
function ofChosen(g: Value, x: Value, y: Value): Value {
  const mask = cast(equal(x, expandLike(y, x)), x.dtype);
  const axes = foldedAxes(x, y);
  const ties = axes.length === 0 ? mask : reduceSum(mask, { axes, keepDimensions: true });
  return mul(mask, expandLike(div(g, ties), x));
}

/** The largest along the axes. Equal largest elements share the gradient. */
export const ReduceMax = reduction("ReduceMax", { start: -Infinity, step: Math.max, gradient: ofChosen });
/** The smallest along the axes. Equal smallest elements share the gradient. */
export const ReduceMin = reduction("ReduceMin", { start: Infinity, step: Math.min, gradient: ofChosen });
/** The product along the axes. Where one factor is zero, the gradient is its own; where more are, there is none. */
export const ReduceProd: Op<ReduceAttributes> = reduction("ReduceProd", {
  start: 1,
  step: (product, value) => product * value,
  gradient: (g, x, y) => {
    const axes = foldedAxes(x, y);
    if (axes.length === 0) return g;
    const isZero = equal(x, 0);
    const others = where(isZero, 1, x);
    const product = reduce(ReduceProd, others, { axes, keepDimensions: true });
    const zeros = reduceSum(cast(isZero, x.dtype), { axes, keepDimensions: true });
    const ofZero = where(equal(zeros, 1), product, 0);
    const ofOthers = where(equal(zeros, 0), product, 0);
    return mul(g, where(isZero, ofZero, div(ofOthers, others)));
  },
});

function reduce(op: Op<ReduceAttributes>, x: Value, { axes, keepDimensions = false }: ReduceOptions): Value {
  const inputs = axes === undefined ? [x] : [x, constant(tensor(axes, [axes.length], "int64"))];
  return apply(op, inputs, { keepdims: keepDimensions ? 1 : 0 })[0]!;
}

export const reduceSum = (x: Value, options: ReduceOptions = {}): Value => reduce(ReduceSum, x, options);
export const reduceMean = (x: Value, options: ReduceOptions = {}): Value => reduce(ReduceMean, x, options);
export const reduceMax = (x: Value, options: ReduceOptions = {}): Value => reduce(ReduceMax, x, options);
const reduceProduct = (x: Value): Value => reduce(ReduceProd, x, {});
