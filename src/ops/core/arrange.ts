/** Operators that put tensors together and take them apart. */
import { StriateError } from "../../errors.ts";
import { dimensionsOf } from "../../graph/dimensions.ts";
import { apply, defineOp, type Op } from "../../graph/op.ts";
import { constant, constantOf, type Dimension, type Value } from "../../graph/value.ts";
import { allocate } from "../../tensor/dtype.ts";
import { formatShape, normaliseAxis, offsets, type Shape, sameShape, sizeOf, stridesOf } from "../../tensor/shape.ts";
import { Tensor, tensor } from "../../tensor/tensor.ts";
import { expandLike, zerosLike } from "./broadcast.ts";
import { mul, sub } from "./elementwise.ts";
import { scatterAdd } from "./index.ts";
import { reduceSum } from "./reduce.ts";
import { gather, lengthened, reshape, shapeFrom, transpose, unsqueeze, vector } from "./shape.ts";

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
    if (inputs.some((input) => input!.dtype !== first.dtype))
      throw new StriateError({
        subject: "Concat",
        found: `values of ${inputs.map((input) => input!.dtype).join(", ")}`,
        expected: "one element type",
      });
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
  dimensions: (inputs) => {
    const parts = inputs.map((input) => dimensionsOf(input!));
    return parts.every((part) => part !== undefined) ? parts.flat() : undefined;
  },
  gradient: (node, [g], { axis: along }) => {
    if (!g) return [];
    const axis = normaliseAxis(along, g.shape.length, "Concat");
    if (node.inputs.some((input) => typeof input!.shape[axis] === "string"))
      throw new StriateError({
        subject: "Concat",
        found: `a gradient along an axis of unknown length ${formatShape(g.shape)}`,
        expected: "numbers along the axis that joins",
        mend: "Bind the named dimensions first",
      });
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
  settings: [1, 2, 3, 4],
  dimensions: ([x, ...ranges]) => {
    const from = dimensionsOf(x!);
    if (!from || ranges.some((range) => range && !constantOf(range))) return undefined;
    return sliceRanges(x!.shape, ranges.map(constantOf)).reduce(
      (values, { start, step, count }) => Array.from({ length: count }, (_, index) => values[start + index * step]!),
      from,
    );
  },
  infer: ([x, ...ranges]) => {
    const shape = [...x!.shape];
    if (ranges.some((range) => range && !constantOf(range)))
      throw new StriateError({ subject: "Slice", found: "a range that depends on the data", expected: "constants" });
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
    const ranges = sliceRanges(x.shape, node.inputs.slice(1).map(constantOf));
    return [ranges.reduce((value, range) => unsliced(value, range, x.shape[range.axis] as number), g)];
  },
});

export interface SliceRange {
  readonly axis: number;
  readonly start: number;
  readonly step: number;
  readonly count: number;
}

/** Elements put back to where a range of an axis of this length took them from, with zeros between and around. */
function unsliced(g: Value, { axis, start, step, count }: SliceRange, length: number): Value {
  const rank = g.shape.length;
  const around = (value: Value, at: number, before: number, after: number) =>
    pad(
      value,
      value.shape.map((_, each) => (each === at ? [before, after] : [0, 0])),
    );
  if (step < 0 && count > 0) {
    const backwards = apply(Slice, [g, ...[-1, -(2 ** 31), axis, -1].map((each) => vector([each]))])[0]!;
    return unsliced(backwards, { axis, start: start + (count - 1) * step, step: -step, count }, length);
  }
  if (step === 1 || count === 0) return around(g, axis, start, length - start - count);
  const others = g.shape.flatMap((_, each) => (each === axis ? [] : [each]));
  const gaps = around(unsqueeze(transpose(g, [...others, axis]), [rank]), rank, 0, step - 1);
  const spread = reshape(gaps, [...others.map(() => 0), count * step]);
  const back = g.shape.map((_, each) => (each === axis ? rank - 1 : others.indexOf(each)));
  return around(transpose(spread, back), axis, start, length - start - count * step);
}

/** What a slice takes along each axis that it shortens. */
export function sliceRanges(shape: readonly Dimension[], ranges: readonly (Tensor | undefined)[]): SliceRange[] {
  const [starts, ends, axes, steps] = ranges.map((each) => each?.toArray());
  return starts!.flatMap((from, index) => {
    const axis = normaliseAxis(axes?.[index] ?? index, shape.length, "Slice");
    const length = shape[axis];
    const step = steps?.[index] ?? 1;
    if (from === 0 && step === 1 && ends![index]! >= 2 ** 31 - 1) return [];
    if (step === 0) throw new StriateError({ subject: "Slice", found: "a step of 0", expected: "any other" });
    if (typeof length !== "number")
      throw new StriateError({ subject: "Slice", found: `axis ${axis} of unknown length`, expected: "a number" });
    const clamp = (place: number, low: number, high: number) =>
      Math.min(Math.max(place < 0 ? place + length : place, low), high);
    const start = step > 0 ? clamp(from, 0, length) : clamp(from, 0, length - 1);
    const end = step > 0 ? clamp(ends![index]!, 0, length) : clamp(ends![index]!, -1, length - 1);
    return [{ axis, start, step, count: Math.max(0, Math.ceil((end - start) / step)) }];
  });
}

