/** Reading and writing at indices. */
import { StriateError } from "../../errors.ts";
import { apply, defineOp, type Op } from "../../graph/op.ts";
import type { Node, Value } from "../../graph/value.ts";
import { allocate } from "../../tensor/dtype.ts";
import { formatShape, normaliseAxis, offsets, type Shape, sameShape, stridesOf } from "../../tensor/shape.ts";
import { Tensor } from "../../tensor/tensor.ts";
import { zerosLike } from "./broadcast.ts";
import { add, cast, div, equal, mul, where } from "./elementwise.ts";

/**
 * For each element of `indices`, the flat offset in a tensor of `shape` that it points at along `axis`.
 * @throws StriateError when one points outside
 */
function targets(subject: string, shape: Shape, indices: Tensor, axis: number): Int32Array {
  const along = normaliseAxis(axis, shape.length, subject);
  const length = shape[along]!;
  const strides = stridesOf(shape);
  const base = offsets(indices.shape, strides.with(along, 0));
  for (let position = 0; position < base.length; position++) {
    const index = Number(indices.data[position]);
    if (!(index >= -length && index < length))
      throw new StriateError({ subject, found: `index ${index}`, expected: `one from ${-length} to ${length - 1}` });
    base[position]! += (index < 0 ? index + length : index) * strides[along]!;
  }
  return base;
}

type Element = number | bigint;

/** What becomes of an element and one that is scattered onto it. */
export const combine = {
  none: (_: Element, update: Element): Element => update,
  add: (kept: Element, update: Element): Element => (kept as number) + (update as number),
  mul: (kept: Element, update: Element): Element => (kept as number) * (update as number),
  max: (kept: Element, update: Element): Element => (update > kept ? update : kept),
  min: (kept: Element, update: Element): Element => (update < kept ? update : kept),
};

export type Reduction = keyof typeof combine;

/** @throws StriateError for a way of scattering that there is not */
export function reductionOf(subject: string, name: string): Reduction {
  if (!Object.hasOwn(combine, name))
    throw new StriateError({ subject, found: `reduction ${name}`, expected: Object.keys(combine).join(", ") });
  return name as Reduction;
}

/** The elements at indices along an axis. ONNX: https://onnx.ai/onnx/operators/onnx__GatherElements.html */
export const GatherElements: Op<{ axis: number }> = defineOp<{ axis: number }>({
  name: "GatherElements",
  domain: "",
  attributes: { axis: { kind: "int", default: 0 } },
  arity: [2, 2],
  infer: ([x, indices]) => [{ dtype: x!.dtype, shape: indices!.shape }],
  evaluate: ([x, indices], { axis }) => {
    const at = targets("GatherElements", x!.shape, indices!, axis);
    const data = allocate(x!.dtype, at.length);
    for (let index = 0; index < data.length; index++) data[index] = x!.data[at[index]!]!;
    return [new Tensor(x!.dtype, indices!.shape, data)];
  },
  gradient: (node, [g], { axis }) => {
    const [x, indices] = node.inputs as [Value, Value];
    return [g && scatterAdd(zerosLike(x), indices, g, axis)];
  },
});

/**
 * A copy of the first operand with the third's elements added at the second's indices along an axis, or put there.
 * ONNX: https://onnx.ai/onnx/operators/onnx__ScatterElements.html
 */
export const ScatterElements: Op<{ axis: number; reduction: string }> = defineOp<{ axis: number; reduction: string }>({
  name: "ScatterElements",
  domain: "",
  attributes: { axis: { kind: "int", default: 0 }, reduction: { kind: "string", default: "none" } },
  arity: [3, 3],
  infer: ([x, indices, updates], { reduction }) => {
    reductionOf("ScatterElements", reduction);
    if (!sameShape(indices!.shape, updates!.shape))
      throw new StriateError({
        subject: "ScatterElements",
        found: `indices of ${formatShape(indices!.shape)} and updates of ${formatShape(updates!.shape)}`,
        expected: "one shape",
      });
    return [x!];
  },
  evaluate: ([x, indices, updates], { axis, reduction }) => {
    const at = targets("ScatterElements", x!.shape, indices!, axis);
    const data = x!.data.slice();
    const into = combine[reductionOf("ScatterElements", reduction)];
    for (let index = 0; index < at.length; index++) data[at[index]!] = into(data[at[index]!]!, updates!.data[index]!);
    return [new Tensor(x!.dtype, x!.shape, data)];
  },
  gradient: (node, [g], { axis, reduction }) => {
    if (!g) return [];
    const indices = node.inputs[1]!;
    return gradientOfScattered(node, g, {
      taken: (from) => apply(GatherElements, [from, indices], { axis })[0]!,
      put: (onto, each, how) => apply(ScatterElements, [onto, indices, each], { axis, reduction: how })[0]!,
      reduction: reduction as Reduction,
    });
  },
});

interface Scattering {
  /** What stands at the indices. */
  readonly taken: (from: Value) => Value;
  readonly put: (onto: Value, updates: Value, reduction: Reduction) => Value;
  readonly reduction: Reduction;
}

/** The gradients of what is scattered onto, and of what is scattered, from a node with operands x, indices, updates. */
export function gradientOfScattered(
  { inputs, outputs }: Node,
  g: Value,
  { taken, put, reduction }: Scattering,
): readonly (Value | undefined)[] {
  const [x, , updates] = inputs as [Value, Value, Value];
  const counted = (which: Value) => put(zerosLike(x), cast(which, x.dtype), "add");
  if (reduction === "none") return [put(g, zerosLike(updates), "none"), undefined, taken(g)];
  if (reduction === "add") return [g, undefined, taken(g)];
  if (reduction === "mul") {
    // Where one of the factors is zero, the product of the others is its own gradient alone.
    const isZero = equal(updates, 0);
    const others = where(isZero, 1, updates);
    const product = mul(g, put(add(zerosLike(x), 1), others, "mul"));
    const zeros = counted(isZero);
    const all = mul(product, x);
    const ofZero = taken(where(equal(zeros, 1), all, 0));
    const ofOthers = div(taken(where(equal(zeros, 0), all, 0)), others);
    return [where(equal(zeros, 0), product, 0), undefined, where(isZero, ofZero, ofOthers)];
  }
  // The largest or smallest is what was there or, equal ones sharing the gradient, what came.
  const isKept = equal(x, outputs[0]!);
  const isChosen = equal(updates, taken(outputs[0]!));
  const chosen = counted(isChosen);
  const share = div(where(isKept, 0, g), where(equal(chosen, 0), 1, chosen));
  return [where(isKept, g, 0), undefined, where(isChosen, taken(share), 0)];
}

export const gatherElements = (x: Value, indices: Value, axis = 0): Value =>
  apply(GatherElements, [x, indices], { axis })[0]!;
export const scatterAdd = (x: Value, indices: Value, updates: Value, axis = 0): Value =>
  apply(ScatterElements, [x, indices, updates], { axis, reduction: "add" })[0]!;
