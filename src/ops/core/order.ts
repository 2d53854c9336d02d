/** Order along an axis: where the largest is, the largest few, running sums, triangles. */
import { StriateError } from "../../errors.ts";
import { apply, defineOp, notDifferentiable, type Op } from "../../graph/op.ts";
import { constant, constantOf, type Value } from "../../graph/value.ts";
import { allocate } from "../../tensor/dtype.ts";
import { normaliseAxis, type Shape, sizeOf } from "../../tensor/shape.ts";
import { scalar, Tensor } from "../../tensor/tensor.ts";
import { zerosLike } from "./broadcast.ts";
import { scatterAdd } from "./index.ts";

interface Rows {
  readonly length: number;
  readonly inner: number;
  /** The flat offset of each row's first element; its others are `inner` apart. */
  readonly starts: readonly number[];
}

/** The rows of a tensor along an axis, in row-major order of the other axes. */
function rowsOf(shape: Shape, axis: number): Rows {
  const length = shape[axis]!;
  const inner = sizeOf(shape.slice(axis + 1));
  const count = sizeOf(shape.slice(0, axis)) * inner;
  const starts = Array.from({ length: count }, (_, row) => Math.floor(row / inner) * length * inner + (row % inner));
  return { length, inner, starts };
}

interface ArgAttributes {
  axis: number;
  keepdims: number;
  select_last_index: number;
}

function argOf(name: string, isBefore: (a: number | bigint, b: number | bigint) => boolean): Op<ArgAttributes> {
  return defineOp<ArgAttributes>({
    name,
    domain: "",
    attributes: {
      axis: { kind: "int", default: 0 },
      keepdims: { kind: "int", default: 1 },
      select_last_index: { kind: "int", default: 0 },
    },
    arity: [1, 1],
    infer: ([x], { axis, keepdims }) => {
      const along = normaliseAxis(axis, x!.shape.length, name);
      return [{ dtype: "int64", shape: keepdims === 1 ? x!.shape.with(along, 1) : x!.shape.toSpliced(along, 1) }];
    },
    evaluate: ([x], { axis, keepdims, select_last_index }) => {
      const along = normaliseAxis(axis, x!.shape.length, name);
      const { length, inner, starts } = rowsOf(x!.shape, along);
      const data = new BigInt64Array(starts.length);
      starts.forEach((start, row) => {
        let best = 0;
        for (let index = 1; index < length; index++) {
          const [here, kept] = [x!.data[start + index * inner]!, x!.data[start + best * inner]!];
          if (isBefore(here, kept) || (select_last_index === 1 && here === kept)) best = index;
        }
        data[row] = BigInt(best);
      });
      return [new Tensor("int64", keepdims === 1 ? x!.shape.with(along, 1) : x!.shape.toSpliced(along, 1), data)];
    },
    gradient: notDifferentiable,
  });
}

/** Where the largest along an axis is; of equal ones the first, or the last. ONNX: https://onnx.ai/onnx/operators/onnx__ArgMax.html */
export const ArgMax = argOf("ArgMax", (a, b) => a > b);
/** Where the smallest along an axis is; of equal ones the first, or the last. ONNX: https://onnx.ai/onnx/operators/onnx__ArgMin.html */
export const ArgMin = argOf("ArgMin", (a, b) => a < b);

interface TopKAttributes {
  axis: number;
  largest: number;
  sorted: number;
}

/**
 * The k largest (or smallest) along an axis, in order, and where they are; of equal ones the first come first.
 * ONNX: https://onnx.ai/onnx/operators/onnx__TopK.html
 */
export const TopK = defineOp<TopKAttributes>({
  name: "TopK",
  domain: "",
  attributes: {
    axis: { kind: "int", default: -1 },
    largest: { kind: "int", default: 1 },
    sorted: { kind: "int", default: 1 },
  },
  arity: [2, 2],
  leastOutputs: 2,
  settings: [1],
  infer: ([x, k], { axis }) => {
    const along = normaliseAxis(axis, x!.shape.length, "TopK");
    const count = constantOf(k)?.toArray()[0];
    const length = x!.shape[along]!;
    if (count === undefined || count < 0 || (typeof length === "number" && count > length))
      throw new StriateError({
        subject: "TopK",
        found: count === undefined ? "a k that depends on the data" : `k of ${count}`,
        expected: `a constant up to the axis' length, ${length}`,
      });
    const shape = x!.shape.with(along, count);
    return [
      { dtype: x!.dtype, shape },
      { dtype: "int64", shape },
    ];
  },
  evaluate: ([x, k], { axis, largest }) => {
    const along = normaliseAxis(axis, x!.shape.length, "TopK");
    const { length, inner, starts } = rowsOf(x!.shape, along);
    const count = k!.toArray()[0]!;
    const shape = x!.shape.with(along, count);
    const values = allocate(x!.dtype, sizeOf(shape));
    const places = new BigInt64Array(values.length);
    const into = rowsOf(shape, along).starts;
    starts.forEach((start, row) => {
      const at = (index: number) => x!.data[start + index * inner]!;
      const order = Array.from({ length }, (_, index) => index).sort((a, b) => {
        if (at(a) === at(b)) return a - b;
        return at(a) > at(b) === (largest === 1) ? -1 : 1;
      });
      for (let index = 0; index < count; index++) {
        values[into[row]! + index * inner] = at(order[index]!);
        places[into[row]! + index * inner] = BigInt(order[index]!);
      }
    });
    return [new Tensor(x!.dtype, shape, values), new Tensor("int64", shape, places)];
  },
  gradient: (node, [g], { axis }) => [g && scatterAdd(zerosLike(node.inputs[0]!), node.outputs[1]!, g, axis)],
});

