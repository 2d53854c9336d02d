/** Whole slices of a tensor at indices: taking them, and putting them. */

import { StriateError } from "../../errors.ts";
import { dimensionsOf } from "../../graph/dimensions.ts";
import { apply, defineOp, type Op } from "../../graph/op.ts";
import { constant, constantOf, type Dimension, type Value } from "../../graph/value.ts";
import { allocate } from "../../tensor/dtype.ts";
import { formatShape, normaliseAxis, type Shape, sameShape, sizeOf, stridesOf } from "../../tensor/shape.ts";
import { scalar, Tensor } from "../../tensor/tensor.ts";
import { concat, slice } from "./arrange.ts";
import { expandLike, zerosLike } from "./broadcast.ts";
import { sub } from "./elementwise.ts";
import { combine, gradientOfScattered, type Reduction, reductionOf } from "./index.ts";
import { cumulativeSum } from "./order.ts";
import { transpose, unsqueeze } from "./shape.ts";

/** An index that may count from the end. */
function placed(index: number, length: number, subject: string): number {
  if (!(index >= -length && index < length))
    throw new StriateError({ subject, found: `index ${index}`, expected: `one from ${-length} to ${length - 1}` });
  return index < 0 ? index + length : index;
}

/**
 * Slices along an axis, at indices of any shape: its axes take the axis' place. x [.., n, ..], indices [..].
 * ONNX: https://onnx.ai/onnx/operators/onnx__Gather.html
 */
export const Gather = defineOp<{ axis: number }>({
  name: "Gather",
  domain: "",
  attributes: { axis: { kind: "int", default: 0 } },
  arity: [2, 2],
  infer: ([x, indices], { axis }) => {
    const along = normaliseAxis(axis, x!.shape.length, "Gather");
    return [{ dtype: x!.dtype, shape: [...x!.shape.slice(0, along), ...indices!.shape, ...x!.shape.slice(along + 1)] }];
  },
  evaluate: ([x, indices], { axis }) => {
    const along = normaliseAxis(axis, x!.shape.length, "Gather");
    const length = x!.shape[along]!;
    const inner = sizeOf(x!.shape.slice(along + 1));
    const outer = sizeOf(x!.shape.slice(0, along));
    const at = indices!.toArray().map((index) => placed(index, length, "Gather"));
    const data = allocate(x!.dtype, outer * at.length * inner);
    let position = 0;
    for (let row = 0; row < outer; row++)
      for (const index of at)
        for (let column = 0; column < inner; column++)
          data[position++] = x!.data[(row * length + index) * inner + column]!;
    return [new Tensor(x!.dtype, [...x!.shape.slice(0, along), ...indices!.shape, ...x!.shape.slice(along + 1)], data)];
  },
  dimensions: ([x, indices]) => {
    const [from, at] = [dimensionsOf(x!), constantOf(indices)?.toArray()];
    return from && at?.map((index) => from[placed(index, from.length, "Gather")]!);
  },
  gradient: (node, [g], { axis }) => {
    if (!g) return [];
    const [x, indices] = node.inputs as [Value, Value];
    const rank = x.shape.length;
    const along = normaliseAxis(axis, rank, "Gather");
    const chosen = indices.shape.length;
    const range = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => from + index);
    // The indexed axes first, in the gradient and in what it is added to.
    const first = [...range(along, along + chosen), ...range(0, along), ...range(along + chosen, rank - 1 + chosen)];
    const moved = [along, ...range(0, along), ...range(along + 1, rank)];
    const back = range(0, rank).map((axis) => moved.indexOf(axis));
    const sums = scatterNd(transpose(zerosLike(x), moved), unsqueeze(indices, [chosen]), transpose(g, first), "add");
    return [transpose(sums, back)];
  },
});

interface Places {
  /** The flat offset at which each slice starts. */
  readonly starts: Int32Array;
  /** How many elements a slice has. */
  readonly size: number;
}

/** Where tuples of indices, the rows of the last axis, point in a tensor, after `batch` axes that both have. */
function placesOf(subject: string, shape: Shape, indices: Tensor, batch: number): Places {
  const depth = indices.shape.at(-1)!;
  const strides = stridesOf(shape);
  const starts = new Int32Array(depth === 0 ? sizeOf(indices.shape.slice(0, -1)) : indices.size / depth);
  const each = sizeOf(indices.shape.slice(batch, -1));
  const batchSize = sizeOf(shape.slice(batch));
  for (let row = 0; row < starts.length; row++) {
    let start = Math.floor(row / each) * (batch === 0 ? 0 : batchSize);
    for (let axis = 0; axis < depth; axis++)
      start += placed(Number(indices.data[row * depth + axis]), shape[batch + axis]!, subject) * strides[batch + axis]!;
    starts[row] = start;
  }
  return { starts, size: sizeOf(shape.slice(batch + depth)) };
}

