import { describe, expect, test } from "vitest";
import { type FunctionText, file, type GraphText, type NodeText } from "../../test/check/onnx-file.ts";
import { evaluateGraph } from "../engine/reference.ts";
import { StriateError } from "../errors.ts";
import { nodesOf, printGraph } from "../graph/graph.ts";
import { bind } from "../graph/rewrite.ts";
import { tensor } from "../tensor/tensor.ts";
import { decode } from "./decode.ts";
import { layerOf } from "./names.ts";

const one = (op: string, attributes: NodeText["attributes"] = {}, more: readonly string[] = []): GraphText => ({
  nodes: [{ op, in: ["x", ...more], out: ["y"], attributes }],
  outputs: ["y"],
});
const x = tensor([1, 2, 3, 4, 5, 6], [2, 3]);
const run = (bytes: Uint8Array, feed = x) => {
  const { graph, variables } = decode(bytes);
  const y = evaluateGraph(graph, new Map([["x", feed], ...variables])).outputs.get("y")!;
  return { shape: y.shape, values: y.toArray() };
};

describe("older operator sets mean what they meant", () => {
  test.each([
    ["ReduceSum's axes", 11, one("ReduceSum", { axes: [1] }), [2, 1], [6, 15]],
    ["Unsqueeze's axes", 11, one("Unsqueeze", { axes: [0] }), [1, 2, 3], [1, 2, 3, 4, 5, 6]],
    ["Slice's ranges", 9, one("Slice", { starts: [1], ends: [100], axes: [1] }), [2, 2], [2, 3, 5, 6]],
    ["Clip's bounds", 6, one("Clip", { min: 2.5, max: 4.5 }), [2, 3], [2.5, 2.5, 3, 4, 4.5, 4.5]],
    ["Dropout's ratio", 10, one("Dropout", { ratio: 0.25 }), [2, 3], [1, 2, 3, 4, 5, 6]],
    ["ReduceMax's axes", 13, one("ReduceMax", { axes: [0], keepdims: 0 }), [3], [4, 5, 6]],
    ["Reshape's shape", 1, one("Reshape", { shape: [3, -1] }), [3, 2], [1, 2, 3, 4, 5, 6]],
  ] as const)("%s", (_, version, graph, shape, values) => {
    expect(run(file(version, graph, { x: [2, 3] }))).toEqual({ shape, values });
  });

  test("Softmax was over all axes from its own on", () => {
    const zeros = tensor(new Array(12).fill(0), [2, 3, 2]);
    const { values } = run(file(11, one("Softmax"), { x: [2, 3, 2] }), zeros);
    expect(values[0]).toBeCloseTo(1 / 6, 12);
    expect(run(file(13, one("Softmax"), { x: [2, 3, 2] }), zeros).values[0]).toBeCloseTo(1 / 2, 12);
  });

  test("a second operand was laid along an axis", () => {
    const graph = { ...one("Add", { broadcast: 1, axis: 0 }, ["b"]), initializers: { b: [10, 20] } };
    expect(run(file(6, graph, { x: [2, 3] })).values).toEqual([11, 12, 13, 24, 25, 26]);
  });
});

describe("shape arithmetic", () => {
  const chain: GraphText = {
    nodes: [
      { op: "Shape", in: ["x"], out: ["shape"] },
      { op: "Gather", in: ["shape", "zero"], out: ["batch"] },
      { op: "Concat", in: ["batch", "rest"], out: ["target"], attributes: { axis: 0 } },
      { op: "Reshape", in: ["x", "target"], out: ["y"] },
    ],
    outputs: ["y"],
    integers: { zero: [0], rest: [-1, 2] },
  };

  test("with a named batch keeps its name, and goes where the batch is a number", () => {
    const { graph } = decode(file(17, chain, { x: ["batch", 4, 3] }));
    expect(graph.outputs.get("y")!.shape).toEqual(["batch", 6, 2]);
    expect(nodesOf(bind(graph, { batch: 5 })).map(({ op }) => op.name)).toEqual(["Reshape"]);
  });

  test("whose names would double with every node is refused", () => {
    const nodes = Array.from({ length: 40 }, (_, level): NodeText => {
      const from = level === 0 ? "x" : `y${level}`;
      return { op: "Concat", in: [from, from], out: [level === 39 ? "y" : `y${level + 1}`], attributes: { axis: 0 } };
    });
    const attempt = () => decode(file(17, { nodes, outputs: ["y"] }, { x: ["batch", 3] }));
    expect(attempt).toThrow("a dimension that is a sum or product of too many names");
  });

  test("decides an If", () => {
    const branch = (op: string): GraphText => ({ nodes: [{ op, in: ["x"], out: ["z"] }], outputs: ["z"] });
    const graph: GraphText = {
      nodes: [
        { op: "Size", in: ["x"], out: ["size"] },
        { op: "Greater", in: ["size", "four"], out: ["is"] },
        { op: "If", in: ["is"], out: ["y"], attributes: { then_branch: branch("Neg"), else_branch: branch("Exp") } },
      ],
      outputs: ["y"],
      integers: { four: [4] },
    };
    expect(run(file(17, graph, { x: [2, 3] })).values).toEqual([-1, -2, -3, -4, -5, -6]);
    expect(() => decode(file(17, graph, { x: ["batch", 3] }))).toThrow("a condition that depends on the data");
  });
});

