/** Files in the forms that exporters give them: old operator sets, TensorFlow's layout, weights computed in the graph. */
import { afterAll, describe, expect, test } from "vitest";
import { largestDifference, largestMagnitude } from "../../test/check/compare.ts";
import { file, type GraphText, type NodeText } from "../../test/check/onnx-file.ts";
import { gradientsOf } from "../autodiff/gradient.ts";
import { ort } from "../engine/ort/ort.ts";
import { evaluateGraph } from "../engine/reference.ts";
import { makeGraph, nodesOf, trainableOf, variablesOf } from "../graph/graph.ts";
import { training } from "../graph/training.ts";
import { mul } from "../ops/core/elementwise.ts";
import { reduceSum } from "../ops/core/reduce.ts";
import { Random } from "../tensor/random.ts";
import { type Tensor, tensor } from "../tensor/tensor.ts";
import { decode } from "./decode.ts";

const numbers = (...shape: number[]) => {
  const random = new Random(7, shape.join());
  return { shape, data: Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => Math.fround(random.normal())) };
};
const drawn = (...shape: number[]): Tensor => tensor(numbers(...shape).data, shape);

function run(bytes: Uint8Array, x: Tensor): { shape: readonly number[]; values: number[] } {
  const { graph, variables } = decode(bytes);
  const y = evaluateGraph(graph, new Map([["x", x], ...variables])).outputs.get("y")!;
  return { shape: y.shape, values: y.toArray() };
}

const one = (op: string, attributes: NodeText["attributes"] = {}, more: Partial<GraphText> = {}): GraphText => ({
  nodes: [{ op, in: ["x", ...Object.keys({ ...more.initializers, ...more.integers })], out: ["y"], attributes }],
  outputs: ["y"],
  ...more,
});

const image = drawn(2, 3, 4, 4);
const statistics = {
  initializers: { s: [1, 2, 3], b: [0, 1, 2], m: [0.5, 0, 0], v: [1, 4, 9] },
};