/** The lengths of the tuples that indices are. */
function depthOf(subject: string, x: Value, indices: Value, batch: number): number {
  const depth = indices.shape.at(-1);
  if (typeof depth !== "number" || batch < 0 || batch >= indices.shape.length || batch + depth > x.shape.length)
    throw new StriateError({
      subject,
      found: `indices of ${formatShape(indices.shape)} for ${formatShape(x.shape)}, ${batch} axes of them a batch`,
      expected: "a last axis no longer than the operand has axes",
    });
  return depth;
}

/**
 * Slices at tuples of indices: x [batch axes, a1 .. ak, rest], indices [batch axes, .., k] give [batch axes, .., rest].
 * ONNX: https://onnx.ai/onnx/operators/onnx__GatherND.html
 */
export const GatherND = defineOp<{ batch_dims: number }>({
  name: "GatherND",
  domain: "",
  attributes: { batch_dims: { kind: "int", default: 0 } },
  arity: [2, 2],
  infer: ([x, indices], { batch_dims }) => {
    const depth = depthOf("GatherND", x!, indices!, batch_dims);
    return [{ dtype: x!.dtype, shape: [...indices!.shape.slice(0, -1), ...x!.shape.slice(batch_dims + depth)] }];
  },
  evaluate: ([x, indices], { batch_dims }) => {
    const { starts, size } = placesOf("GatherND", x!.shape, indices!, batch_dims);
    const data = allocate(x!.dtype, starts.length * size);
    for (let row = 0; row < starts.length; row++)
      for (let index = 0; index < size; index++) data[row * size + index] = x!.data[starts[row]! + index]!;
    const shape = [...indices!.shape.slice(0, -1), ...x!.shape.slice(batch_dims + indices!.shape.at(-1)!)];
    return [new Tensor(x!.dtype, shape, data)];
  },
  gradient: (node, [g], { batch_dims }) => {
    if (!g) return [];
    const [x, indices] = node.inputs as [Value, Value];
    const places = withPlaces(indices, batch_dims);
    return [scatterNd(zerosLike(x), places, g, "add")];
  },
});

/** Tuples of indices with their own places along the first `batch` axes before them. */
function withPlaces(indices: Value, batch: number): Value {
  if (batch === 0) return indices;
  const first = slice(indices, { axis: indices.shape.length - 1, start: 0, end: 1 });
  const ones = expandLike(constant(scalar(1, indices.dtype)), first);
  const places = Array.from({ length: batch }, (_, axis) => sub(cumulativeSum(ones, axis), 1));
  return concat([...places, indices], indices.shape.length - 1);
}

/**
 * A copy of the first operand with slices of the third at tuples of indices: put there, added, multiplied, or the
 * larger or smaller kept. ONNX: https://onnx.ai/onnx/operators/onnx__ScatterND.html
 */
export const ScatterND: Op<{ reduction: string }> = defineOp<{ reduction: string }>({
  name: "ScatterND",
  domain: "",
  attributes: { reduction: { kind: "string", default: "none" } },
  arity: [3, 3],
  infer: ([x, indices, updates], { reduction }) => {
    const depth = depthOf("ScatterND", x!, indices!, 0);
    reductionOf("ScatterND", reduction);
    const expected: Dimension[] = [...indices!.shape.slice(0, -1), ...x!.shape.slice(depth)];
    if (
      updates!.shape.length !== expected.length ||
      (isFixed(expected, updates!.shape) && !sameShape(expected, updates!.shape))
    )
      throw new StriateError({
        subject: "ScatterND",
        found: `updates of ${formatShape(updates!.shape)}`,
        expected: formatShape(expected),
      });
    return [x!];
  },
  evaluate: ([x, indices, updates], { reduction }) => {
    const { starts, size } = placesOf("ScatterND", x!.shape, indices!, 0);
    const data = x!.data.slice();
    const into = combine[reductionOf("ScatterND", reduction)];
    for (let row = 0; row < starts.length; row++)
      for (let index = 0; index < size; index++) {
        const at = starts[row]! + index;
        data[at] = into(data[at]!, updates!.data[row * size + index]!);
      }
    return [new Tensor(x!.dtype, x!.shape, data)];
  },
  gradient: (node, [g], { reduction }) => {
    if (!g) return [];
    const indices = node.inputs[1]!;
    return gradientOfScattered(node, g, {
      taken: (from) => apply(GatherND, [from, indices])[0]!,
      put: (onto, updates, how) => scatterNd(onto, indices, updates, how),
      reduction: reduction as Reduction,
    });
  },
});

const isFixed = (...shapes: readonly (readonly Dimension[])[]): boolean =>
  shapes.every((shape) => shape.every((dimension) => typeof dimension === "number"));

export const gatherAt = (x: Value, indices: Value, axis = 0): Value => apply(Gather, [x, indices], { axis })[0]!;
const scatterNd = (x: Value, indices: Value, updates: Value, reduction: Reduction): Value =>
  apply(ScatterND, [x, indices, updates], { reduction })[0]!;
