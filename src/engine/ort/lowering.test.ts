/** Every branch of the rules of lowering is reached, and gives what the reference engine gives. */
import { fromBinary } from "@bufbuild/protobuf";
import { afterAll, describe, expect, test } from "vitest";
import { buildCase } from "../../../test/check/build.ts";
import { moving, type OpCase, row, still } from "../../../test/check/case.ts";
import { expectClose } from "../../../test/check/compare.ts";
import { type Draw, uniform } from "../../../test/check/draw.ts";
import { checkOp } from "../../../test/check/op.ts";
import { type Graph, makeGraph, nodesOf } from "../../graph/graph.ts";
import { type Attributes, apply } from "../../graph/op.ts";
import { inputValue, parameterValue, stateValue, type Value } from "../../graph/value.ts";
import { encode } from "../../onnx/encode.ts";
import { ModelProtoSchema } from "../../onnx/generated/onnx_pb.ts";
import { BatchNormalizationGradient, BatchNormalizationTraining } from "../../ops/batch-normalisation.ts";
import { Conv, ConvInputGradient, ConvWeightGradient, conv, convInputGradient } from "../../ops/conv.ts";
import { Expand } from "../../ops/core/broadcast.ts";
import { add } from "../../ops/core/elementwise.ts";
import { vector } from "../../ops/core/shape.ts";
import { globalAveragePool } from "../../ops/pool.ts";
import { Random } from "../../tensor/random.ts";
import { scalar, type Tensor, tensor } from "../../tensor/tensor.ts";
import { reference } from "../reference.ts";
import { lower } from "./lower.ts";
import { ort } from "./ort.ts";

afterAll(() => ort.close());

const namesOf = (graph: Graph): string[] =>
  nodesOf(graph).flatMap(({ op }) => [
    op.domain.endsWith("nchwc") ? `${op.name} in blocks` : op.name,
    ...(op.body ? namesOf(op.body) : []),
  ]);

/** A case, operators that its lowering has, and one that it has not. */
interface Row {
  readonly opCase: OpCase;
  readonly has: readonly string[];
  readonly hasNot?: string;
}

interface Window {
  readonly x: readonly (number | string)[];
  readonly w: readonly number[];
  readonly attributes?: Attributes;
}

const blocks = ["ReorderInput in blocks", "Conv in blocks", "ReorderOutput in blocks"];
const around = { pads: [1, 1, 1, 1] };
const halves = { strides: [2, 2], ...around };

const forward = (name: string, { x, w, attributes }: Window): OpCase =>
  row(Conv, name, [moving(x), moving(w), moving([w[0]!])], { attributes, secondOrder: false });

const inputGradient = (name: string, g: readonly (number | string)[], { x, w, attributes }: Window): OpCase =>
  row(ConvInputGradient, name, [moving(g), moving(w)], {
    attributes: { ...attributes, kernel_shape: w.slice(2) },
    operands: ([gradient, weight]) => [gradient, weight, vector(x as number[])],
  });

const weightGradient = (name: string, g: readonly (number | string)[], { x, w, attributes }: Window): OpCase =>
  row(ConvWeightGradient, name, [moving(x), moving(g)], { attributes: { ...attributes, kernel_shape: w.slice(2) } });

/** Far from zero, where the mean of squares less the square of the mean would have no digits left. */
const farOff: Draw = (random, size) => Array.from({ length: size }, () => 300 + random.normal());

const lowered = (opCase: OpCase, has: readonly string[], hasNot?: string): Row => ({ opCase, has, hasNot });