describe("a node of an old operator set is that of the newest", () => {
  const same: readonly (readonly [string, number, GraphText, GraphText])[] = [
    [
      "BatchNormalization 1",
      1,
      one(
        "BatchNormalization",
        { is_test: 1, consumed_inputs: [0, 0, 0, 1, 1], spatial: 1, epsilon: 0.25 },
        statistics,
      ),
      one("BatchNormalization", { epsilon: 0.25 }, statistics),
    ],
    [
      "BatchNormalization 9",
      9,
      one("BatchNormalization", { momentum: 0.5 }, statistics),
      one("BatchNormalization", { momentum: 0.5 }, statistics),
    ],
    ["Dropout 1", 1, one("Dropout", { is_test: 1, consumed_inputs: [0], ratio: 0.25 }), one("Identity")],
    ["Dropout 6", 6, one("Dropout", { is_test: 1, ratio: 0.25 }), one("Identity")],
    ["Dropout 7", 7, one("Dropout", { ratio: 0.25 }), one("Identity")],
    ["Relu 1", 1, one("Relu", { consumed_inputs: [0] }), one("Relu")],
    ["Elu 1", 1, one("Elu", { consumed_inputs: [0], alpha: 0.5 }), one("Elu", { alpha: 0.5 })],
    [
      "InstanceNormalization 1",
      1,
      one("InstanceNormalization", { consumed_inputs: [0, 0, 0] }, { initializers: { s: [1, 2, 3], b: [0, 1, 2] } }),
      one("InstanceNormalization", {}, { initializers: { s: [1, 2, 3], b: [0, 1, 2] } }),
    ],
    [
      "Pad 1",
      1,
      one("Pad", { paddings: [0, 0, 1, 0, 0, 0, 0, 2], value: 0.5 }),
      {
        nodes: [{ op: "Pad", in: ["x", "pads", "value"], out: ["y"] }],
        outputs: ["y"],
        integers: { pads: [0, 0, 1, 0, 0, 0, 0, 2] },
        initializers: { value: { shape: [], data: [0.5] } },
      },
    ],
    [
      "Pad 2",
      2,
      one("Pad", { pads: [0, 0, 1, 1, 0, 0, 2, 2], mode: "reflect" }),
      one("Pad", { mode: "reflect" }, { integers: { pads: [0, 0, 1, 1, 0, 0, 2, 2] } }),
    ],
    [
      "Upsample 7",
      7,
      one("Upsample", { scales: [1, 1, 2, 3] }),
      one(
        "Resize",
        { coordinate_transformation_mode: "asymmetric", nearest_mode: "floor" },
        {
          nodes: [
            {
              op: "Resize",
              in: ["x", "", "s"],
              out: ["y"],
              attributes: { coordinate_transformation_mode: "asymmetric", nearest_mode: "floor" },
            },
          ],
          initializers: { s: [1, 1, 2, 3] },
        },
      ),
    ],
    [
      "Upsample 9",
      9,
      one("Upsample", { mode: "linear" }, { initializers: { s: [1, 1, 2, 2] } }),
      {
        nodes: [
          {
            op: "Resize",
            in: ["x", "", "s"],
            out: ["y"],
            attributes: { coordinate_transformation_mode: "asymmetric", mode: "linear" },
          },
        ],
        outputs: ["y"],
        initializers: { s: [1, 1, 2, 2] },
      },
    ],
    [
      "Slice 1",
      1,
      one("Slice", { starts: [0, 1], ends: [1, 3] }),
      one("Slice", {}, { integers: { starts: [0, 1], ends: [1, 3] } }),
    ],
    ["Squeeze 1", 1, one("Unsqueeze", { axes: [1] }), one("Unsqueeze", {}, { integers: { axes: [1] } })],
    ["Flatten 1", 1, one("Flatten", { axis: 2 }), one("Flatten", { axis: 2 })],
    ["Cast 1", 1, one("Cast", { to: "INT32" }), one("Cast", { to: 6 })],
    [
      "Clip 1",
      1,
      one("Clip", { min: -0.5, max: 0.75, consumed_inputs: [0] }),
      {
        nodes: [{ op: "Clip", in: ["x", "low", "high"], out: ["y"] }],
        outputs: ["y"],
        initializers: { low: { shape: [], data: [-0.5] }, high: { shape: [], data: [0.75] } },
      },
    ],
    [
      "MaxPool 1",
      1,
      one("MaxPool", { kernel_shape: [3, 3], strides: [2, 2], auto_pad: "SAME_UPPER" }),
      one("MaxPool", { kernel_shape: [3, 3], strides: [2, 2], pads: [0, 0, 1, 1] }),
    ],
    [
      "AveragePool 1",
      1,
      one("AveragePool", { kernel_shape: [3, 3], strides: [2, 2], auto_pad: "SAME_LOWER" }),
      one("AveragePool", { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 0, 0] }),
    ],
    ["Softmax 1", 1, one("Softmax", { axis: 3 }), one("Softmax", { axis: 3 })],
  ];

  test.each(same)("%s", (_, version, old, now) => {
    const inputs = { x: [2, 3, 4, 4] };
    const [found, expected] = [run(file(version, old, inputs), image), run(file(28, now, inputs), image)];
    expect(found.shape).toEqual(expected.shape);
    expect(found.values).toEqual(expected.values);
  });

  test("Gemm 6 broadcasts its third operand, a vector", () => {
    const weights = { initializers: { w: numbers(4, 3), c: [1, 2, 3] } };
    const graph = one("Gemm", { broadcast: 1 }, weights);
    const x = drawn(2, 4);
    expect(run(file(6, graph, { x: [2, 4] }), x)).toEqual(run(file(13, one("Gemm", {}, weights), { x: [2, 4] }), x));
  });

  test("batch normalisation with five outputs is its training form, as training_mode says it later", async () => {
    const node = (out: string[], attributes = {}): GraphText => ({
      nodes: [{ op: "BatchNormalization", in: ["x", "s", "b", "m", "v"], out, attributes }],
      outputs: ["y"],
      ...statistics,
    });
    const old = run(file(9, node(["y", "m1", "v1", "m2", "v2"]), { x: [2, 3, 4, 4] }), image);
    const now = run(file(15, node(["y", "m1", "v1"], { training_mode: 1 }), { x: [2, 3, 4, 4] }), image);
    expect(old).toEqual(now);
    expect(now).not.toEqual(run(file(9, node(["y"]), { x: [2, 3, 4, 4] }), image));
    const { graph, variables } = decode(file(15, node(["y"], { training_mode: 1 }), { x: [2, 3, 4, 4] }));
    const program = await ort.compile(graph, variables);
    const found = (await program.run({ x: image })).get("y")!;
    await program.dispose();
    expect(largestDifference(found, tensor(now.values, now.shape))).toBeLessThan(1e-5);
  });

  test("a number of an attribute is the decimal that was meant, not its single precision", () => {
    const { graph } = decode(file(9, one("LeakyRelu", { alpha: 1e-5 }), { x: [2] }));
    expect(nodesOf(graph)[0]!.attributes).toEqual({ alpha: 1e-5 });
  });
});

