/** Pooling over windows and over whole maps, and its gradients. */
import { attributesOf } from "../../graph/op.ts";
import type { Node, Value } from "../../graph/value.ts";
import { Expand } from "../../ops/core/broadcast.ts";
import {
  AveragePool,
  AveragePoolGradient,
  GlobalAveragePool,
  MaxPool,
  MaxPoolGradient,
  type PoolAttributes,
  poolAxes,
} from "../../ops/pool.ts";
import type { Shape } from "../../tensor/shape.ts";
import { argument, type Pooling } from "./dnnl.ts";
import type { PoolingForms } from "./forms.ts";
import { type Cell, formOf } from "./memory.ts";
import { isFloat32, type Plan, type Rule, type Rules } from "./plan.ts";

function poolingForms(node: Node, algorithm: Pooling, x: Cell, y: Cell, training: boolean): PoolingForms | undefined {
  const axes = poolAxes(
    x.shape,
    attributesOf<PoolAttributes>(node, AveragePool, AveragePoolGradient, MaxPool, MaxPoolGradient),
  );
  const overhang = axes.map(
    ({ output, stride, kernel, dilation, input, before }) =>
      (output - 1) * stride + dilation * (kernel - 1) + 1 - input - before,
  );
  const isCut = algorithm === "averageWithPadding" && axes.some(({ after }, axis) => overhang[axis]! > after);
  const reaches = axes.every(
    ({ kernel, dilation, before }, axis) => Math.max(before, overhang[axis]!) < dilation * (kernel - 1) + 1,
  );
  if (isCut || !reaches) return undefined;
  return {
    algorithm,
    source: formOf(x),
    result: formOf(y),
    kernel: axes.map(({ kernel }) => kernel),
    strides: axes.map(({ stride }) => stride),
    dilations: axes.map(({ kernel, dilation }) => (kernel === 1 ? 1 : dilation)),
    before: axes.map(({ before }) => before),
    after: overhang,
    training,
  };
}

const averageOf = (node: Node): Pooling => (node.attributes.count_include_pad === 1 ? "averageWithPadding" : "average");

const forward =
  (algorithmOf: (node: Node) => Pooling): Rule =>
  (node, plan) => {
    const [x] = node.inputs as [Value];
    if (!isFloat32(x) || x.shape.length > 5 || node.attributes.storage_order === 1) return false;
    const isMax = algorithmOf(node) === "max";
    if (isMax && plan.isUsed(node.outputs[1])) return false;
    const paired = isMax && plan.consumers(x).some(({ op }) => op.name === MaxPoolGradient.name);
    const { order: own } = plan.anywhere(x, plan.storedAs(x));
    // The result is quicker to reorder, as it is smaller.
    const order = own === "channelsLast" && !paired ? own : plan.orderOf(x.shape);
    const source = plan.ordered(x, order, plan.precision);
    const result = plan.output(node, 0, order, plan.precision);
    const forms = poolingForms(node, algorithmOf(node), source, result, paired);
    if (!forms) return false;
    const primitive = plan.dnnl.pooling(forms);
    const workspace = primitive.workspace && plan.temporary(primitive.workspace);
    if (workspace) plan.workspaces.set(x, { cell: workspace, node, precision: plan.precision });
    plan.run(primitive, [
      [argument.source, source],
      [argument.result, result],
      ...(workspace ? [[argument.workspace, workspace] as const] : []),
    ]);
    return true;
  };

const averageGradient: Rule = (node, plan) => {
  const [g] = node.inputs as [Value];
  if (!isFloat32(g) || g.shape.length > 5) return false;
  const gradient = plan.ordered(g, plan.orderOf(g.shape), plan.precision);
  const result = plan.output(node, 0, plan.orderOf(node.outputs[0]!.shape), plan.precision);
  const forms = poolingForms(node, averageOf(node), result, gradient, true);
  if (!forms) return false;
  plan.run(plan.dnnl.poolingGradient(forms), [
    [argument.resultGradient, gradient],
    [argument.sourceGradient, result],
  ]);
  return true;
};

/** Needs to know which elements were the largest: from the pooling of the same input, if there is one. */
const maxGradient: Rule = (node, plan) => {
  const [x, g] = node.inputs as [Value, Value];
  const forward = plan.workspaces.get(x);
  if (!isFloat32(x, g) || !forward || JSON.stringify(forward.node.attributes) !== JSON.stringify(node.attributes))
    return false;
  const gradient = plan.ordered(g, plan.orderOf(g.shape, forward.precision), forward.precision);
  const result = plan.output(node, 0, plan.orderOf(node.outputs[0]!.shape, forward.precision), forward.precision);
  const forms = poolingForms(node, "max", result, gradient, true);
  if (!forms) return false;
  plan.run(plan.dnnl.poolingGradient(forms), [
    [argument.resultGradient, gradient],
    [argument.workspace, forward.cell],
    [argument.sourceGradient, result],
  ]);
  return true;
};

/** The mean or the largest of each whole map. */
export function wholeMaps(plan: Plan, algorithm: Pooling, source: Cell, result: Cell): void {
  const kernel = source.shape.slice(2);
  const [ones, zeros] = [kernel.map(() => 1), kernel.map(() => 0)];
  const primitive = plan.dnnl.pooling({
    algorithm,
    source: formOf(source),
    result: formOf(result),
    kernel,
    strides: ones,
    dilations: ones,
    before: zeros,
    after: zeros,
    training: false,
  });
  plan.run(primitive, [
    [argument.source, source],
    [argument.result, result],
  ]);
}

const globalAverage: Rule = (node, plan) => {
  const [x] = node.inputs as [Value];
  if (!isFloat32(x) || x.shape.length > 5 || x.shape.length < 3) return false;
  const source = plan.ordered(x, plan.orderOf(x.shape), plan.precision);
  wholeMaps(plan, "average", source, plan.output(node, 0, plan.orderOf(node.outputs[0]!.shape), plan.precision));
  return true;
};

/** One number for each map, spread over the map: the gradient of a mean over it. */
const spread: Rule = (node, plan) => {
  const [x] = node.inputs as [Value];
  const shape = node.outputs[0]!.shape as Shape;
  const from = plan.cell(x, plan.precision);
  if (!isFloat32(x, node.outputs[0]) || shape.length < 3 || shape.length > 5 || from.shape.length !== shape.length)
    return false;
  if (from.shape.some((length, axis) => length !== (axis < 2 ? shape[axis] : 1))) return false;
  const source = plan.ordered(x, plan.orderOf(x.shape), plan.precision);
  const result = plan.output(node, 0, plan.orderOf(node.outputs[0]!.shape), plan.precision);
  plan.run(plan.dnnl.resampling("nearest", formOf(source), formOf(result)), [
    [argument.source, source],
    [argument.result, result],
  ]);
  return true;
};

export const poolingRules: Rules = [
  [MaxPool, forward(() => "max")],
  [MaxPoolGradient, maxGradient],
  [AveragePool, forward(averageOf)],
  [AveragePoolGradient, averageGradient],
  [GlobalAveragePool, globalAverage],
  [Expand, spread],
];
