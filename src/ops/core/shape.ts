/** Operators that move elements about without changing them, and those that ask for shapes. */
import { StriateError } from "../../errors.ts";
import { dimensionsOf } from "../../graph/dimensions.ts";
import { apply, defineOp, notDifferentiable } from "../../graph/op.ts";
import { constant, constantOf, type Dimension, fixedShape, type Value } from "../../graph/value.ts";
import { allocate } from "../../tensor/dtype.ts";
import { formatShape, normaliseAxis, offsets, type Shape, sameShape, sizeOf, stridesOf } from "../../tensor/shape.ts";
import { Tensor, tensor } from "../../tensor/tensor.ts";

type None = Record<never, never>;

/** A constant vector of 64-bit integers. */
export const vector = (numbers: readonly number[]): Value => constant(tensor(numbers, [numbers.length], "int64"));

interface ShapeAttributes {
  start: number;
  end?: number;
}

/** The part of a shape from an axis to another, exclusive; both may count from the end and are clamped. */
const between = <T>(shape: readonly T[], { start, end }: ShapeAttributes): readonly T[] => shape.slice(start, end);

/** The shape of a value, or its part from `start` to `end`, as a vector of 64-bit integers. */
export const Shape_ = defineOp<ShapeAttributes>({
  name: "Shape",
  domain: "",
  attributes: { start: { kind: "int", default: 0 }, end: { kind: "int" } },
  arity: [1, 1],
  infer: ([x], part) => [{ dtype: "int64", shape: [between(x!.shape, part).length] }],
  evaluate: ([x], part) => {
    const shape = between(x!.shape, part);
    return [tensor(shape, [shape.length], "int64")];
  },
  fold: ([x], part) => {
    const shape = fixedShape({ dtype: "int64", shape: between(x!.shape, part) });
    return shape && [tensor(shape, [shape.length], "int64")];
  },
  dimensions: ([x], part) => between(x!.shape, part),
  gradient: notDifferentiable,
});

/** A dimension with a number added; what was added to a name before is counted in: `height-2` and 2 give `height`. */
export function lengthened(dimension: string, amount: number): string;
export function lengthened(dimension: Dimension, amount: number): Dimension;
export function lengthened(dimension: Dimension, amount: number): Dimension {
  if (typeof dimension === "number") return dimension + amount;
  const [, name, added] = /^(.*?)([+-]\d+)?$/.exec(dimension)!;
  const total = Number(added ?? 0) + amount;
  return total === 0 ? name! : `${name}${total > 0 ? "+" : ""}${total}`;
}

export function shapeOf(x: Value): Value {
  const shape = fixedShape(x);
  return shape ? vector(shape) : apply(Shape_, [x])[0]!;
}

/** The dimensions that a vector of 64-bit integers stands for, when it is a constant or made of shapes of values. */
export function shapeFrom(shape: Value, subject: string): readonly Dimension[] {
  const known = dimensionsOf(shape) ?? constantOf(shape)?.toArray();
  if (known) return known;
  throw new StriateError({
    subject,
    found: "a shape that depends on the data",
    expected: "a constant or the shape of another value",
  });
}

/**
 * The lengths of the axes from one to another, as numbers.
 * @throws StriateError where one has only a name
 */
export function lengthsOf(subject: string, x: Value, from: number, to?: number): readonly number[] {
  const lengths = x.shape.slice(from, to);
  const unknown = lengths.find((length) => typeof length === "string");
  if (unknown !== undefined)
    throw new StriateError({
      subject,
      found: `an axis of unknown length ${unknown}`,
      expected: "numbers",
      mend: "Bind the named dimensions first",
    });
  return lengths as readonly number[];
}

/**
 * The same elements in row-major order under another shape: 0 keeps the input's dimension, -1 takes what is left.
 * ONNX: https://onnx.ai/onnx/operators/onnx__Reshape.html
 */
export const Reshape = defineOp<{ allowzero: number }>({
  name: "Reshape",
  domain: "",
  attributes: { allowzero: { kind: "int", default: 0 } },
  arity: [2, 2],
  settings: [1],
  infer: ([x, shape], { allowzero }) => [
    { dtype: x!.dtype, shape: resolveShape(x!.shape, shapeFrom(shape!, "Reshape"), allowzero === 1) },
  ],
  evaluate: ([x, shape], { allowzero }) => [
    x!.reshape(resolveShape(x!.shape, shape!.toArray(), allowzero === 1) as Shape),
  ],
  gradient: (node, [g]) => [g && reshapeLike(g, node.inputs[0]!)],
});

