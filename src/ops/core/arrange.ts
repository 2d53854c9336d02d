/** Operators that put tensors together and take them apart. */
import { StriateError } from "../../errors.ts";
import { apply, defineOp, notDifferentiable } from "../../graph/op.ts";
import { constant, constantOf, type Dimension, type Value } from "../../graph/value.ts";
import { allocate } from "../../tensor/dtype.ts";
import { formatShape, normaliseAxis, offsets, type Shape, sameShape, sizeOf, stridesOf } from "../../tensor/shape.ts";
import { Tensor, tensor } from "../../tensor/tensor.ts";
import { gather, shapeFrom, vector } from "./shape.ts";

type None = Record<never, never>;

/** Values joined along an axis. */
export const Concat = defineOp<{ axis: number }>({
  name: "Concat",
  domain: "",
  attributes: { axis: { kind: "int" } },
  arity: [1, Number.POSITIVE_INFINITY],
  infer: (inputs, { axis }) => {
    const first = inputs[0]!;
    const along = normaliseAxis(axis, first.shape.length, "Concat");
    const lengths = inputs.map((input) => input!.shape[along]!);
    for (const input of inputs)
      if (!sameShape(input!.shape.toSpliced(along, 1), first.shape.toSpliced(along, 1)))
        throw new StriateError({
          subject: "Concat",
          found: inputs.map((each) => formatShape(each!.shape)).join(", "),
          expected: `shapes that differ along axis ${along} only`,
        });
    const numbers = lengths.filter((length) => typeof length === "number");
    const total = numbers.length === lengths.length ? numbers.reduce((sum, each) => sum + each, 0) : lengths.join("+");
    return [{ dtype: first.dtype, shape: first.shape.with(along, total) }];
  },
  evaluate: (inputs, { axis }) => {
    const first = inputs[0]!;
    const along = normaliseAxis(axis, first.shape.length, "Concat");
    const total = inputs.reduce((sum, input) => sum + input!.shape[along]!, 0);
    const shape = first.shape.with(along, total);
    const data = allocate(first.dtype, sizeOf(shape)) as Float32Array<ArrayBuffer>;
    const strides = stridesOf(shape);
    let start = 0;
    for (const input of inputs) {
      const to = offsets(input!.shape, strides, start);
      for (let index = 0; index < to.length; index++) data[to[index]!] = input!.data[index] as number;
      start += input!.shape[along]! * strides[along]!;
    }
    return [new Tensor(first.dtype, shape, data)];
  },
  gradient: (node, [g]) => {
    if (!g) return [];
    const axis = normaliseAxis(node.attributes.axis as number, g.shape.length, "Concat");
    let start = 0;
    return node.inputs.map((input) => {
      const length = input!.shape[axis] as number;
      start += length;
      return slice(g, { axis, start: start - length, end: start });
    });
  },
});

export const concat = (values: readonly Value[], axis: number): Value => apply(Concat, values, { axis })[0]!;

/** A range along axes: starts, ends (exclusive, clamped), axes and steps are constant vectors. */
export const Slice = defineOp<None>({
  name: "Slice",
  domain: "",
  attributes: {},
  arity: [3, 5],
  infer: ([x, ...ranges]) => {
    const shape = [...x!.shape];
    for (const { axis, count } of sliceRanges(x!.shape, ranges.map(constantOf))) shape[axis] = count;
    return [{ dtype: x!.dtype, shape }];
  },
  evaluate: ([x, ...ranges]) => {
    const shape = [...x!.shape];
    const strides = stridesOf(x!.shape);
    let origin = 0;
    for (const { axis, start, step, count } of sliceRanges(x!.shape, ranges)) {
      shape[axis] = count;
      origin += start * strides[axis]!;
      strides[axis]! *= step;
    }
    return [gather(x!, shape, strides, origin)];
  },
  gradient: (node, [g]) => {
    if (!g) return [];
    const x = node.inputs[0]!;
    const pads = x.shape.map(() => [0, 0] as [number, number]);
    for (const { axis, start, step, count } of sliceRanges(x.shape, node.inputs.slice(1).map(constantOf))) {
      if (step !== 1)
        throw new StriateError({ subject: "Slice", found: `a step of ${step} in a gradient`, expected: "a step of 1" });
      pads[axis] = [start, (x.shape[axis] as number) - start - count];
    }
    return [pad(g, pads)];
  },
});

