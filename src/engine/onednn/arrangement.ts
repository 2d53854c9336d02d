/** Elements that move: other shapes over the same memory, and copies from one arrangement to another. */
import { constantOf, type Value } from "../../graph/value.ts";
import { Concat, Pad, Slice } from "../../ops/core/arrange.ts";
import { Identity } from "../../ops/core/elementwise.ts";
import { Flatten, Reshape, Squeeze, Transpose, Unsqueeze } from "../../ops/core/shape.ts";
import { Dropout } from "../../ops/dropout.ts";
import { normaliseAxis, type Shape, stridesOf } from "../../tensor/shape.ts";
import { argument } from "./dnnl.ts";
import { type Cell, stridesIn } from "./memory.ts";
import { isFloat32, type Plan, type Rule, type Rules } from "./plan.ts";

/** The same elements in the same places under another shape. */
const reshaped: Rule = (node, plan) => {
  const source = plan.ordered(node.inputs[0]!, "plain");
  plan.alias(node.outputs[0]!, { ...source, shape: node.outputs[0]!.shape as Shape, order: "plain" });
  return true;
};

const same: Rule = (node, plan) => {
  if (node.outputs.length > 1) return false;
  plan.alias(node.outputs[0]!, plan.cell(node.inputs[0]!));
  return true;
};

/** Copies elements of a shape from places that some strides lead to, to those that others do. */
function copy(
  plan: Plan,
  shape: Shape,
  from: readonly [Cell, readonly number[], number?],
  to: readonly [Cell, readonly number[], number?],
): void {
  const cells = [from, to].map(([cell, strides, first = 0]) => ({
    ...cell,
    shape,
    start: (cell.start ?? 0) + 4 * first,
    description: plan.dnnl.describe({ shape, strides }),
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
  const source = plan.cell(x);
  const strides = stridesIn(source.order, source.shape);
  const result = plan.output(node, 0, "plain");
  copy(plan, result.shape, [source, perm.map((axis) => strides[axis]!)], [result, stridesOf(result.shape)]);
  return true;
};

const sliced: Rule = (node, plan) => {
  const [x, starts, , axes, steps] = node.inputs as [Value, Value, Value, Value?, Value?];
  const first = constantOf(starts)?.toArray();
  const along = axes ? constantOf(axes)?.toArray() : first?.map((_, axis) => axis);
  const by = steps ? constantOf(steps)?.toArray() : first?.map(() => 1);
  if (!isFloat32(x, node.outputs[0]) || !first || !along || !by || by.some((step) => step < 1)) return false;
  const source = plan.cell(x);
  const strides = [...stridesIn(source.order, source.shape)];
  let offset = 0;
  along.forEach((given, index) => {
    const axis = normaliseAxis(given, source.shape.length, "Slice");
    const length = source.shape[axis]!;
    const start = first[index]! < 0 ? Math.max(0, first[index]! + length) : Math.min(first[index]!, length);
    offset += start * strides[axis]!;
    strides[axis]! *= by[index]!;
  });
  const result = plan.output(node, 0, source.order);
  copy(plan, result.shape, [source, strides, offset], [result, stridesIn(result.order, result.shape)]);
  return true;
};

const concatenated: Rule = (node, plan) => {
  const parts = node.inputs as readonly Value[];
  if (!isFloat32(...parts)) return false;
  const { order } = plan.cell(parts[0]!);
  const cells = parts.map((part) => plan.ordered(part, order));
  const result = plan.output(node, 0, order);
  const strides = stridesIn(order, result.shape);
  const axis = normaliseAxis(node.attributes.axis as number, result.shape.length, "Concat");
  let offset = 0;
  for (const cell of cells) {
    copy(plan, cell.shape, [cell, stridesIn(order, cell.shape)], [result, strides, offset]);
    offset += cell.shape[axis]! * strides[axis]!;
  }
  return true;
};

/** Zeros all around. */
const padded: Rule = (node, plan) => {
  const [x, pads, value, axes] = node.inputs as [Value, Value, Value?, Value?];
  const widths = constantOf(pads)?.toArray();
  const filled = value ? constantOf(value)?.item() : 0;
  if (!isFloat32(x) || !widths || filled !== 0 || axes || node.attributes.mode !== "constant") return false;
  if (widths.some((width) => width < 0)) return false;
  const source = plan.cell(x);
  const result = plan.output(node, 0, source.order);
  const strides = stridesIn(result.order, result.shape);
  const offset = strides.reduce((sum, stride, axis) => sum + stride * widths[axis]!, 0);
  plan.step([result], (memory) => {
    const view = memory.view(result);
    return () => view().fill(0 as never);
  });
  copy(plan, source.shape, [source, stridesIn(source.order, source.shape)], [result, strides, offset]);
  return true;
};

export const arrangementRules: Rules = [
  [Identity, same],
  [Dropout, same],
  [Reshape, reshaped],
  [Flatten, reshaped],
  [Squeeze, reshaped],
  [Unsqueeze, reshaped],
  [Transpose, transposed],
  [Slice, sliced],
  [Concat, concatenated],
  [Pad, padded],
];