const rowsOf: readonly Row[] = [
  lowered(forward("dense, with a kernel", { x: [2, 16, 16, 18], w: [16, 16, 3, 3], attributes: around }), blocks),
  lowered(forward("few channels", { x: [2, 3, 33, 32], w: [16, 3, 3, 3], attributes: halves }), blocks.slice(1)),
  lowered(forward("few positions", { x: [1, 16, 5, 5], w: [16, 16, 3, 3] }), ["Conv"], "Conv in blocks"),
  lowered(forward("pointwise", { x: [2, 16, 16, 18], w: [16, 16, 1, 1] }), ["Conv"], "Conv in blocks"),
  lowered(
    forward("depthwise, channels that fill no block", {
      x: ["batch", 20, 7, 6],
      w: [20, 1, 3, 3],
      attributes: { group: 20, strides: [2, 1], pads: [1, 0, 2, 1] },
    }),
    blocks,
  ),
  lowered(
    inputGradient("pointwise", [2, 6, 4, 3], { x: [2, 5, 4, 3], w: [6, 5, 1, 1] }),
    ["Transpose", "Conv"],
    "ConvTranspose",
  ),
  lowered(
    inputGradient("dense, other padding at each end", [2, 32, 16, 18], {
      x: [2, 16, 16, 18],
      w: [32, 16, 3, 3],
      attributes: { pads: [1, 2, 1, 0] },
    }),
    blocks,
  ),
  lowered(
    inputGradient("dense, dilated", [2, 16, 16, 18], {
      x: [2, 16, 20, 18],
      w: [16, 16, 3, 3],
      attributes: { dilations: [2, 1], pads: [0, 1, 0, 1] },
    }),
    blocks,
  ),
  lowered(
    inputGradient("dense, strided", [2, 16, 8, 9], { x: [2, 16, 16, 18], w: [16, 16, 3, 3], attributes: halves }),
    ["ConvTranspose"],
  ),
  lowered(
    inputGradient("depthwise", [2, 20, 7, 6], {
      x: [2, 20, 7, 6],
      w: [20, 1, 3, 3],
      attributes: { group: 20, ...around },
    }),
    blocks,
    "MatMul",
  ),
  lowered(
    inputGradient("depthwise, strided", [2, 20, 4, 3], {
      x: [2, 20, 8, 6],
      w: [20, 1, 3, 3],
      attributes: { group: 20, ...halves },
    }),
    ["MatMul", ...blocks],
  ),
  lowered(
    inputGradient("depthwise, strided, of odd size", [2, 20, 4, 2], {
      x: [2, 20, 7, 5],
      w: [20, 1, 3, 2],
      attributes: { group: 20, strides: [2, 3], pads: [1, 1, 1, 0] },
    }),
    ["MatMul", ...blocks],
  ),
  lowered(weightGradient("pointwise, by images", [2, 4, 6, 5], { x: [2, 3, 6, 5], w: [4, 3, 1, 1] }), [
    "FusedMatMul",
    "ReduceSum",
  ]),
  lowered(weightGradient("pointwise, over the batch", [2, 16, 2, 2], { x: [2, 12, 2, 2], w: [16, 12, 1, 1] }), [
    "Gemm",
  ]),
  lowered(
    weightGradient("pointwise, strided", [2, 4, 4, 3], {
      x: [2, 3, 8, 6],
      w: [4, 3, 1, 1],
      attributes: { strides: [2, 2] },
    }),
    ["MatMul", "FusedMatMul"],
  ),
  lowered(
    weightGradient("pointwise, strided, of odd size", [2, 4, 4, 3], {
      x: [2, 3, 7, 5],
      w: [4, 3, 1, 1],
      attributes: { strides: [2, 2] },
    }),
    ["Slice", "FusedMatMul"],
  ),
  lowered(
    weightGradient("channels last, by images", [2, 3, 8, 8], {
      x: [2, 5, 8, 8],
      w: [3, 5, 3, 3],
      attributes: around,
    }),
    ["Conv", "ReduceSum"],
  ),
  lowered(
    weightGradient("channels last, over the batch, strided and dilated", [2, 3, 3, 4], {
      x: [2, 5, 8, 7],
      w: [3, 5, 3, 2],
      attributes: { strides: [2, 2], dilations: [1, 2], pads: [0, 1, 0, 1] },
    }),
    ["Conv"],
    "ReduceSum",
  ),
  lowered(
    weightGradient("few channels, strided, a rest beyond the last window", [2, 3, 6, 7], {
      x: [2, 2, 14, 15],
      w: [3, 2, 3, 3],
      attributes: { strides: [2, 2] },
    }),
    ["Conv", "ReduceSum", "Slice"],
    "Transpose",
  ),
  lowered(
    weightGradient("few channels, patches smaller than the filters are many", [2, 20, 4, 5], {
      x: [2, 2, 8, 9],
      w: [20, 2, 3, 3],
      attributes: halves,
    }),
    ["Conv in blocks", "MatMul", "ReduceSum"],
    "ReorderInput in blocks",
  ),
  lowered(
    weightGradient("few channels, dilated, patches of two blocks", [2, 32, 5, 8], {
      x: [2, 3, 8, 7],
      w: [32, 3, 3, 3],
      attributes: { dilations: [2, 1], pads: [0, 1, 1, 2] },
    }),
    ["Conv in blocks", "MatMul", "ReduceSum"],
    "ReorderInput in blocks",
  ),
  lowered(
    weightGradient("one channel", [2, 3, 5, 6], { x: [2, 1, 7, 8], w: [3, 1, 3, 3] }),
    ["Conv", "ReduceSum"],
    "Transpose",
  ),
  lowered(weightGradient("one axis", [2, 3, 9], { x: [2, 5, 9], w: [3, 5, 3], attributes: { pads: [1, 1] } }), [
    "Conv",
  ]),
  lowered(
    weightGradient("depthwise", [2, 6, 7, 6], {
      x: [2, 6, 7, 6],
      w: [6, 1, 3, 3],
      attributes: { group: 6, ...around },
    }),
    blocks,
  ),
  lowered(
    weightGradient("depthwise, whole blocks, strided", [2, 32, 4, 3], {
      x: [2, 32, 8, 6],
      w: [32, 1, 3, 3],
      attributes: { group: 32, ...halves },
    }),
    blocks,
  ),
  lowered(
    row(BatchNormalizationTraining, "large maps, far from zero", [
      still([2, 3, 16, 17], farOff),
      still([3]),
      moving([3]),
    ]),
    ["FusedMatMul", "Conv"],
  ),
  lowered(
    row(
      BatchNormalizationGradient,
      "large maps",
      [moving([2, 3, 16, 17]), moving([3]), still([3]), still([3], uniform(1, 2)), moving([2, 3, 16, 17])],
      { secondOrder: false },
    ),
    ["FusedMatMul", "Conv"],
  ),
  lowered(row(Expand, "numbers over maps", [moving([2, 3, 1, 1])], { operands: ([x]) => [x, vector([2, 3, 4, 5])] }), [
    "MatMul",
  ]),
];