function resolveShape(from: readonly Dimension[], to: readonly Dimension[], allowZero: boolean): Dimension[] {
  const shape = to.map((dimension, axis) => (dimension === 0 && !allowZero ? from[axis]! : dimension));
  const wrong = (): never => {
    throw new StriateError({
      subject: "Reshape",
      found: `${formatShape(from)} to ${formatShape(to)}`,
      expected: "as many elements after as before",
    });
  };
  const unknown = shape.indexOf(-1);
  const numbers = (dimensions: readonly Dimension[]) => dimensions.filter((each) => typeof each === "number");
  const names = (dimensions: readonly Dimension[]) => dimensions.filter((each) => typeof each === "string").sort();
  if (unknown < 0) {
    if (sameShape(names(from), names(shape)) && sizeOf(numbers(from)) !== sizeOf(numbers(shape))) wrong();
    return shape;
  }
  const rest = shape.filter((_, axis) => axis !== unknown);
  const left = names(from);
  const absent = names(rest).filter((name) => {
    const at = left.indexOf(name);
    if (at >= 0) left.splice(at, 1);
    return at < 0;
  });
  const quotient = sizeOf(numbers(from)) / sizeOf(numbers(rest));
  if (left.length === 0 && absent.length === 0) {
    if (!Number.isInteger(quotient)) wrong();
    shape[unknown] = quotient;
  } else {
    const product = [...(quotient === 1 && left.length > 0 ? [] : [quotient]), ...left].join("*");
    shape[unknown] = [product, ...absent].join("/");
  }
  return shape;
}

export const reshape = (x: Value, shape: Value | readonly number[]): Value =>
  apply(Reshape, [x, "source" in shape ? shape : vector(shape)])[0]!;
export const reshapeLike = (x: Value, like: Value): Value =>
  sameShape(x.shape, like.shape) ? x : reshape(x, shapeOf(like));

/** Two axes: the product of those before `axis`, and of the rest. */
export const Flatten = defineOp<{ axis: number }>({
  name: "Flatten",
  domain: "",
  attributes: { axis: { kind: "int", default: 1 } },
  arity: [1, 1],
  infer: ([x], { axis }) => [{ dtype: x!.dtype, shape: flatShape(x!.shape, axis) }],
  evaluate: ([x], { axis }) => [x!.reshape(flatShape(x!.shape, axis) as Shape)],
  gradient: (node, [g]) => [g && reshapeLike(g, node.inputs[0]!)],
});

function flatShape(shape: readonly Dimension[], axis: number): Dimension[] {
  const split = axis === shape.length ? axis : normaliseAxis(axis, shape.length, "Flatten");
  const product = (dimensions: readonly Dimension[]): Dimension => {
    const names = dimensions.filter((each) => typeof each === "string");
    const size = sizeOf(dimensions.filter((each) => typeof each === "number"));
    return names.length === 0 ? size : [...(size === 1 ? [] : [size]), ...names].join("*");
  };
  return [product(shape.slice(0, split)), product(shape.slice(split))];
}

export const flatten = (x: Value, axis = 1): Value => apply(Flatten, [x], { axis })[0]!;

/** Axes in another order: axis i of the result is axis `perm[i]` of the input. By default reversed. */
export const Transpose = defineOp<{ perm?: readonly number[] }>({
  name: "Transpose",
  domain: "",
  attributes: { perm: { kind: "ints" } },
  arity: [1, 1],
  infer: ([x], { perm }) => [{ dtype: x!.dtype, shape: order(x!.shape.length, perm).map((axis) => x!.shape[axis]!) }],
  evaluate: ([x], { perm }) => {
    const axes = order(x!.shape.length, perm);
    const shape = axes.map((axis) => x!.shape[axis]!);
    const strides = stridesOf(x!.shape);
    return [
      gather(
        x!,
        shape,
        axes.map((axis) => strides[axis]!),
      ),
    ];
  },
  gradient: (node, [g], { perm }) => {
    const axes = order(node.inputs[0]!.shape.length, perm);
    const inverse = axes.map((_, axis) => axes.indexOf(axis));
    return [g && transpose(g, inverse)];
  },
});