export const slice = (x: Value, range: { axis: number; start: number; end: number }): Value =>
  apply(Slice, [x, vector([range.start]), vector([range.end]), vector([range.axis])])[0]!;

/** How many elements come before and after each axis of a padding, from its constant operands. */
export function padAmounts(amounts: Shape, rank: number, axes?: Shape): readonly (readonly [number, number])[] {
  const padded =
    axes?.map((axis) => normaliseAxis(axis, rank, "Pad")) ?? Array.from({ length: rank }, (_, axis) => axis);
  if (amounts.length !== 2 * padded.length)
    throw new StriateError({ subject: "Pad", found: `pads [${amounts}]`, expected: `${2 * padded.length} of them` });
  return Array.from({ length: rank }, (_, axis) => {
    const index = padded.indexOf(axis);
    return index < 0 ? [0, 0] : [amounts[index]!, amounts[index + padded.length]!];
  });
}

/** Where along an axis each element of a padded one comes from, in the modes that repeat what is there. */
const borders: Readonly<Record<string, (place: number, length: number) => number>> = {
  reflect: (place, length) => {
    const period = Math.max(1, 2 * (length - 1));
    const folded = ((place % period) + period) % period;
    return folded < length ? folded : period - folded;
  },
  edge: (place, length) => Math.min(Math.max(place, 0), length - 1),
  wrap: (place, length) => ((place % length) + length) % length,
};

/** Where each element of a padded axis comes from, in a mode that repeats what is there. */
export const borderPlaces = (mode: string, length: number, before: number, after: number): number[] =>
  Array.from({ length: length + before + after }, (_, index) => borders[mode]!(index - before, length));

/** One axis of a tensor by its elements' places. */
function takePlaces(x: Tensor, axis: number, places: readonly number[]): Tensor {
  const shape = x.shape.with(axis, places.length);
  const inner = sizeOf(x.shape.slice(axis + 1));
  const data = allocate(x.dtype, sizeOf(shape)) as Float32Array<ArrayBuffer>;
  for (let index = 0; index < data.length; index++) {
    const row = Math.floor(index / inner);
    const outer = Math.floor(row / places.length);
    data[index] = x.data[(outer * x.shape[axis]! + places[row % places.length]!) * inner + (index % inner)] as number;
  }
  return new Tensor(x.dtype, shape, data);
}

/**
 * Elements before and after along each axis: zeros or a value, or by mode what the borders repeat (`edge`), mirror
 * (`reflect`) or continue from the other side (`wrap`); a negative number of them takes elements away.
 * ONNX: https://onnx.ai/onnx/operators/onnx__Pad.html
 */