/** Values of a file on both engines, and whether each of its parameters has a gradient. */
async function expectTrainable(bytes: Uint8Array, x: Tensor, parameters: readonly string[]): Promise<void> {
  const { graph, variables } = decode(bytes);
  expect(
    trainableOf(graph)
      .map(({ source }) => source.name)
      .sort(),
  ).toEqual([...parameters].sort());
  const trained = training(graph);
  const y = trained.outputs.get("y")!;
  const wanted = trainableOf(trained);
  const gradients = gradientsOf(reduceSum(mul(mul(y, y), y)), wanted);
  const outputs = wanted.map(({ source }, index) => [`d.${source.name}`, gradients[index]!] as const);
  const all = makeGraph(trained.inputs, new Map([["y", y], ...outputs]));
  const held = new Map([...variables]);
  const expected = evaluateGraph(all, new Map([["x", x], ...held])).outputs;
  const used = new Map(variablesOf(all).map(({ source }) => [source.name, held.get(source.name)!]));
  const program = await ort.compile(all, used, { dimensions: { batch: x.shape[0]! } });
  const found = await program.run({ x });
  await program.dispose();
  for (const [name, tensor] of expected) {
    expect(largestMagnitude([tensor]), name).toBeGreaterThan(0);
    expect(largestDifference(found.get(name)!, tensor), name).toBeLessThan(1e-4 * largestMagnitude([tensor]));
  }
}

afterAll(() => ort.close());

