/** Matrix products, and softmax. */
import type { Node, Value } from "../../graph/value.ts";
import { Gemm, MatMul } from "../../ops/matmul.ts";
import { LogSoftmax, Softmax } from "../../ops/softmax.ts";
import { normaliseAxis, type Shape } from "../../tensor/shape.ts";
import { argument, type Form } from "./dnnl.ts";
import { bytesOf, type Cell, formOf, widened } from "./memory.ts";
import { isFloat32, type Plan, type Rule, type Rules } from "./plan.ts";

/** The most bytes of weights that are brought into another form, for which both have to be there. */
const mostTwice = 2 ** 24;

/** A matrix, or its transpose. */
export const turned = ({ shape, precision: dtype }: Cell, isTurned: boolean): Form => {
  const [rows, columns] = shape as [number, number];
  return isTurned ? { shape: [columns, rows], strides: [1, columns], dtype } : { shape, strides: [columns, 1], dtype };
};

/** What is done to a result before it is written, and the operands of that. */
type Following = ReturnType<Plan["following"]>;

export function product(
  plan: Plan,
  node: Node,
  [left, first]: readonly [Cell, Form],
  [right, second]: readonly [Cell, Form],
  bias?: Cell,
  shape?: Shape,
  { postOps, operands }: Following = plan.following(node, "plain"),
): void {
  const output = plan.output(node, 0, "plain", plan.resultPrecision(node));
  const result = shape ? { ...output, shape } : output;
  // What no run changes is brought into the form that the library likes best, unless it is too large to be there twice.
  const isPacked = plan.isFixed(right) && right.region.bytes <= mostTwice;
  const free: Form = isPacked ? { shape: second.shape, dtype: second.dtype } : second;
  const primitive = plan.dnnl.product(first, free, bias && formOf(bias), formOf(result), postOps);
  const given: Cell = { ...right, shape: second.shape, description: plan.dnnl.describe(second) };
  plan.run(primitive, [
    [argument.source, { ...left, description: plan.dnnl.describe(first) }],
    [argument.weights, plan.packed(given, primitive.form(argument.weights))],
    ...(bias ? [[argument.bias, bias] as const] : []),
    ...operands,
    [argument.result, result],
  ]);
}

const gemm: Rule = (node, plan) => {
  const [a, b, c] = node.inputs as [Value, Value, Value?];
  const { alpha, beta, transA, transB } = node.attributes;
  const columns = node.outputs[0]!.shape[1];
  if (!isFloat32(a, b, c, node.outputs[0])) return false;
  const isBias = !c || (beta === 1 && c.shape.length === 1 && c.shape[0] === columns);
  const isPlain = alpha === 1 && isBias;
  if (!isPlain && plan.isFollowed(node)) return false;
  const [left, right] = [a, b].map((each) => plan.ordered(each, "plain", plan.precision)) as [Cell, Cell];
  const bias = isPlain && c ? { ...plan.ordered(c, "plain"), shape: [1, columns as number] } : undefined;
  const more = isPlain ? undefined : scaledAndShifted(plan, alpha as number, c, beta as number);
  const operands = [
    [left, turned(left, transA === 1)],
    [right, turned(right, transB === 1)],
  ] as const;
  product(plan, node, ...operands, bias, undefined, more);
  return true;
};

/** What is left to do to a product: to multiply it, and to add what has been multiplied itself. */
function scaledAndShifted(plan: Plan, alpha: number, c: Value | undefined, beta: number): Following {
  const scaling = { kind: "elementwise", algorithm: "linear", alpha } as const;
  if (!c) return { postOps: [scaling], operands: [] };
  const shift = widened(plan.ordered(c, "plain"));
  const scaled: Cell = { ...shift, region: plan.region(bytesOf("float32", shift.shape)) };
  plan.run(plan.dnnl.elementwise("linear", formOf(shift), beta, 0), [
    [argument.source, shift],
    [argument.result, scaled],
  ]);
  return {
    postOps: [scaling, { kind: "binary", algorithm: "add", form: formOf(scaled) }],
    operands: [[plan.dnnl.firstPostOp * 2 + argument.second, scaled]],
  };
}

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
  [Softmax, softmax("plain")],
  [LogSoftmax, softmax("log")],
];
