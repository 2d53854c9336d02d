/** Sums, means and extremes along axes: by pooling, by products with ones, or by the library's own reduction. */
import type { Node, Value } from "../../graph/value.ts";
import { ConvWeightGradient } from "../../ops/conv.ts";
import { ReduceMax, ReduceMean, ReduceMin, ReduceSum } from "../../ops/core/reduce.ts";
import { type Shape, sizeOf, stridesOf } from "../../tensor/shape.ts";
import { full } from "../../tensor/tensor.ts";
import { isSumByChannel } from "./convolution.ts";
import { argument, type Form, type Reduction } from "./dnnl.ts";
import { reducedAxes } from "./folds.ts";
import { type Cell, formOf, isGapless } from "./memory.ts";
import { isFloat32, type Plan, type Rule, type Rules } from "./plan.ts";
import { wholeMaps } from "./pooling.ts";
import { product } from "./products.ts";

/** Over whole maps; a sum is a mean times as many as there are. */
function byPooling(node: Node, plan: Plan, algorithm: Reduction): boolean {
  if (algorithm === "min") return false;
  const wanted = { order: plan.orderOf(node.inputs[0]!.shape), shape: node.inputs[0]!.shape as Shape };
  const order = isGapless(wanted) ? wanted.order : "channelsLast";
  const source = plan.ordered(node.inputs[0]!, order, plan.precision);
  const shape = source.shape.map((length, axis) => (axis < 2 ? length : 1));
  const result: Cell = { ...plan.output(node, 0, "plain", source.precision), shape, order };
  wholeMaps(plan, algorithm === "max" ? "max" : "average", source, result);
  if (algorithm !== "sum") return true;
  const rows = { ...result, shape: shape.slice(0, 2), order: "plain" as const };
  plan.run(plan.dnnl.elementwise("linear", formOf(rows), sizeOf(source.shape.slice(2)), 0), [
    [argument.source, rows],
    [argument.result, rows],
  ]);
  return true;
}

/** Of the gradient of a convolution's output, with that of its weights; otherwise as a product with ones. */
function sumByChannel(node: Node, plan: Plan): boolean {
  if (plan.isKnown(node.outputs[0]!)) return true;
  const [g] = node.inputs as [Value];
  const pair = plan.consumers(g).find(({ op, inputs }) => op.name === ConvWeightGradient.name && inputs[1] === g);
  if (pair && plan.isKnown(pair.inputs[0]!) && !plan.isKnown(pair.outputs[0]!)) {
    plan.early(pair);
    if (plan.isKnown(node.outputs[0]!)) return true;
  }
  const source = plan.ordered(g, "channelsLast");
  const channels = source.shape[1]!;
  const rows = sizeOf(source.shape) / channels;
  const ones = plan.constant(full([1, rows], 1));
  product(plan, node, [ones, formOf(ones)], [source, { shape: [rows, channels], strides: [channels, 1] }], undefined, [
    1,
    channels,
  ]);
  return true;
}

/** How many elements of a tensor, as it lies, are before, along and after the axes that go, where those lie side by side. */
function aroundOf({ shape, order }: Cell, isReduced: readonly boolean[]) {
  const axes = [...shape.keys()].filter((axis) => order === "plain" || axis !== 1);
  if (order !== "plain") axes.push(1);
  const long = axes.filter((axis) => shape[axis] !== 1);
  const [first, last] = [long.findIndex((axis) => isReduced[axis]), long.findLastIndex((axis) => isReduced[axis])];
  const sizes = [long.slice(0, first), long.slice(first, last + 1), long.slice(last + 1)];
  const isOneRun = first >= 0 && sizes[1]!.every((axis) => isReduced[axis]);
  const kept = long.filter((axis) => !isReduced[axis]);
  const [outer, along, inner] = sizes.map((each) => sizeOf(each.map((axis) => shape[axis]!)));
  return {
    isOneRun,
    outer: outer!,
    along: along!,
    inner: inner!,
    isAscending: kept.every((axis, index) => axis >= (kept[index - 1] ?? 0)),
  };
}

