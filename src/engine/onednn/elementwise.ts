/** Functions of every element, of one operand or of two that broadcast. */
import type { Value } from "../../graph/value.ts";
import { ClipGradient } from "../../ops/activation.ts";
import { Add, Div, Exp, Mul, Neg, Relu, Sigmoid, Sqrt, Sub, Tanh, TanhGradient } from "../../ops/core/elementwise.ts";
import { type Shape, sizeOf } from "../../tensor/shape.ts";
import { argument, type Binary, type Elementwise } from "./dnnl.ts";
import { type Cell, formOf, isGapless, type Order, widened } from "./memory.ts";
import { isFloat32, type Rule, type Rules } from "./plan.ts";
import { limitsOf } from "./recognise.ts";

/** Elementwise functions of one operand: the library's, with its two numbers. */
export const unary =
  (algorithm: Elementwise, alpha = 0, beta = 0): Rule =>
  (node, plan) => {
    const [x] = node.inputs as [Value];
    if (!isFloat32(x)) return false;
    const asItLies = plan.anywhere(x, plan.precision);
    // Of blocks that are filled up version 2 has only its reference for mish and for functions that are not 0 at 0.
    const isSlow = !isGapless(asItLies) && plan.dnnl.elementwise(algorithm, formOf(asItLies), alpha, beta).isReference;
    const source = isSlow ? plan.cell(x, plan.precision) : asItLies;
    const result = plan.output(node, 0, source.order, source.precision);
    const { postOps, operands } = plan.following(node, source.order);
    const primitive = plan.dnnl.elementwise(algorithm, formOf(widened(source)), alpha, beta, postOps);
    const from = [[argument.source, widened(source)] as const, ...operands];
    plan.run(primitive, [...from, [argument.result, widened(result)]], { over: from.map(([index]) => index) });
    return true;
  };

/** Two operands that broadcast: the library repeats the second only. */
const pairwise =
  (algorithm: Binary, commutes: boolean): Rule =>
  (node, plan) => {
    const [a, b] = node.inputs as [Value, Value];
    const shape = node.outputs[0]!.shape as Shape;
    if (!isFloat32(a, b) || shape.length > 5) return false;
    const isFull = (value: Value) =>
      value.shape.length === shape.length && value.shape.every((length, axis) => length === shape[axis]);
    const [first, second] = isFull(a) ? [a, b] : commutes && isFull(b) ? [b, a] : [];
    if (!first || !second) return false;
    const isPart = !isFull(second) && sizeOf(second.shape as Shape) > 1;
    // Version 2 errs in parts where the last block is filled up.
    const isWhole = !isPart || isGapless({ order: "blocked", shape });
    const left = isWhole ? plan.anywhere(first, plan.precision) : plan.cell(first, plan.precision);
    const order: Order = left.order;
    const full = isFull(second) && plan.ordered(second, order, plan.precision);
    // A number for each map: the library reads it in blocks where it writes in blocks.
    const isByMap = order === "blocked" && second.shape.length === 4 && second.shape[0] !== 1 && second.shape[1] !== 1;
    const right = widened(full || plan.ordered(second, isByMap ? order : "plain"), shape.length);
    const { postOps, operands } = plan.following(node, order);
    const result = plan.output(node, 0, order, left.precision);
    const [x, y, z] = [left, right, result].map((cell) => widened(cell)) as [Cell, Cell, Cell];
    const primitive = plan.dnnl.binary(algorithm, formOf(x), formOf(y), formOf(z), postOps);
    const from = [[argument.source, x] as const, [argument.second, y] as const, ...operands];
    plan.run(primitive, [...from, [argument.result, z]], { over: from.map(([index]) => index) });
    return true;
  };

/** From a function's result and the result's gradient to the operand's. */
const gradient =
  (algorithm: Elementwise): Rule =>
  (node, plan) => {
    const [y, g] = node.inputs as [Value, Value];
    if (!isFloat32(y, g)) return false;
    const result = widened(plan.anywhere(y, plan.precision));
    const ofResult = widened(plan.ordered(g, result.order, plan.precision));
    plan.run(
      plan.dnnl.elementwiseGradient(algorithm, formOf(result), 0, 0),
      [
        [argument.result, result],
        [argument.resultGradient, ofResult],
        [argument.sourceGradient, widened(plan.output(node, 0, result.order, plan.precision))],
      ],
      { over: [argument.resultGradient] },
    );
    return true;
  };

/** The library's gradient is 0 on the lower limit, where ours passes: its limit is the number below. */
const clipGradient: Rule = (node, plan) => {
  const [x, g, lowest, highest] = node.inputs as [Value, Value, Value?, Value?];
  const limits = limitsOf([lowest, highest]);
  if (!isFloat32(x, g) || !limits) return false;
  const source = widened(plan.anywhere(x, plan.precision));
  const ofResult = widened(plan.ordered(g, source.order, plan.precision));
  const below = lowest ? numberBelow(limits[0]) : limits[0];
  plan.run(
    plan.dnnl.elementwiseGradient("clip", formOf(source), below, limits[1]),
    [
      [argument.source, source],
      [argument.resultGradient, ofResult],
      [argument.sourceGradient, widened(plan.output(node, 0, source.order, plan.precision))],
    ],
    { over: [argument.resultGradient] },
  );
  return true;
};

/** The next smaller number in single precision. */
function numberBelow(value: number): number {
  if (value === 0) return -1.401298464324817e-45;
  const bits = new Int32Array(new Float32Array([value]).buffer);
  bits[0]! += value > 0 ? -1 : 1;
  return new Float32Array(bits.buffer)[0]!;
}

export const reluGradient = gradient("relu");

export const elementwiseRules: Rules = [
  [ClipGradient, clipGradient],
  [Relu, unary("relu")],
  [Tanh, unary("tanh")],
  [Sigmoid, unary("logistic")],
  [Exp, unary("exp")],
  [Sqrt, unary("sqrt")],
  [Neg, unary("linear", -1)],
  [Add, pairwise("add", true)],
  [Mul, pairwise("mul", true)],
  [Sub, pairwise("sub", false)],
  [Div, pairwise("div", false)],
  [TanhGradient, gradient("tanh")],
];