function sliceRanges(shape: readonly Dimension[], ranges: readonly (Tensor | undefined)[]) {
  const [starts, ends, axes, steps] = ranges.map((each) => each?.toArray());
  return starts!.map((from, index) => {
    const axis = normaliseAxis(axes?.[index] ?? index, shape.length, "Slice");
    const length = shape[axis];
    const step = steps?.[index] ?? 1;
    if (typeof length !== "number")
      throw new StriateError({ subject: "Slice", found: `axis ${axis} of unknown length`, expected: "a number" });
    const clamp = (place: number, low: number, high: number) =>
      Math.min(Math.max(place < 0 ? place + length : place, low), high);
    const start = step > 0 ? clamp(from, 0, length) : clamp(from, 0, length - 1);
    const end = step > 0 ? clamp(ends![index]!, 0, length) : clamp(ends![index]!, -1, length - 1);
    return { axis, start, step, count: Math.max(0, Math.ceil((end - start) / step)) };
  });
}

export const slice = (x: Value, range: { axis: number; start: number; end: number }): Value =>
  apply(Slice, [x, vector([range.start]), vector([range.end]), vector([range.axis])])[0]!;

/** Zeros before and after along each axis. */
export const Pad = defineOp<{ mode: string }>({
  name: "Pad",
  domain: "",
  attributes: { mode: { kind: "string", default: "constant" } },
  arity: [2, 2],
  infer: ([x, pads]) => {
    const amounts = shapeFrom(pads!, "Pad") as Shape;
    const rank = x!.shape.length;
    const shape = x!.shape.map((dimension, axis) => {
      const added = amounts[axis]! + amounts[axis + rank]!;
      return typeof dimension === "number" ? dimension + added : added === 0 ? dimension : `${dimension}+${added}`;
    });
    return [{ dtype: x!.dtype, shape }];
  },
  evaluate: ([x, pads]) => {
    const amounts = pads!.toArray();
    const rank = x!.shape.length;
    const shape = x!.shape.map((dimension, axis) => dimension + amounts[axis]! + amounts[axis + rank]!);
    const strides = stridesOf(shape);
    const start = amounts.slice(0, rank).reduce((sum, before, axis) => sum + before * strides[axis]!, 0);
    const data = allocate(x!.dtype, sizeOf(shape)) as Float32Array<ArrayBuffer>;
    const to = offsets(x!.shape, strides, start);
    for (let index = 0; index < to.length; index++) data[to[index]!] = x!.data[index] as number;
    return [new Tensor(x!.dtype, shape, data)];
  },
  gradient: (node, [g]) => {
    if (!g) return [];
    const amounts = shapeFrom(node.inputs[1]!, "Pad") as Shape;
    const shape = node.inputs[0]!.shape;
    const cropped = shape.reduce<Value>((value, dimension, axis) => {
      const start = amounts[axis]!;
      return start === 0 && amounts[axis + shape.length] === 0
        ? value
        : slice(value, { axis, start, end: start + (dimension as number) });
    }, g);
    return [cropped];
  },
});

export const pad = (x: Value, pads: readonly (readonly [number, number])[]): Value =>
  apply(Pad, [x, vector([...pads.map(([before]) => before), ...pads.map(([, after]) => after)])])[0]!;

/** A new last axis: the second of `values` where the index is, the first elsewhere. */
export const OneHot = defineOp<{ axis: number }>({
  name: "OneHot",
  domain: "",
  attributes: { axis: { kind: "int", default: -1 } },
  arity: [3, 3],
  infer: ([indices, depth, values], { axis }) => {
    const at = normaliseAxis(axis, indices!.shape.length + 1, "OneHot");
    return [{ dtype: values!.dtype, shape: indices!.shape.toSpliced(at, 0, Number(constantOf(depth)!.data[0])) }];
  },
  evaluate: ([indices, depth, values], { axis }) => {
    const classes = depth!.item();
    const at = normaliseAxis(axis, indices!.shape.length + 1, "OneHot");
    const shape = indices!.shape.toSpliced(at, 0, classes);
    const data = allocate(values!.dtype, sizeOf(shape)) as Float32Array<ArrayBuffer>;
    data.fill(values!.data[0] as number);
    const inner = sizeOf(indices!.shape.slice(at));
    indices!.toArray().forEach((index, position) => {
      const chosen = index < 0 ? index + classes : index;
      if (chosen < 0 || chosen >= classes) return;
      const outer = Math.floor(position / inner);
      data[(outer * classes + chosen) * inner + (position % inner)] = values!.data[1] as number;
    });
    return [new Tensor(values!.dtype, shape, data)];
  },
  gradient: notDifferentiable,
});

/** Rows of 0 with a 1 at each index. */
export const oneHot = (indices: Value, classes: number, axis = -1): Value =>
  apply(OneHot, [indices, constant(tensor([classes], [], "int64")), constant(tensor([0, 1]))], { axis })[0]!;
