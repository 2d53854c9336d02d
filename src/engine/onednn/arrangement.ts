/** Elements that move: other shapes over the same memory, and copies from one arrangement to another. */
import type { Value } from "../../graph/value.ts";
import { Identity } from "../../ops/core/elementwise.ts";
import { Flatten, Reshape, Squeeze, Transpose, Unsqueeze } from "../../ops/core/shape.ts";
import { Dropout, SliceDropout } from "../../ops/dropout.ts";
import { type Shape, sameShape, stridesOf } from "../../tensor/shape.ts";
import { argument } from "./dnnl.ts";
import { bytesOf, type Cell, stridesIn } from "./memory.ts";
import { isFloat32, type Plan, type Rule, type Rules } from "./plan.ts";

/**
 * The same elements in the same places under another shape. Where only what comes after the channels has another, they may
 * stay innermost.
 */
const reshaped: Rule = (node, plan) => {
  const [from, to] = [node.inputs[0]!.shape, node.outputs[0]!.shape] as [Shape, Shape];
  const cell = plan.anywhere(node.inputs[0]!, plan.precision);
  if (from.length > 2 && to.length > 2 && cell.order === "channelsLast" && from[0] === to[0] && from[1] === to[1]) {
    plan.alias(node.outputs[0]!, { ...cell, shape: to });
    return true;
  }
  const source = plan.ordered(node.inputs[0]!, "plain", plan.precision);
  plan.alias(node.outputs[0]!, { ...source, shape: node.outputs[0]!.shape as Shape, order: "plain" });
  return true;
};

const same: Rule = (node, plan) => {
  if (node.outputs.length > 1) return false;
  plan.alias(node.outputs[0]!, plan.anywhere(node.inputs[0]!, plan.precision));
  return true;
};

/** Copies elements of a shape from places that some strides lead to, from a first on, to those that others do. */
export function copy(
  plan: Plan,
  shape: Shape,
  from: readonly [Cell, readonly number[], number?],
  to: readonly [Cell, readonly number[], number?],
): void {
  // Version 3 copies between two of one form as if they had no gaps: an axis of length 1 makes them two forms.
  const isOneForm = sameShape(from[1], to[1]);
  const cells = [from, to].map(([cell, strides, first = 0], index) => ({
    ...cell,
    shape,
    start: (cell.start ?? 0) + bytesOf(cell.dtype, [first], cell.precision),
    description: plan.dnnl.describe({
      shape: isOneForm ? [1, ...shape] : shape,
      strides: isOneForm ? [index + 1, ...strides] : strides,
      dtype: cell.precision,
    }),
  })) as [Cell, Cell];
  plan.run(plan.dnnl.reorder(cells[0].description!, cells[1].description!), [
    [argument.source, cells[0]],
    [argument.result, cells[1]],
  ]);
}

const transposed: Rule = (node, plan) => {
  const [x] = node.inputs as [Value];
  const rank = x.shape.length;
  if (!isFloat32(x) || rank === 0) return false;
  const perm =
    (node.attributes.perm as readonly number[] | undefined) ??
    Array.from({ length: rank }, (_, axis) => rank - 1 - axis);
  const source = plan.cell(x, plan.precision);
  const strides = stridesIn(source.order, source.shape);
  const result = plan.output(node, 0, "plain", source.precision);
  copy(plan, result.shape, [source, perm.map((axis) => strides[axis]!)], [result, stridesOf(result.shape)]);
  return true;
};

export const arrangementRules: Rules = [
  [Identity, same],
  [Dropout, same],
  [SliceDropout, same],
  [Reshape, reshaped],
  [Flatten, reshaped],
  [Squeeze, reshaped],
  [Unsqueeze, reshaped],
  [Transpose, transposed],
];