describe("functions of a file", () => {
  const leak: FunctionText = {
    name: "Leak",
    in: ["a"],
    out: ["b"],
    nodes: [{ op: "LeakyRelu", in: ["a"], out: ["b"], references: { alpha: "slope" } }],
  };
  const call = (name: string): GraphText => ({
    nodes: [{ op: name, domain: "own", in: ["x"], out: ["y"], attributes: { slope: 0.5 } }],
    outputs: ["y"],
  });

  test("are inlined, with the attributes of the call", () => {
    const { graph } = decode(file(17, call("Leak"), { x: [2, 3] }, [leak]));
    expect(printGraph(graph)).toContain("LeakyRelu(x)");
    expect(run(file(17, call("Leak"), { x: [1] }, [leak]), tensor([-2])).values).toEqual([-1]);
  });

  test("that call themselves are refused", () => {
    const endless = { ...leak, nodes: [{ op: "Leak", domain: "own", in: ["a"], out: ["b"] }] };
    const attempt = () => decode(file(17, call("Leak"), { x: [1] }, [endless]));
    expect(attempt).toThrow(StriateError);
    expect(attempt).toThrow("functions that call each other without end");
  });

  test("that double the nodes at each level are refused before they fill the memory", () => {
    const levels = Array.from({ length: 30 }, (_, level): FunctionText => {
      const op = level === 29 ? "Neg" : `Leak${level + 1}`;
      const domain = level === 29 ? "" : "own";
      return {
        name: level === 0 ? "Leak" : `Leak${level}`,
        in: ["a"],
        out: ["c"],
        nodes: [
          { op, domain, in: ["a"], out: ["b"] },
          { op, domain, in: ["b"], out: ["c"] },
        ],
      };
    });
    expect(() => decode(file(17, call("Leak"), { x: [1] }, levels))).toThrow(StriateError);
  });
});

describe("initialisers", () => {
  test("an Identity of one, by a parameter's name, is a parameter of its own", () => {
    const graph: GraphText = {
      nodes: [
        { op: "Identity", in: ["bn1.bias"], out: ["bn2.bias"] },
        { op: "Add", in: ["x", "bn1.bias"], out: ["a"] },
        { op: "Add", in: ["a", "bn2.bias"], out: ["y"] },
      ],
      outputs: ["y"],
      initializers: { "bn1.bias": [1, 2, 3] },
    };
    const { variables } = decode(file(17, graph, { x: [2, 3] }));
    expect([...variables.keys()]).toEqual(["bn1.bias", "bn2.bias"]);
    expect(run(file(17, graph, { x: [2, 3] })).values).toEqual([3, 6, 9, 6, 9, 12]);
  });

  test.each([
    ["onnx::Conv_194", ["bn1.bias", "onnx::Conv_194"]],
    ["bn2.bias:0", ["bn1.bias"]],
    ["/bn2/Identity_output_0", ["bn1.bias"]],
  ])("an Identity of one named %s", (name, known) => {
    const graph: GraphText = {
      nodes: [
        { op: "Identity", in: ["bn1.bias"], out: [name] },
        { op: "Add", in: ["x", "bn1.bias"], out: ["a"] },
        { op: "Add", in: ["a", name], out: ["y"] },
      ],
      outputs: ["y"],
      initializers: { "bn1.bias": [1, 2, 3] },
    };
    expect([...decode(file(17, graph, { x: [2, 3] })).variables.keys()]).toEqual(known);
  });

  test("NonZero of a constant is one, of anything else refused", () => {
    const graph: GraphText = {
      nodes: [
        { op: "NonZero", in: ["mask"], out: ["found"] },
        { op: "Squeeze", in: ["found", "first"], out: ["at"] },
        { op: "Gather", in: ["x", "at"], out: ["y"], attributes: { axis: 1 } },
      ],
      outputs: ["y"],
      integers: { mask: [0, 5, 1], first: [0] },
    };
    expect(run(file(17, graph, { x: [2, 3] })).values).toEqual([2, 3, 5, 6]);
    expect(() => decode(file(17, one("NonZero"), { x: [2] }))).toThrow("an operand that depends on the data");
  });

  test("half precision is computed in single", () => {
    expect(decode(file(17, one("Cast", { to: 10 }), { x: [2, 3] })).graph.outputs.get("y")!.dtype).toBe("float32");
  });

  test("loops are refused by name", () => {
    expect(() => decode(file(17, one("Loop"), { x: [2, 3] }))).toThrow(
      "operators that Striate does not have: Loop (y). Export the model with its loops unrolled",
    );
  });
});

test.each([
  ["/layer1/layer1.0/conv1/Conv", "layer1.0.conv1"],
  ["/features/features.1/conv/conv.0/conv.0.0/Conv", "features.1.conv.0.0"],
  ["/layer1/layer1.10/Relu_1", "layer1.10"],
  ["/layer1/layer10/Relu", "layer1.layer10"],
  ["blocks.0.conv/Conv", "blocks.0.conv"],
  ["model/conv1/Conv2D", "model.conv1"],
  ["Relu_3", ""],
])("a node called %s is in layer %s", (node, layer) => {
  expect(layerOf(node)).toBe(layer);
});