interface CumSumAttributes {
  exclusive: number;
  reverse: number;
}

/**
 * Running sums along an axis: of the elements up to each, or before it where `exclusive`, or from the end where
 * `reverse`. ONNX: https://onnx.ai/onnx/operators/onnx__CumSum.html
 */
export const CumSum: Op<CumSumAttributes> = defineOp<CumSumAttributes>({
  name: "CumSum",
  domain: "",
  attributes: { exclusive: { kind: "int", default: 0 }, reverse: { kind: "int", default: 0 } },
  arity: [2, 2],
  settings: [1],
  infer: ([x, axis]) => {
    const known = constantOf(axis);
    if (known?.size !== 1)
      throw new StriateError({ subject: "CumSum", found: "an axis that depends on the data", expected: "a constant" });
    normaliseAxis(known.toArray()[0]!, x!.shape.length, "CumSum");
    return [x!];
  },
  evaluate: ([x, axis], { exclusive, reverse }) => {
    const { length, inner, starts } = rowsOf(x!.shape, normaliseAxis(axis!.toArray()[0]!, x!.shape.length, "CumSum"));
    const data = allocate(x!.dtype, x!.size);
    const zero = (typeof x!.data[0] === "bigint" ? 0n : 0) as number;
    for (const start of starts) {
      let sum = zero;
      for (let step = 0; step < length; step++) {
        const at = start + (reverse === 1 ? length - 1 - step : step) * inner;
        const next = sum + (x!.data[at] as number);
        data[at] = exclusive === 1 ? sum : next;
        sum = next;
      }
    }
    return [new Tensor(x!.dtype, x!.shape, data)];
  },
  gradient: (node, [g], { exclusive, reverse }) => {
    return [g && apply(CumSum, [g, node.inputs[1]], { exclusive, reverse: 1 - reverse })[0]!];
  },
});

/** Running sums along an axis. */
export const cumulativeSum = (x: Value, axis: number): Value => apply(CumSum, [x, constant(scalar(axis, "int64"))])[0]!;

/**
 * The upper (or lower) triangle of matrices, from the k-th diagonal on; zeros elsewhere.
 * ONNX: https://onnx.ai/onnx/operators/onnx__Trilu.html
 */
export const Trilu: Op<{ upper: number }> = defineOp<{ upper: number }>({
  name: "Trilu",
  domain: "",
  attributes: { upper: { kind: "int", default: 1 } },
  arity: [1, 2],
  settings: [1],
  infer: ([x, k]) => {
    if (x!.shape.length < 2 || (k && !constantOf(k)))
      throw new StriateError({
        subject: "Trilu",
        found: `an operand of ${x!.shape.length} axes${k && !constantOf(k) ? " and a diagonal that depends on the data" : ""}`,
        expected: "matrices and a constant diagonal",
      });
    return [x!];
  },
  evaluate: ([x, k], { upper }) => {
    const [height, width] = x!.shape.slice(-2) as [number, number];
    const diagonal = k?.item() ?? 0;
    const data = x!.data.slice();
    const zero = allocate(x!.dtype, 1)[0]!;
    for (let index = 0; index < data.length; index++) {
      const distance = (index % width) - (Math.floor(index / width) % height);
      if (upper === 1 ? distance < diagonal : distance > diagonal) data[index] = zero;
    }
    return [new Tensor(x!.dtype, x!.shape, data)];
  },
  gradient: (node, [g], attributes) => [g && apply(Trilu, [g, ...node.inputs.slice(1)], attributes)[0]!],
});

/** The longest sequence that is counted out. */
const longest = 1 << 24;

/**
 * start, start + delta, start + 2 delta ... up to but not including the limit, all constants.
 * ONNX: https://onnx.ai/onnx/operators/onnx__Range.html
 */
export const Range = defineOp<Record<never, never>>({
  name: "Range",
  domain: "",
  attributes: {},
  arity: [3, 3],
  settings: [0, 1, 2],
  infer: (operands) => [{ dtype: operands[0]!.dtype, shape: [lengthOfRange(operands.map(constantOf))] }],
  evaluate: ([start, limit, delta]) => {
    const length = lengthOfRange([start, limit, delta]);
    const data = allocate(start!.dtype, length);
    const [first, by] = [start!.data[0] as number, delta!.data[0] as number];
    for (let index = 0; index < length; index++)
      data[index] = typeof first === "bigint" ? first + BigInt(index) * (by as unknown as bigint) : first + index * by;
    return [new Tensor(start!.dtype, [length], data)];
  },
  gradient: notDifferentiable,
});

function lengthOfRange(operands: readonly (Tensor | undefined)[]): number {
  const [start, limit, delta] = operands.map((operand) => (operand?.size === 1 ? operand.item() : undefined));
  const length = Math.max(0, Math.ceil((limit! - start!) / delta!));
  if (Number.isFinite(length) && length <= longest) return length;
  throw new StriateError({
    subject: "Range",
    found: `from ${start} to ${limit} by ${delta}`,
    expected: `constants, at most ${longest} apart`,
  });
}
