/** Activations and their gradients as the library's elementwise functions. */
import { constantOf, type Value } from "../../graph/value.ts";
import { HardSigmoid, Pow } from "../../ops/core/elementwise.ts";
import { Reciprocal } from "../../ops/core/functions.ts";
import { argument, byResult, type Elementwise } from "./dnnl.ts";
import { unary } from "./elementwise.ts";
import { formOf, widened, withFilling } from "./memory.ts";
import { isFloat32, type Rule, type Rules } from "./plan.ts";
import { activationGradients, activations, type Numbers } from "./recognise.ts";

const activation =
  (algorithm: Elementwise): Rule =>
  (node, plan) => {
    const { alpha, beta } = node.attributes as unknown as Numbers;
    return unary(algorithm, alpha, beta)(node, plan);
  };

const gradient =
  (algorithm: Elementwise): Rule =>
  (node, plan) => {
    const [of, g] = node.inputs as [Value, Value];
    const { alpha, beta } = node.attributes as unknown as Numbers;
    // Of hard swish in blocks that are filled up version 2 has nothing but its reference; of zeros that fill them come zeros.
    const known = withFilling(widened(plan.anywhere(of, plan.precision)));
    const ofResult = withFilling(widened(plan.ordered(g, known.order, plan.precision)));
    const primitive = plan.dnnl.elementwiseGradient(algorithm, formOf(known), alpha, beta);
    const all = [
      [byResult[algorithm] ? argument.result : argument.source, known],
      [argument.resultGradient, ofResult],
      [argument.sourceGradient, withFilling(widened(plan.output(node, 0, known.order, plan.precision)))],
    ] as const;
    plan.run(primitive, all, { over: [argument.resultGradient] });
    return true;
  };

/** A line, and what of it is between 0 and 1. */
const hardSigmoid: Rule = (node, plan) => {
  const [x] = node.inputs as [Value];
  if (!isFloat32(x) || plan.isFollowed(node)) return false;
  const { alpha, beta } = node.attributes as unknown as Numbers;
  const source = widened(plan.anywhere(x));
  const clip = { kind: "elementwise", algorithm: "clip", alpha: 0, beta: 1 } as const;
  const primitive = plan.dnnl.elementwise("linear", formOf(source), alpha, beta, [clip]);
  const both = [
    [argument.source, source],
    [argument.result, widened(plan.output(node, 0, source.order))],
  ] as const;
  plan.run(primitive, both, { over: [argument.source] });
  return true;
};

/** Powers that the library computes by arithmetic. */
const quick = [-1, 0.5, 2];

const power: Rule = (node, plan) => {
  const exponent = constantOf(node.inputs[1]);
  const isQuick = exponent?.size === 1 && exponent.shape.length <= node.inputs[0]!.shape.length;
  return isQuick && quick.includes(exponent.item()) && unary("pow", 1, exponent.item())(node, plan);
};

export const activationRules: Rules = [
  ...[...activations].map(([name, op]) => [op, activation(name)] as const),
  ...[...activationGradients].map(([name, op]) => [op, gradient(name)] as const),
  [HardSigmoid, hardSigmoid],
  [Pow, power],
  [Reciprocal, unary("pow", 1, -1)],
];