export const Pad = defineOp<{ mode: string }>({
  name: "Pad",
  domain: "",
  attributes: { mode: { kind: "string", default: "constant" } },
  arity: [2, 4],
  optional: [2],
  settings: [1, 2, 3],
  infer: ([x, pads, , axes], { mode }) => {
    if (mode !== "constant" && !Object.hasOwn(borders, mode))
      throw new StriateError({
        subject: "Pad",
        found: `mode ${mode}`,
        expected: `one of constant, ${Object.keys(borders).join(", ")}`,
      });
    const given = shapeFrom(pads!, "Pad") as Shape;
    const amounts = padAmounts(given, x!.shape.length, axes && (shapeFrom(axes, "Pad") as Shape));
    const shape = amounts.map(([before, after], axis) => lengthened(x!.shape[axis]!, before + after));
    if (shape.some((length) => typeof length === "number" && length < 0))
      throw new StriateError({
        subject: "Pad",
        found: `pads [${given}] for ${formatShape(x!.shape)}`,
        expected: "at least nothing to be left",
      });
    return [{ dtype: x!.dtype, shape }];
  },
  evaluate: ([x, pads, value, axes], { mode }) => {
    const amounts = padAmounts(pads!.toArray(), x!.shape.length, axes?.toArray());
    if (mode !== "constant")
      return [
        amounts.reduce(
          (tensor, [before, after], axis) =>
            before === 0 && after === 0
              ? tensor
              : takePlaces(tensor, axis, borderPlaces(mode, tensor.shape[axis]!, before, after)),
          x!,
        ),
      ];
    const shape = amounts.map(([before, after], axis) => x!.shape[axis]! + before + after);
    const kept = amounts.map(([before, after], axis) =>
      Math.max(0, x!.shape[axis]! + Math.min(0, before) + Math.min(0, after)),
    );
    const data = allocate(x!.dtype, sizeOf(shape)) as Float32Array<ArrayBuffer>;
    if (value) data.fill(value.data[0] as number);
    const origin = (strides: readonly number[], sign: number) =>
      amounts.reduce((sum, [before], axis) => sum + Math.max(0, sign * before) * strides[axis]!, 0);
    const [inner, outer] = [stridesOf(x!.shape), stridesOf(shape)];
    const [from, to] = [offsets(kept, inner, origin(inner, -1)), offsets(kept, outer, origin(outer, 1))];
    for (let index = 0; index < to.length; index++) data[to[index]!] = x!.data[from[index]!] as number;
    return [new Tensor(x!.dtype, shape, data)];
  },
  gradient: (node, [g], { mode }) => {
    if (!g) return [];
    const [x, pads, value, axes] = node.inputs;
    const amounts = padAmounts(
      shapeFrom(pads!, "Pad") as Shape,
      x!.shape.length,
      axes && (shapeFrom(axes, "Pad") as Shape),
    );
    if (mode !== "constant") return [bordersBack(g, x!, amounts, mode)];
    const inside = pad(
      g,
      amounts.map(([before, after]) => [-before, -after]),
    );
    const all = (of: Value) => reshape(reduceSum(of), value!.shape as Shape);
    return [inside, undefined, value && !constantOf(value) ? sub(all(g), all(inside)) : undefined];
  },
});

/** The gradient of padding with borders: every element's own and those of its copies, summed axis by axis. */
function bordersBack(g: Value, x: Value, amounts: readonly (readonly [number, number])[], mode: string): Value {
  return amounts.reduce((value, [before, after], axis) => {
    const length = x.shape[axis]!;
    if (before === 0 && after === 0) return value;
    if (typeof length === "string")
      throw new StriateError({
        subject: "Pad",
        found: `the gradient of ${mode} along an axis of unknown length ${length}`,
        expected: "a number",
        mend: "Bind the named dimensions first",
      });
    const places = borderPlaces(mode, length, before, after);
    const row = value.shape.map((_, each) => (each === axis ? places.length : 1));
    const indices = expandLike(constant(tensor(places, row, "int64")), value);
    const cut = value.shape.map((_, each): [number, number] => [0, each === axis ? -(before + after) : 0]);
    return scatterAdd(zerosLike(pad(value, cut)), indices, value, axis);
  }, g);
}

export const pad = (x: Value, pads: readonly (readonly [number, number])[]): Value =>
  pads.every(([before, after]) => before === 0 && after === 0)
    ? x
    : apply(Pad, [x, vector([...pads.map(([before]) => before), ...pads.map(([, after]) => after)])])[0]!;

/** A new last axis: the second of `values` where the index is, the first elsewhere. */
export const OneHot: Op<{ axis: number }> = defineOp<{ axis: number }>({
  name: "OneHot",
  domain: "",
  attributes: { axis: { kind: "int", default: -1 } },
  arity: [3, 3],
  settings: [1, 2],
  infer: ([indices, depth, values], { axis }) => {
    const at = normaliseAxis(axis, indices!.shape.length + 1, "OneHot");
    const classes = constantOf(depth)?.toArray()[0];
    if (classes === undefined || classes < 0)
      throw new StriateError({
        subject: "OneHot",
        found: classes === undefined ? "a depth that depends on the data" : `a depth of ${classes}`,
        expected: "a constant of at least 0",
      });
    if (values!.shape.length !== 1 || (typeof values!.shape[0] === "number" && values!.shape[0] !== 2))
      throw new StriateError({ subject: "OneHot", found: `values [${values!.shape}]`, expected: "two of them" });
    return [{ dtype: values!.dtype, shape: indices!.shape.toSpliced(at, 0, classes) }];
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
  gradient: (node, [g], attributes) => {
    if (!g) return [];
    const [indices, depth, values] = node.inputs;
    const flags = constant(tensor([0, 1], [2], values!.dtype));
    const on = reduceSum(mul(g, apply(OneHot, [indices, depth, flags], attributes)[0]!));
    return [
      undefined,
      undefined,
      concat(
        [sub(reduceSum(g), on), on].map((sum) => unsqueeze(sum, [0])),
        0,
      ),
    ];
  },
});

/** Rows of 0 with a 1 at each index. */
export const oneHot = (indices: Value, classes: number, axis = -1): Value =>
  apply(OneHot, [indices, constant(tensor([classes], [], "int64")), constant(tensor([0, 1]))], { axis })[0]!;