describe("exporters", () => {
  test("TensorFlow's: channels last, weights transposed in the graph, padding of its own, a shape computed", async () => {
    const graph: GraphText = {
      nodes: [
        { op: "Transpose", in: ["x"], out: ["first"], attributes: { perm: [0, 3, 1, 2] } },
        { op: "Pad", in: ["first", "pads"], out: ["padded"] },
        { op: "Transpose", in: ["conv/kernel"], out: ["kernel"], attributes: { perm: [3, 2, 0, 1] } },
        { op: "Conv", in: ["padded", "kernel"], out: ["conv"], attributes: { kernel_shape: [3, 3], strides: [2, 2] } },
        { op: "Reshape", in: ["conv/bias", "across"], out: ["bias"] },
        { op: "Add", in: ["conv", "bias"], out: ["sum"] },
        { op: "Max", in: ["sum", "zero"], out: ["relu"] },
        {
          op: "MaxPool",
          in: ["relu"],
          out: ["pool"],
          attributes: { kernel_shape: [2, 2], strides: [1, 1], auto_pad: "SAME_UPPER" },
        },
        { op: "Transpose", in: ["pool"], out: ["last"], attributes: { perm: [0, 2, 3, 1] } },
        { op: "Shape", in: ["last"], out: ["shape"] },
        { op: "Slice", in: ["shape", "from", "to"], out: ["batch"] },
        { op: "Concat", in: ["batch", "rest"], out: ["flat"], attributes: { axis: 0 } },
        { op: "Reshape", in: ["last", "flat"], out: ["features"] },
        { op: "MatMul", in: ["features", "dense/kernel"], out: ["product"] },
        { op: "Add", in: ["product", "dense/bias"], out: ["y"] },
      ],
      outputs: ["y"],
      initializers: {
        "conv/kernel": numbers(3, 3, 2, 4),
        "conv/bias": [0.1, 0.2, 0.3, 0.4],
        "dense/kernel": numbers(16, 3),
        "dense/bias": [1, 2, 3],
        zero: { shape: [], data: [0] },
      },
      integers: { pads: [0, 0, 0, 0, 0, 0, 1, 1], across: [1, 4, 1, 1], from: [0], to: [1], rest: [-1] },
    };
    const bytes = file(13, graph, { x: ["batch", 4, 4, 2] });
    await expectTrainable(bytes, drawn(3, 4, 4, 2), ["conv/kernel", "conv/bias", "dense/kernel", "dense/bias"]);
  });

  test("timm's: weights standardised in the graph, groups normalised as instances, a shape gathered", async () => {
    const graph: GraphText = {
      nodes: [
        { op: "ReduceMean", in: ["stem.weight"], out: ["mean"], attributes: { axes: [1, 2, 3] } },
        { op: "Sub", in: ["stem.weight", "mean"], out: ["centred"] },
        { op: "Mul", in: ["centred", "centred"], out: ["squared"] },
        { op: "ReduceMean", in: ["squared"], out: ["variance"], attributes: { axes: [1, 2, 3] } },
        { op: "Sqrt", in: ["variance"], out: ["deviation"] },
        { op: "Div", in: ["centred", "deviation"], out: ["standard"] },
        { op: "Mul", in: ["standard", "stem.gain"], out: ["weight"] },
        { op: "Conv", in: ["x", "weight"], out: ["conv"], attributes: { pads: [1, 1, 1, 1] } },
        { op: "Shape", in: ["conv"], out: ["shape"] },
        { op: "Reshape", in: ["conv", "groups"], out: ["grouped"] },
        { op: "InstanceNormalization", in: ["grouped", "ones", "zeros"], out: ["normal"] },
        { op: "Reshape", in: ["normal", "shape"], out: ["maps"] },
        { op: "Mul", in: ["maps", "norm.weight"], out: ["scaled"] },
        { op: "Add", in: ["scaled", "norm.bias"], out: ["shifted"] },
        { op: "Sigmoid", in: ["shifted"], out: ["gate"] },
        { op: "Mul", in: ["shifted", "gate"], out: ["silu"] },
        { op: "Gather", in: ["shape", "first"], out: ["batch"] },
        { op: "Concat", in: ["batch", "rest"], out: ["flat"], attributes: { axis: 0 } },
        { op: "Reshape", in: ["silu", "flat"], out: ["features"] },
        { op: "Gemm", in: ["features", "head.weight", "head.bias"], out: ["y"], attributes: { transB: 1 } },
      ],
      outputs: ["y"],
      initializers: {
        "stem.weight": numbers(4, 3, 3, 3),
        "stem.gain": numbers(4, 1, 1, 1),
        "norm.weight": numbers(4, 1, 1),
        "norm.bias": numbers(4, 1, 1),
        "head.weight": numbers(3, 64),
        "head.bias": [1, 2, 3],
      },
      integers: { groups: [0, 2, -1], first: [0], rest: [-1] },
    };
    const withOnes: GraphText = {
      ...graph,
      nodes: [
        { op: "Constant", in: [], out: ["ones"], attributes: { value_floats: { floats: [1, 1] } } },
        { op: "Constant", in: [], out: ["zeros"], attributes: { value_floats: { floats: [0, 0] } } },
        ...graph.nodes,
      ],
    };
    const names = Object.keys(graph.initializers!);
    await expectTrainable(file(12, withOnes, { x: ["batch", 3, 4, 4] }), drawn(2, 3, 4, 4), names);
  });

  test("weights through Identity, Cast and Unsqueeze are trained under their own names", async () => {
    const graph: GraphText = {
      nodes: [
        { op: "Identity", in: ["w"], out: ["model/w:0"] },
        { op: "Cast", in: ["model/w:0"], out: ["wide"], attributes: { to: 1 } },
        { op: "Unsqueeze", in: ["wide"], out: ["kernel"], attributes: { axes: [3] } },
        { op: "Conv", in: ["x", "kernel"], out: ["conv"], attributes: { auto_pad: "SAME_LOWER" } },
        { op: "GlobalAveragePool", in: ["conv"], out: ["pool"] },
        { op: "Squeeze", in: ["pool"], out: ["y"], attributes: { axes: [2, 3] } },
      ],
      outputs: ["y"],
      initializers: { w: numbers(4, 3, 2) },
    };
    await expectTrainable(file(11, graph, { x: ["batch", 3, 4, 4] }), drawn(2, 3, 4, 4), ["w"]);
  });

  test("initialisers that are inputs too are weights all the same", () => {
    const graph = one("Add", {}, { initializers: { w: [1, 2, 3, 4] } });
    const { graph: read } = decode(file(9, graph, { x: [2, 3, 4, 4], w: [4] }));
    expect(read.inputs.map(({ source }) => source.name)).toEqual(["x"]);
    expect(trainableOf(read).map(({ source }) => source.name)).toEqual(["w"]);
  });
});