const loweringOf = ({ opCase }: Row, block?: number): string[] => {
  const { graph, forward } = buildCase(opCase, "fixed");
  return namesOf(lower(makeGraph(graph.inputs, forward.outputs), block));
};

describe("a lowering", () => {
  test.each(rowsOf.map((each) => ({ ...each, name: each.opCase.name })))("of $name", async (each) => {
    const names = loweringOf(each, 16);
    for (const name of each.has) expect(names).toContain(name);
    if (each.hasNot) expect(names).not.toContain(each.hasNot);
    await checkOp(each.opCase, { engines: [ort], directions: 4 });
  });

  test("has no operators of the runtime's own layout where that is not known", () => {
    for (const each of rowsOf) expect(loweringOf(each).join()).not.toContain("blocks");
  });
});

const draw = (name: string, ...shape: readonly number[]): Tensor => {
  const random = new Random(1, `lowering ${name}`);
  return tensor(
    Array.from({ length: shape.reduce((size, length) => size * length, 1) }, () => random.normal()),
    shape,
  );
};

const depthwise = (channels: number, stride: number) => ({
  group: channels,
  kernel_shape: [3, 3],
  strides: [stride, stride],
  ...around,
});

describe("maps in blocks that fill the cache", () => {
  const [maps, halved] = [
    [2, 100, 64, 64],
    [2, 100, 32, 32],
  ];
  const many = [2, 132, 128, 128];
  test.each([
    {
      name: "forward",
      operands: { x: maps, w: [100, 1, 3, 3] },
      build: ({ x, w }: Record<string, Value>) => conv(x!, w!, undefined, depthwise(100, 2)),
    },
    {
      name: "forward, few channels",
      operands: { x: [2, 3, 364, 364], w: [16, 3, 3, 3] },
      build: ({ x, w }: Record<string, Value>) => conv(x!, w!, undefined, halves),
    },
    {
      name: "weight gradient",
      operands: { x: maps, g: maps },
      build: ({ x, g }: Record<string, Value>) => apply(ConvWeightGradient, [x, g], depthwise(100, 1))[0]!,
    },
    {
      name: "weight gradient, strided",
      operands: { x: maps, g: halved },
      build: ({ x, g }: Record<string, Value>) => apply(ConvWeightGradient, [x, g], depthwise(100, 2))[0]!,
    },
    {
      name: "input gradient",
      operands: { g: [2, 132, 64, 64], w: [132, 1, 3, 3] },
      build: ({ g, w }: Record<string, Value>) => convInputGradient(g!, w!, vector(many), depthwise(132, 2)),
    },
  ])("are made and used a few images at a time: $name", async ({ operands, build }) => {
    const shapes = Object.entries(operands) as [string, readonly number[]][];
    const inputs = shapes.map(([name, shape]) => inputValue(name, { dtype: "float32", shape }));
    const graph = makeGraph(inputs, { y: build(Object.fromEntries(shapes.map(([name], at) => [name, inputs[at]!]))) });
    expect(namesOf(lower(graph, 16))).toEqual(expect.arrayContaining(["Scan", ...blocks]));
    const feeds = Object.fromEntries(shapes.map(([name, shape]) => [name, draw(name, ...shape)]));
    const found = await (await ort.compile(graph, new Map())).run(feeds);
    const expected = await (await reference.compile(graph, new Map())).run(feeds);
    expectClose("y", found.get("y"), expected.get("y")!, { relative: 1e-5 });
  });
});

