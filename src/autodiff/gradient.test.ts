import { describe, expect, test } from "vitest";
import { evaluateGraph } from "../engine/reference.ts";
import { makeGraph, nodesOf, outputOf } from "../graph/graph.ts";
import type { GradientRule, Op } from "../graph/op.ts";
import { withinScope } from "../graph/scope.ts";
import { constant, inputValue, parameterValue, randomValue, type Value } from "../graph/value.ts";
import { add, cast, exp, greater, mul, Relu, relu, sign, where } from "../ops/core/elementwise.ts";
import { reduceMean, reduceSum } from "../ops/core/reduce.ts";
import { type Tensor, tensor } from "../tensor/tensor.ts";
import { gradient, gradientsOf } from "./gradient.ts";

const x = inputValue("x", { dtype: "float32", shape: [3] });
const at = (values: readonly number[]) => new Map([["x", tensor(values)]]);

/** The gradient of a value for x, at these elements of x. */
function derivative(of: Value, values: readonly number[], options?: Parameters<typeof gradientsOf>[2]): number[] {
  const [result] = gradientsOf(of, [x], options);
  return evaluateGraph(makeGraph([x], { result: result! }), at(values))
    .outputs.get("result")!
    .toArray();
}

describe("gradientsOf", () => {
  test("adds what comes by several paths", () => {
    const y = mul(x, x);
    expect(derivative(reduceSum(add(mul(y, x), y)), [1, 2, -1])).toEqual([5, 16, 1]);
  });

  test("starts from a seed, of the shape of the value", () => {
    expect(derivative(mul(x, x), [1, 2, 3], { seed: constant(tensor([1, 10, 0])) })).toEqual([2, 40, 0]);
    expect(() => gradientsOf(x, [x], { seed: constant(tensor([1, 2])) })).toThrow(
      "gradient: found a seed of shape 2; expected 3, as the value that is differentiated.",
    );
  });

  test("asks for one number, or a seed", () => {
    expect(() => gradientsOf(mul(x, x), [x])).toThrow(
      "gradient: found a value of shape 3; expected one number, such as a loss. " +
        "Sum or average it first, or give a `seed`, the gradient to start from.",
    );
    const open = inputValue("x", { dtype: "float32", shape: ["batch"] });
    expect(() => gradientsOf(open, [open])).toThrow("gradient: found a value of shape batch; expected one number");
  });

  test("is zero, of the right shape, for what the value does not depend on", () => {
    const other = inputValue("other", { dtype: "float32", shape: [2, 1] });
    const [zero] = gradientsOf(reduceSum(x), [other]);
    expect(zero!.shape).toEqual([2, 1]);
    expect(
      evaluateGraph(makeGraph([other], { zero: zero! }), new Map())
        .outputs.get("zero")!
        .toArray(),
    ).toEqual([0, 0]);
  });

  test("is zero through operators that have no derivative", () => {
    expect(derivative(reduceSum(mul(sign(x), 3)), [1, 2, -1])).toEqual([0, 0, 0]);
    expect(derivative(reduceSum(cast(cast(x, "int32"), "float32")), [1, 2, -1])).toEqual([0, 0, 0]);
    expect(derivative(reduceSum(where(greater(x, 0), mul(x, 5), 0)), [1, 2, -1])).toEqual([5, 5, 0]);
  });

  test("reaches values inside the graph, and the value itself", () => {
    const inner = exp(x);
    const loss = reduceSum(mul(inner, inner));
    const [forInner, forLoss] = gradientsOf(loss, [inner, loss]);
    const { outputs } = evaluateGraph(makeGraph([x], { forInner: forInner!, forLoss: forLoss! }), at([0, 0, 0]));
    expect(outputs.get("forInner")!.toArray()).toEqual([2, 2, 2]);
    expect(outputs.get("forLoss")!.item()).toBe(1);
  });

  test("can be taken again", () => {
    const cube = reduceSum(mul(mul(x, x), x));
    const [first] = gradientsOf(cube, [x]);
    expect(derivative(reduceSum(first!), [1, 2, -1])).toEqual([6, 12, -6]);
  });

  test("makes no node that the targets do not need", () => {
    const frozen = parameterValue("frozen", { dtype: "float32", shape: [3] }, false);
    const [first] = gradientsOf(reduceSum(mul(exp(frozen), x)), [x]);
    expect(nodesOf(makeGraph([x], { first: first! })).map(({ op }) => op.name)).toEqual([
      "Unsqueeze",
      "Expand",
      "Exp",
      "Mul",
    ]);
  });

  test("carries the scope of the node it belongs to", () => {
    const y = withinScope("layer1", () => mul(x, x));
    const [first] = withinScope("elsewhere", () => gradientsOf(reduceSum(y), [x]));
    const scopes = nodesOf(makeGraph([x], { first: first! })).filter(({ op }) => op.name === "Mul");
    expect(scopes.map(({ scope }) => scope)).toEqual(["layer1", "layer1"]);
  });

  test("takes other rules for operators: guided backpropagation", () => {
    const guided: GradientRule = ({ inputs }, [g]) => [where(greater(inputs[0]!, 0), relu(g!), 0)];
    const loss = reduceSum(mul(relu(x), constant(tensor([1, -1, 1]))));
    const rules = new Map<Op, GradientRule>([[Relu as Op, guided]]);
    expect(derivative(loss, [1, 2, -1])).toEqual([1, -1, 0]);
    expect(derivative(loss, [1, 2, -1], { rules })).toEqual([1, 0, 0]);
  });
});

describe("gradient", () => {
  const weight = parameterValue("weight", { dtype: "float32", shape: [3] });
  const frozen = parameterValue("frozen", { dtype: "float32", shape: [3] }, false);
  const noise = randomValue("noise", { dtype: "float32", shape: [3] }, "normal");
  const loss = reduceMean(add(mul(mul(x, weight), frozen), noise));
  const graph = makeGraph([x], { loss, logits: mul(x, weight) });

  test("adds the gradients of the trainable parameters to the outputs", () => {
    expect([...gradient(graph, "loss").outputs.keys()]).toEqual(["loss", "logits", "gradient.weight"]);
  });

  test("adds those of the names given, frozen parameters and inputs too", () => {
    const all = gradient(graph, "loss", ["x", "frozen"]);
    const feeds = new Map<string, Tensor>([
      ["x", tensor([1, 2, 3])],
      ["weight", tensor([1, 1, 2])],
      ["frozen", tensor([3, 3, 3])],
      ["noise", tensor([0, 0, 0])],
    ]);
    const { outputs } = evaluateGraph(all, feeds);
    expect(outputs.get("gradient.x")!.toArray()).toEqual([1, 1, 2]);
    expect(
      outputs
        .get("gradient.frozen")!
        .toArray()
        .map((each) => each * 3),
    ).toEqual([1, 2, 6]);
    expect(outputs.get("loss")!.item()).toBe(9);
  });

  test("names what there is to differentiate for, which random numbers are not", () => {
    expect(() => gradient(graph, "loss", ["noise"])).toThrow(
      'gradient: found nothing named "noise" to differentiate for; expected one of x, weight, frozen.',
    );
    expect(() => gradient(graph, "cost")).toThrow('graph: found no output "cost"; expected one of loss, logits.');
    expect(() => gradient(graph, "logits")).toThrow("gradient: found a value of shape 3; expected one number");
  });

  test("keeps the graph it was made from as it was", () => {
    expect(outputOf(gradient(graph, "loss"), "loss")).toBe(loss);
    expect([...graph.outputs.keys()]).toEqual(["loss", "logits"]);
  });
});