function order(rank: number, permutation: readonly number[] | undefined): readonly number[] {
  const axes = permutation ?? Array.from({ length: rank }, (_, axis) => rank - 1 - axis);
  if (axes.length !== rank || new Set(axes).size !== rank || axes.some((axis) => axis < 0 || axis >= rank))
    throw new StriateError({ subject: "Transpose", found: `order [${axes}]`, expected: `each of ${rank} axes once` });
  return axes;
}

/** The elements of a tensor that strides lead to, as a tensor of `shape`. */
export function gather(x: Tensor, shape: Shape, strides: readonly number[], start = 0): Tensor {
  const at = offsets(shape, strides, start);
  const data = allocate(x.dtype, at.length);
  for (let index = 0; index < data.length; index++) data[index] = x.data[at[index]!]!;
  return new Tensor(x.dtype, shape, data);
}

export const transpose = (x: Value, axes?: readonly number[]): Value => apply(Transpose, [x], { perm: axes })[0]!;

/** Adds axes of length 1, at the places they have in the result. */
export const Unsqueeze = defineOp<None>({
  name: "Unsqueeze",
  domain: "",
  attributes: {},
  arity: [2, 2],
  settings: [1],
  dimensions: ([x, axes]) => (axes!.shape[0] === 1 ? dimensionsOf(x!) : undefined),
  infer: ([x, axes]) => [{ dtype: x!.dtype, shape: unsqueezed(x!.shape, shapeFrom(axes!, "Unsqueeze") as Shape) }],
  evaluate: ([x, axes]) => [x!.reshape(unsqueezed(x!.shape, axes!.toArray()) as Shape)],
  gradient: (node, [g]) => [g && reshapeLike(g, node.inputs[0]!)],
});

function unsqueezed(shape: readonly Dimension[], axes: Shape): Dimension[] {
  const rank = shape.length + axes.length;
  const added = new Set(axes.map((axis) => normaliseAxis(axis, rank, "Unsqueeze")));
  if (added.size !== axes.length)
    throw new StriateError({ subject: "Unsqueeze", found: `axes [${axes}]`, expected: "each axis once" });
  const rest = [...shape];
  return Array.from({ length: rank }, (_, axis) => (added.has(axis) ? 1 : rest.shift()!));
}

export const unsqueeze = (x: Value, axes: readonly number[]): Value =>
  axes.length === 0 ? x : apply(Unsqueeze, [x, vector(axes)])[0]!;

/** Takes away axes of length 1: those given, or all. ONNX: https://onnx.ai/onnx/operators/onnx__Squeeze.html */
export const Squeeze = defineOp<None>({
  name: "Squeeze",
  domain: "",
  attributes: {},
  arity: [1, 2],
  settings: [1],
  infer: ([x, axes]) => [{ dtype: x!.dtype, shape: squeezed(x!.shape, axes && shapeFrom(axes, "Squeeze")) }],
  evaluate: ([x, axes]) => [x!.reshape(squeezed(x!.shape, axes?.toArray()) as Shape)],
  dimensions: ([x]) => dimensionsOf(x!),
  gradient: (node, [g]) => [g && reshapeLike(g, node.inputs[0]!)],
});

function squeezed(shape: readonly Dimension[], axes: readonly Dimension[] | undefined): Dimension[] {
  if (axes === undefined) return shape.filter((length) => length !== 1);
  const gone = new Set(axes.map((axis) => normaliseAxis(axis as number, shape.length, "Squeeze")));
  for (const axis of gone)
    if (typeof shape[axis] === "number" && shape[axis] !== 1)
      throw new StriateError({
        subject: "Squeeze",
        found: `axis ${axis} of ${formatShape(shape)}`,
        expected: "length 1",
      });
  return shape.filter((_, axis) => !gone.has(axis));
}

export const squeeze = (x: Value, axes: readonly number[]): Value =>
  axes.length === 0 ? x : apply(Squeeze, [x, vector(axes)])[0]!;