test("parts of a batch have their weights by the name that these have outside", () => {
  const g = inputValue("g", { dtype: "float32", shape: [2, 132, 64, 64] });
  const w = inputValue("w", { dtype: "float32", shape: [132, 1, 3, 3] });
  const graph = makeGraph([g, w], { y: conv(g, w, undefined, depthwise(132, 2)) });
  const nodes = fromBinary(ModelProtoSchema, encode(lower(graph, 16))).graph!.node;
  const scan = nodes.find(({ opType }) => opType === "Scan")!;
  const { input, node } = scan.attribute.find(({ name }) => name === "body")!.g!;
  expect([scan.input.length, input.length]).toEqual([1, 1]);
  const weights = node.find(({ opType }) => opType === "Conv")!.input[1]!;
  expect(nodes.some(({ output }) => output.includes(weights))).toBe(true);
});

describe("a program in training", () => {
  test("has its weights arranged in every run, and the mean of maps is that of rows", async () => {
    const x = inputValue("x", { dtype: "float32", shape: [2, 16, 16, 16] });
    const w = parameterValue("w", { dtype: "float32", shape: [16, 16, 3, 3] });
    const count = stateValue("count", { dtype: "float32", shape: [] });
    const outputs = { y: globalAveragePool(conv(x, w, undefined, around)) };
    const graph = makeGraph([x], outputs, [{ variable: count, next: add(count, 1) }]);
    expect(namesOf(lower(graph, 16))).toEqual(expect.arrayContaining([...blocks, "ReduceMean"]));
    expect(namesOf(lower(makeGraph([x], outputs), 16))).toEqual(["Conv", "GlobalAveragePool"]);
    const [variables, feeds] = [
      new Map([
        ["w", draw("w", 16, 16, 3, 3)],
        ["count", scalar(0)],
      ]),
      { x: draw("x", 2, 16, 16, 16) },
    ];
    const found = await (await ort.compile(graph, variables)).run(feeds);
    const expected = await (await reference.compile(graph, variables)).run(feeds);
    expectClose("y", found.get("y"), expected.get("y")!, { relative: 1e-5 });
  });
});
