import { describe, expect, test } from "vitest";
import { evaluateGraph } from "../engine/reference.ts";
import { add, cast, exp, mul, neg, Relu, relu } from "../ops/core/elementwise.ts";
import { reduceMean } from "../ops/core/reduce.ts";
import { reshape, reshapeLike, shapeOf } from "../ops/core/shape.ts";
import { dropoutOf } from "../ops/dropout.ts";
import { full, tensor } from "../tensor/tensor.ts";
import { makeGraph, nodesOf, printGraph } from "./graph.ts";
import { bind, foldConstants, rewrite } from "./rewrite.ts";
import { withinScope } from "./scope.ts";
import { training } from "./training.ts";
import { constant, constantOf, inputValue, randomValue, stateValue } from "./value.ts";

const x = inputValue("x", { dtype: "float32", shape: ["batch", 2] });
const operatorsOf = (graph: Parameters<typeof nodesOf>[0]) => nodesOf(graph).map(({ op }) => op.name);

describe("rewrite", () => {
  test("puts other values in place of nodes, and shares what does not depend on them", () => {
    const [before, other] = [neg(x), exp(x)];
    const graph = makeGraph([x], { y: add(relu(before), 1), other });
    const { graph: after, replacementOf } = rewrite(graph, ({ op }, [input]) =>
      op === Relu ? [mul(input!, input!)] : undefined,
    );
    expect(operatorsOf(after)).toEqual(["Neg", "Mul", "Add", "Exp"]);
    expect(after.outputs.get("other")).toBe(other);
    expect(replacementOf(before)).toBe(before);
    expect(operatorsOf(graph)).toEqual(["Neg", "Relu", "Add", "Exp"]);
  });

  test("replaces leaves, infers shapes anew, and keeps scopes and updates", () => {
    const count = stateValue("count", { dtype: "float32", shape: [] });
    const y = withinScope("layer1.conv", () => relu(x));
    const graph = makeGraph([x], { y }, [{ variable: count, next: add(count, 1) }]);
    const wide = inputValue("x", { dtype: "float32", shape: [4, 4] });
    const after = rewrite(graph, () => undefined, new Map([[x, wide]])).graph;
    expect(after.inputs).toEqual([wide]);
    expect(after.outputs.get("y")!.shape).toEqual([4, 4]);
    expect(nodesOf(after)[0]!.scope).toBe("layer1.conv");
    expect(after.updates).toEqual(graph.updates);
  });

  test("gives the very same values where nothing changes", () => {
    const graph = makeGraph([x], { y: relu(x) });
    expect(rewrite(graph, () => undefined).graph.outputs.get("y")).toBe(graph.outputs.get("y"));
  });
});

describe("bind", () => {
  test("makes numbers of names everywhere, random inputs too", () => {
    const noise = randomValue("noise", { dtype: "float32", shape: ["batch", 2] }, "normal");
    const graph = bind(makeGraph([x], { y: relu(add(x, noise)), flat: reshape(x, [-1]) }), { batch: 3, unused: 5 });
    expect(graph.inputs.map(({ shape }) => shape)).toEqual([
      [3, 2],
      [3, 2],
    ]);
    expect([...graph.outputs.values()].map(({ shape }) => shape)).toEqual([[3, 2], [6]]);
  });

  test("leaves names that it is not given", () => {
    const image = inputValue("x", { dtype: "float32", shape: ["batch", "height"] });
    expect(bind(makeGraph([image], { y: relu(image) }), { batch: 3 }).outputs.get("y")!.shape).toEqual([3, "height"]);
  });

  test("does not take a name for a property that every object has", () => {
    const odd = inputValue("x", { dtype: "float32", shape: ["constructor", "toString"] });
    expect(bind(makeGraph([odd], { y: odd }), {}).inputs[0]!.shape).toEqual(["constructor", "toString"]);
  });

  test("folds what shapes alone decide", () => {
    const y = reshapeLike(reshape(x, [-1]), x);
    const graph = makeGraph([x], { y, mean: reduceMean(x), size: shapeOf(x) });
    expect(operatorsOf(graph)).toContain("Shape");
    const bound = bind(graph, { batch: 3 });
    expect(operatorsOf(bound)).not.toContain("Shape");
    expect(constantOf(bound.outputs.get("size"))!.toArray()).toEqual([3, 2]);
  });
});

describe("foldConstants", () => {
  test("computes what depends on constants alone", () => {
    const four = add(constant(tensor([1, 2])), constant(tensor([3, 2])));
    const graph = foldConstants(makeGraph([x], { y: add(x, mul(four, 2)), four }));
    expect(printGraph(graph).split("\n")[1]).toBe("%0: batchx2 = Add(x, [8,8])  # ");
    expect(constantOf(graph.outputs.get("four"))!.toArray()).toEqual([4, 4]);
  });

  test("keeps the element types that were inferred", () => {
    const wide = cast(constant(tensor([0.5, 1])), "float64");
    const y = inputValue("y", { dtype: "float64", shape: [2] });
    const graph = foldConstants(makeGraph([y], { sum: add(y, wide), wide }));
    expect(graph.outputs.get("wide")!.dtype).toBe("float64");
    expect(constantOf(graph.outputs.get("wide"))!.dtype).toBe("float64");
  });

  test("leaves large results to be computed", () => {
    const large = add(constant(full([300, 300], 1)), 1);
    expect(operatorsOf(foldConstants(makeGraph([], { large })))).toEqual(["Add"]);
  });
});

describe("training", () => {
  test("drops elements by numbers that are an input, and scales the others", () => {
    const y = withinScope("drop", () => dropoutOf(x, 0.25));
    const graph = training(makeGraph([x], { y }));
    expect(graph.inputs.map(({ source }) => source.name)).toEqual(["x", "drop.uniform"]);
    const feeds = new Map([
      ["x", tensor([3, 6, 9, 12], [2, 2])],
      ["drop.uniform", tensor([0.1, 0.25, 0.9, 0.2], [2, 2])],
    ]);
    expect(evaluateGraph(graph, feeds).outputs.get("y")!.toArray()).toEqual([0, 8, 12, 0]);
    expect(
      evaluateGraph(makeGraph([x], { y }), feeds)
        .outputs.get("y")!
        .toArray(),
    ).toEqual([3, 6, 9, 12]);
  });

  test("a ratio of zero drops nothing", () => {
    expect(nodesOf(training(makeGraph([x], { y: dropoutOf(x, 0) })))).toEqual([]);
  });
});
