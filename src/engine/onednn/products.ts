/** Matrix products, sums over axes and softmax. */
import { constantOf, type Node, type Value } from "../../graph/value.ts";
import { ConvWeightGradient } from "../../ops/conv.ts";
import { ReduceMax, ReduceMean, ReduceMin, ReduceSum } from "../../ops/core/reduce.ts";
import { Gemm, MatMul } from "../../ops/matmul.ts";
import { LogSoftmax, Softmax } from "../../ops/softmax.ts";
import { normaliseAxis, type Shape, sizeOf, stridesOf } from "../../tensor/shape.ts";
import { full } from "../../tensor/tensor.ts";
import { isSumByChannel } from "./convolution.ts";
import { argument, type Form, type Reduction } from "./dnnl.ts";
import { type Cell, formOf, stridesIn } from "./memory.ts";
import { isFloat32, type Plan, type Rule, type Rules } from "./plan.ts";
import { wholeMaps } from "./pooling.ts";

const turned = ({ shape, precision: dtype }: Cell, isTurned: boolean): Form => {
  const [rows, columns] = shape as [number, number];
  return isTurned ? { shape: [columns, rows], strides: [1, columns], dtype } : { shape, strides: [columns, 1], dtype };
};

function product(
  plan: Plan,
  node: Node,
  [left, first]: readonly [Cell, Form],
  [right, second]: readonly [Cell, Form],
  bias?: Cell,
  shape?: Shape,
): void {
  const { postOps, operands } = plan.following(node, "plain");
  const output = plan.output(node, 0, "plain", plan.resultPrecision(node));
  const result = shape ? { ...output, shape } : output;
  const primitive = plan.dnnl.product(first, second, bias && formOf(bias), formOf(result), postOps);
  plan.run(primitive, [
    [argument.source, { ...left, description: plan.dnnl.describe(first) }],
    [argument.weights, { ...right, description: plan.dnnl.describe(second) }],
    ...(bias ? [[argument.bias, bias] as const] : []),
    ...operands,
    [argument.result, result],
  ]);
}

const gemm: Rule = (node, plan) => {
  const [a, b, c] = node.inputs as [Value, Value, Value?];
  const { alpha, beta, transA, transB } = node.attributes;
  const columns = node.outputs[0]!.shape[1];
  if (
    !isFloat32(a, b, c, node.outputs[0]) ||
    alpha !== 1 ||
    (c && (beta !== 1 || c.shape.length !== 1 || c.shape[0] !== columns))
  )
    return false;
  const [left, right] = [a, b].map((each) => plan.ordered(each, "plain", plan.precision)) as [Cell, Cell];
  const bias = c && { ...plan.ordered(c, "plain"), shape: [1, columns as number] };
  product(plan, node, [left, turned(left, transA === 1)], [right, turned(right, transB === 1)], bias);
  return true;
};

const matmul: Rule = (node, plan) => {
  const [a, b] = node.inputs as [Value, Value];
  const rank = node.outputs[0]!.shape.length;
  if (!isFloat32(a, b, node.outputs[0]) || rank > 5) return false;
  const widen = (cell: Cell): Cell => ({
    ...cell,
    shape: [...new Array<number>(rank - cell.shape.length).fill(1), ...cell.shape],
  });
  const [left, right] = [a, b].map((each) => widen(plan.ordered(each, "plain", plan.precision))) as [Cell, Cell];
  product(plan, node, [left, formOf(left)], [right, formOf(right)]);
  return true;
};

/** Over whole maps. */
function byPooling(node: Node, plan: Plan, algorithm: "mean" | "max"): boolean {
  const order = plan.orderOf(node.inputs[0]!.shape);
  const source = plan.ordered(node.inputs[0]!, order);
  const shape = source.shape.map((length, axis) => (axis < 2 ? length : 1));
  const result: Cell = { ...plan.output(node, 0, "plain"), shape, order };
  wholeMaps(plan, algorithm === "mean" ? "average" : "max", source, result);
  return true;
}

/** Of the gradient of a convolution's output, with that of its weights; otherwise as a product with ones. */
function sumByChannel(node: Node, plan: Plan): boolean {
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

const reduction =
  (algorithm: Reduction): Rule =>
  (node, plan) => {
    const [x, axes] = node.inputs as [Value, Value?];
    const rank = x.shape.length;
    const given = axes ? constantOf(axes)?.toArray() : [];
    if (!isFloat32(x) || rank === 0 || rank > 5 || !given) return false;
    if (given.length === 0 && node.attributes.noop_with_empty_axes === 1) return false;
    const reduced =
      given.length === 0
        ? x.shape.map((_, axis) => axis)
        : given.map((axis) => normaliseAxis(axis, rank, node.op.name));
    const isKept = (axis: number) => !reduced.includes(axis);
    const spatial = x.shape.map((_, axis) => axis).slice(2);
    const overMaps = rank > 2 && spatial.every((axis) => !isKept(axis)) && isKept(0) && isKept(1);
    if (overMaps && (algorithm === "mean" || algorithm === "max")) return byPooling(node, plan, algorithm);
    if (algorithm === "sum" && isSumByChannel(node)) return sumByChannel(node, plan);
    const source = plan.cell(x);
    const shape = source.shape.map((length, axis) => (reduced.includes(axis) ? 1 : length));
    if (shape.every((length, axis) => length === source.shape[axis])) return false;
    const result = plan.output(node, 0, "plain");
    const order = shape.slice(2).every((length) => length === 1) ? "plain" : source.order;
    if (order !== "plain") return false;
    const kept: Cell = { ...result, shape };
    plan.run(
      plan.dnnl.reduction(
        algorithm,
        { shape: source.shape, strides: stridesIn(source.order, source.shape) },
        { shape, strides: stridesOf(shape) },
      ),
      [
        [argument.source, source],
        [argument.result, kept],
      ],
    );
    return true;
  };

const softmax =
  (kind: "plain" | "log"): Rule =>
  (node, plan) => {
    const [x] = node.inputs as [Value];
    if (!isFloat32(x) || x.shape.length === 0) return false;
    const source = plan.cell(x);
    const result = plan.output(node, 0, source.order);
    const axis = normaliseAxis(node.attributes.axis as number, x.shape.length, node.op.name);
    plan.run(plan.dnnl.softmax(kind, formOf(source), axis), [
      [argument.source, source],
      [argument.result, result],
    ]);
    return true;
  };

export const productRules: Rules = [
  [Gemm, gemm],
  [MatMul, matmul],
  [ReduceSum, reduction("sum")],
  [ReduceMean, reduction("mean")],
  [ReduceMax, reduction("max")],
  [ReduceMin, reduction("min")],
  [Softmax, softmax("plain")],
  [LogSoftmax, softmax("log")],
];
