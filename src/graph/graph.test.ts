import { describe, expect, test } from "vitest";
import { add, mul, relu } from "../ops/core/elementwise.ts";
import { shapeOf } from "../ops/core/shape.ts";
import { scalar, tensor } from "../tensor/tensor.ts";
import { leavesOf, makeGraph, nodesBehind, nodesOf, outputOf, printGraph, trainableOf, variablesOf } from "./graph.ts";
import { costOf } from "./op.ts";
import { atScope, currentScope, withinScope } from "./scope.ts";
import { constant, inputValue, parameterValue, producerOf, randomValue, stateValue, type Value } from "./value.ts";

const type = { dtype: "float32", shape: ["batch", 2] } as const;
const x = inputValue("x", type);

describe("makeGraph", () => {
  test("finds its nodes, leaves and variables from its results", () => {
    const weight = parameterValue("weight", { dtype: "float32", shape: [2] });
    const frozen = parameterValue("frozen", { dtype: "float32", shape: [2] }, false);
    const count = stateValue("count", { dtype: "float32", shape: [] });
    const y = relu(add(mul(x, weight), frozen));
    const graph = makeGraph([x], { y }, [{ variable: count, next: add(count, 1) }]);
    expect(nodesOf(graph).map(({ op }) => op.name)).toEqual(["Mul", "Add", "Relu", "Add"]);
    expect(variablesOf(graph).map(({ source }) => source.name)).toEqual(["count", "weight", "frozen"]);
    expect(trainableOf(graph)).toEqual([weight]);
    expect(leavesOf(graph)).toHaveLength(5);
  });

  test("puts random numbers among the inputs, after the others", () => {
    const noise = randomValue("noise", type, "normal");
    const graph = makeGraph([x], { y: add(noise, x) });
    expect(graph.inputs).toEqual([x, noise]);
    expect(makeGraph(graph.inputs, graph.outputs).inputs).toEqual([x, noise]);
  });

  test("refuses two values of one name", () => {
    const one = parameterValue("conv1.weight", { dtype: "float32", shape: [2] });
    const other = parameterValue("conv1.weight", { dtype: "float32", shape: [2] });
    expect(() => makeGraph([x], { y: add(add(x, one), other) })).toThrow(
      'graph: found two different values named "conv1.weight" (parameter); expected every input, parameter and state ' +
        "to have its own name. Rename one of the layers, or use one layer twice on purpose with `shared`.",
    );
    expect(() => makeGraph([x], { y: add(add(x, one), one) })).not.toThrow();
  });

  test("refuses an output named as an input is, unless it is that input", () => {
    expect(() => makeGraph([x], { x: relu(x) })).toThrow(
      'graph: found an output named "x", as an input or a variable is; expected every output to have its own name.',
    );
    expect(() => makeGraph([x], { x })).not.toThrow();
  });

  test("refuses an input that is not listed", () => {
    expect(() => makeGraph([], { y: relu(x) })).toThrow('graph: input "x" used but not listed among the inputs.');
  });

  test("names its outputs in the error for another", () => {
    const graph = makeGraph([x], { loss: relu(x), logits: x });
    expect(outputOf(graph, "logits")).toBe(x);
    expect(() => outputOf(graph, "y")).toThrow('graph: found no output "y"; expected one of loss, logits.');
  });
});

describe("nodesBehind", () => {
  test("gives every node once, after those it depends on", () => {
    let value: Value = x;
    for (let depth = 0; depth < 10_000; depth++) value = add(value, value);
    const nodes = nodesBehind([value, x]);
    expect(nodes).toHaveLength(10_000);
    expect(nodes.at(-1)).toBe(producerOf(value));
    expect(nodes[0]!.inputs[0]).toBe(x);
  });
});

test("a graph prints a line for every input, node, output and update", () => {
  const count = stateValue("count", { dtype: "float32", shape: [] });
  const y = withinScope("head", () => relu(mul(x, constant(tensor([1, 2])))));
  const graph = makeGraph([x], { y, same: x }, [{ variable: count, next: add(count, 1) }]);
  expect(printGraph(graph).split("\n")).toEqual([
    "input x: float32 batchx2",
    "%0: batchx2 = Mul(x, [1,2])  # head",
    "%1: batchx2 = Relu(%0)  # head",
    "%2: scalar = Add(count, [1])  # ",
    "output y = %1",
    "output same = x",
    "update count = %2",
  ]);
});

describe("scopes", () => {
  test("nest, and end with their body, also when it fails", () => {
    withinScope("layer1", () => {
      withinScope("0", () => expect(currentScope()).toBe("layer1.0"));
      withinScope("", () => expect(currentScope()).toBe("layer1"));
      atScope("layer2.conv", () => expect(currentScope()).toBe("layer2.conv"));
      atScope("", () => expect(currentScope()).toBe(""));
      expect(() =>
        withinScope("1", () => {
          throw new Error("no");
        }),
      ).toThrow("no");
      expect(currentScope()).toBe("layer1");
    });
    expect(currentScope()).toBe("");
  });
});

test("a node's cost counts its operands and results at four bytes an element", () => {
  const node = producerOf(add(x, constant(scalar(1))))!;
  expect(costOf(node, { inputs: [[3, 2], []], outputs: [[3, 2]] })).toEqual({ macs: 0, bytes: 4 * 13 });
});

test("the shape of a value with names is asked for at run time, of one without is a constant", () => {
  expect(producerOf(shapeOf(x))?.op.name).toBe("Shape");
  expect(shapeOf(inputValue("x", { dtype: "float32", shape: [3, 2] })).source.kind).toBe("constant");
});