/** As a product with ones, before or after the tensor taken for a matrix. */
function byProduct(node: Node, plan: Plan, isReduced: readonly boolean[], isMean: boolean): boolean {
  const source = plan.cell(node.inputs[0]!);
  const { isOneRun, outer, along, inner, isAscending } = aroundOf(source, isReduced);
  const keeps = node.attributes.keepdims === 1;
  if (!isOneRun || (outer > 1 && inner > 1) || (!keeps && !isAscending)) return false;
  const isLast = inner === 1;
  const ones = plan.constant(full(isLast ? [along, 1] : [1, along], isMean ? 1 / along : 1));
  const matrix: Form = { shape: isLast ? [outer, along] : [along, inner], strides: [isLast ? along : inner, 1] };
  const result: Form = { shape: isLast ? [outer, 1] : [1, inner], strides: [isLast ? 1 : inner, 1] };
  const [first, second] = isLast ? [matrix, formOf(ones)] : [formOf(ones), matrix];
  const described = (cell: Cell, form: Form): Cell => ({ ...cell, description: plan.dnnl.describe(form) });
  plan.run(plan.dnnl.product(first, second, undefined, result), [
    [argument.source, described(isLast ? source : ones, first)],
    [argument.weights, described(isLast ? ones : source, second)],
    [argument.result, described(plan.output(node, 0, keeps ? source.order : "plain"), result)],
  ]);
  return true;
}

/** By the library's reduction: of everything, however it lies, or of what lies row-major. */
function byReduction(node: Node, plan: Plan, isReduced: readonly boolean[], algorithm: Reduction): boolean {
  const [x] = node.inputs as [Value];
  const isAll = x.shape.every((length, axis) => isReduced[axis] || length === 1);
  const asItLies = plan.anywhere(x);
  const source = isAll && isGapless(asItLies) ? asItLies : plan.cell(x);
  if (!isAll && source.order !== "plain") return false;
  const shape = isAll ? [1, sizeOf(source.shape)] : source.shape;
  const kept = isAll ? [1, 1] : shape.map((length, axis) => (isReduced[axis] ? 1 : length));
  const [from, to] = [shape, kept].map((each): Form => ({ shape: each, strides: stridesOf(each) })) as [Form, Form];
  const primitive = plan.dnnl.reduction(algorithm, from, to);
  plan.run(primitive, [
    [argument.source, { ...source, shape, order: "plain" }],
    [argument.result, { ...plan.output(node, 0, "plain"), shape: kept, order: "plain" }],
  ]);
  return true;
}

const reduction =
  (algorithm: Reduction): Rule =>
  (node, plan) => {
    const [x] = node.inputs as [Value];
    const rank = x.shape.length;
    if (!isFloat32(x) || rank === 0 || rank > 5) return false;
    const isReduced = reducedAxes(node);
    if (x.shape.every((length, axis) => length === 1 || !isReduced[axis])) return false;
    if (algorithm === "sum" && isSumByChannel(node)) return sumByChannel(node, plan);
    const isOverMaps = rank > 2 && isReduced.every((each, axis) => each === axis > 1);
    if (isOverMaps && algorithm !== "min") return byPooling(node, plan, algorithm);
    const isAll = x.shape.every((length, axis) => isReduced[axis] || length === 1);
    const isSum = algorithm === "sum" || algorithm === "mean";
    if (!isAll && isSum && byProduct(node, plan, isReduced, algorithm === "mean")) return true;
    return byReduction(node, plan, isReduced, algorithm);
  };

export const reductionRules: Rules = [
  [ReduceSum, reduction("sum")],
  [ReduceMean, reduction("mean")],
  [ReduceMax, reduction("max")],
  [ReduceMin, reduction("min")],
];
