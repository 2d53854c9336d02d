import { afterAll, describe, expect, test } from "vitest";
import { expectClose, largestMagnitude } from "../../test/check/compare.ts";
import { differences } from "../../test/check/differences.ts";
import { type Draw, distinct, drawTensor, exactly, integer, normal, uniform } from "../../test/check/draw.ts";
import { engines } from "../../test/check/engines.ts";
import { gradientsOf } from "../autodiff/gradient.ts";
import type { Engine } from "../engine/engine.ts";
import { evaluateGraph, reference } from "../engine/reference.ts";
import { StriateError } from "../errors.ts";
import { makeGraph } from "../graph/graph.ts";
import type { Attributes } from "../graph/op.ts";
import { constant, inputValue, type Value } from "../graph/value.ts";
import { mul } from "../ops/core/elementwise.ts";
import { reduceSum } from "../ops/core/reduce.ts";
import { vector } from "../ops/core/shape.ts";
import { Random } from "../tensor/random.ts";
import { type Tensor, tensor } from "../tensor/tensor.ts";
import { compositions } from "./compose.ts";
import type { Composition } from "./form.ts";

interface Row {
  readonly name: string;
  readonly moving: readonly (readonly [readonly number[], Draw?])[];
  readonly fixed?: readonly Value[];
  readonly attributes?: Attributes;
  readonly outputs?: number;
}

const random = new Random(3);
const labels = (...shape: readonly number[]): Value => constant(drawTensor(integer(0, 2), random, shape, "int64"));
const whole = (number: number): Value => constant(tensor([number], [], "int64"));
const away = uniform(0.4, 0.9);
const grids = ["nearest", "linear", "cubic"].flatMap((mode) =>
  ["zeros", "border", "reflection"].map((padding_mode) => ({ mode, padding_mode })),
);

const rows: readonly Row[] = [
  { name: "ReduceL1", moving: [[[3, 4], away]], fixed: [vector([1])] },
  { name: "ReduceL2", moving: [[[3, 4], away]], fixed: [vector([0])], attributes: { keepdims: 0 } },
  { name: "ReduceLogSum", moving: [[[3, 4], away]], fixed: [vector([-1])] },
  { name: "ReduceLogSumExp", moving: [[[3, 4], distinct]], fixed: [vector([1])], attributes: { keepdims: 0 } },
  { name: "ReduceSumSquare", moving: [[[3, 4]]] },
  { name: "Mean", moving: [[[3, 4]], [[4]], [[]]] },
  { name: "Sum", moving: [[[3, 4]], [[4]]] },
  { name: "Split", moving: [[[3, 5]]], attributes: { axis: 1, num_outputs: 2 }, outputs: 2 },
  { name: "Split", moving: [[[3, 5]]], fixed: [vector([1, 2])], outputs: 2 },
  { name: "Tile", moving: [[[2, 3]]], fixed: [vector([2, 3])] },
  { name: "Swish", moving: [[[2, 3]]], attributes: { alpha: 1.5 } },
  { name: "SoftmaxOverRest", moving: [[[2, 3, 2]]] },
  { name: "LogSoftmaxOverRest", moving: [[[2, 3, 2]]], attributes: { axis: 2 } },
  { name: "MatMulOfVector", moving: [[[3]], [[2, 3, 4]]] },
  { name: "CenterCropPad", moving: [[[5, 3]]], fixed: [vector([2, 6])] },
  { name: "Einsum", moving: [[[2, 3]], [[3, 4]]], attributes: { equation: "ij,jk->ik" } },
  { name: "Einsum", moving: [[[2, 3, 3]]], attributes: { equation: "...ii->...i" } },
  { name: "NegativeLogLikelihoodLoss", moving: [[[2, 3, 4]]], fixed: [labels(2, 4)] },
  { name: "SoftmaxCrossEntropyLoss", moving: [[[4, 3]]], fixed: [labels(4)], attributes: { ignore_index: 1 } },
  { name: "DFT", moving: [[[2, 5, 3, 1]]], fixed: [whole(7), whole(1)] },
  { name: "DFT", moving: [[[4, 3, 2]]], fixed: [whole(3), whole(0)], attributes: { inverse: 1 } },
  { name: "DFT", moving: [[[2, 5, 1]]], attributes: { onesided: 1 } },
  { name: "DFT", moving: [[[2, 4, 2]]], attributes: { onesided: 1, inverse: 1 } },
  ...[1, 2, 3].flatMap((p) => [
    { name: "LpPool", moving: [[[1, 2, 5, 4], away]] as const, attributes: { p, kernel_shape: [2, 3] } },
    { name: "GlobalLpPool", moving: [[[2, 2, 3, 2], away]] as const, attributes: { p } },
  ]),
  {
    name: "LpPool",
    moving: [[[1, 1, 6, 6], away]],
    attributes: { kernel_shape: [3, 2], strides: [2, 3], pads: [1, 0, 0, 1], ceil_mode: 1 },
  },
  { name: "GlobalMaxPool", moving: [[[2, 2, 3, 2], distinct]] },
  {
    name: "MaxPoolByColumns",
    moving: [[[1, 2, 4, 4], distinct]],
    attributes: { kernel_shape: [2, 3], storage_order: 1 },
  },
  {
    name: "MaxUnpool",
    moving: [[[1, 2, 1, 2]]],
    fixed: [constant(tensor([5, 3, 8, 14], [1, 2, 1, 2], "int64")), vector([1, 2, 3, 5])],
    attributes: { kernel_shape: [2, 2], strides: [2, 2] },
  },
  {
    name: "Col2Im",
    moving: [[[2, 12, 4]]],
    fixed: [vector([4, 5]), vector([2, 3])],
    attributes: { pads: [0, 1, 1, 0], strides: [2, 1], dilations: [2, 2] },
  },
  {
    name: "DeformConv",
    moving: [[[1, 4, 4, 3]], [[2, 2, 2, 2]], [[1, 16, 3, 2], uniform(0.15, 0.85)], [[2]], [[1, 8, 3, 2]]],
    attributes: { group: 2, offset_group: 2, strides: [2, 2], pads: [2, 1, 1, 1] },
  },
  { name: "AffineGrid", moving: [[[2, 2, 3]]], fixed: [vector([2, 1, 3, 2])] },
  { name: "AffineGrid", moving: [[[2, 3, 4]]], fixed: [vector([2, 1, 3, 1, 2])], attributes: { align_corners: 1 } },
  ...grids.map((attributes) => ({
    name: "GridSample",
    moving: [[[1, 2, 3, 4]], [[1, 2, 2, 2], exactly(-0.93, 0.31, 0.47, -0.58, 1.21, 0.12, -0.2, -1.37)]] as const,
    attributes,
  })),
];

const overMaps = new Set([
  "AffineGrid",
  "DFT",
  "LpPool",
  "GlobalLpPool",
  "GlobalMaxPool",
  "MaxPoolByColumns",
  "Col2Im",
  "DeformConv",
]);
afterAll(async () => {
  for (const engine of engines) await engine.close();
});

const titled = rows.map(
  (row, index) => [`${index}: ${row.name} ${JSON.stringify(row.attributes ?? {})}`, row] as const,
);

/** The composition's outputs, weighed and multiplied to one number, that number's gradients, and where they are taken. */
function built({ name, moving, fixed = [], attributes = {}, outputs = 1 }: Row, dtype: "float32" | "float64") {
  const random = new Random(5);
  const inputs = moving.map(([shape], index) => inputValue(`x${index}`, { dtype, shape }));
  const form = { type: name, version: 21, inputs: [...inputs, ...fixed], attributes, outputs };
  const results = compositions.get(name)!(form as Parameters<Composition>[0]).slice(0, outputs);
  const sum = results
    .map((y) => reduceSum(mul(y, constant(drawTensor(normal, random, y.shape as number[], y.dtype)))))
    .reduce((a, b) => mul(a, b));
  const gradients = new Map(gradientsOf(sum, inputs).map((gradient, index) => [`d${index}`, gradient]));
  const at = new Map(
    moving.map(([shape, draw = normal], index) => [`x${index}`, drawTensor(draw, random, shape, dtype)]),
  );
  return { forward: makeGraph(inputs, { sum }), gradient: makeGraph(inputs, gradients), at };
}

describe("operators that are compositions have the gradients of what they are", () => {
  test.each(titled)("%s has the gradient of differences", (_, row) => {
    const { forward, gradient, at } = built(row, "float64");
    const value = (feeds: ReadonlyMap<string, Tensor>) => evaluateGraph(forward, feeds).outputs.get("sum")!.item();
    const found = evaluateGraph(gradient, at).outputs;
    const gradients = new Map([...at.keys()].map((name, index) => [name, found.get(`d${index}`)!]));
    const { error } = differences({ value, at, gradients });
    expect(error).toBeLessThan(1e-6 * largestMagnitude(gradients.values()));
  });
});

describe("operators that are compositions have one gradient on every engine", () => {
  test.each(titled)("%s has the gradient of the reference engine", async (_, row) => {
    const { gradient, at } = built(row, "float32");
    const expected = evaluateGraph(gradient, at).outputs;
    for (const engine of engines) {
      const program = await engine.compile(gradient, new Map(), { threads: 1 });
      const found = await program.run(Object.fromEntries(at));
      await program.dispose();
      for (const [name, tensor] of expected) expectClose(name, found.get(name), tensor, { relative: 1e-5 });
    }
  });
});

describe("operators over maps that are compositions take batches of any size", () => {
  const batched = titled.filter(([, { name, fixed }]) => overMaps.has(name) && (name !== "DFT" || fixed?.length !== 2));
  test.each(batched)("%s takes batches of any size", async (_, { name, moving, fixed = [], attributes = {} }) => {
    const count = moving[0]![0][0]!;
    const run = async (engine: Engine, batch: number | string) => {
      const inputs = moving.map(([shape], index) => {
        const named = shape.length > 2 && shape[0] === count ? [batch, ...shape.slice(1)] : shape;
        return inputValue(`x${index}`, { dtype: "float32", shape: named });
      });
      const form = { type: name, version: 22, inputs: [...inputs, ...fixed], attributes, outputs: 1 };
      const y = compositions.get(name)!(form as Parameters<Composition>[0])[0]!;
      expect(y.shape[0]).toBe(batch);
      const program = await engine.compile(makeGraph(inputs, { y }), new Map(), { threads: 1 });
      const random = new Random(6);
      const feeds = moving.map(([shape, draw = normal]) => drawTensor(draw, random, shape, "float32"));
      const found = await program.run(Object.fromEntries(feeds.map((each, index) => [`x${index}`, each])));
      await program.dispose();
      return found.get("y")!;
    };
    const expected = await run(reference, count);
    for (const engine of [reference, ...engines])
      expectClose(engine.name, await run(engine, "batch"), expected, { relative: 1e-5 });
  });
});

describe("an affine grid is torch.nn.functional.affine_grid's", () => {
  // PyTorch 1.13, float64
  const flat = tensor([0.5, 0.25, -0.1, -0.3, 2, 0.4], [1, 2, 3], "float64");
  const deep = tensor(
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11].map((each) => each / 8),
    [1, 3, 4],
    "float64",
  );
  test.each([
    [flat, [2, 3], 0, [-67 / 120, -0.4, -0.225, -0.6, 13 / 120, -0.8, -37 / 120, 1.6, 0.025, 1.4, 43 / 120, 1.2]],
    [flat, [2, 3], 1, [-0.85, -1.3, -0.35, -1.6, 0.15, -1.9, -0.35, 2.7, 0.15, 2.4, 0.65, 2.1]],
    [deep, [2, 1, 2], 0, [0.25, 0.25, 0.25, 0.25, 0.75, 1.25, 0.5, 1, 1.5, 0.5, 1.5, 2.5]],
    [deep, [2, 1, 2], 1, [0.125, -0.375, -0.875, 0.125, 0.625, 1.125, 0.625, 1.125, 1.625, 0.625, 2.125, 3.625]],
  ])("affine grid %#", (theta, size, align_corners, expected) => {
    const inputs = [constant(theta), vector([1, 1, ...size])];
    const form = { type: "AffineGrid", version: 20, inputs, attributes: { align_corners }, outputs: 1 };
    const y = evaluateGraph(makeGraph([], { y: compositions.get("AffineGrid")!(form)[0]! }), new Map()).outputs.get(
      "y",
    )!;
    expect(y.shape).toEqual([1, ...size, size.length]);
    expectClose("grid", y, tensor(expected, y.shape, "float64"), { relative: 1e-12 });
  });
});

test("pooling by a norm counts what a last window that hangs over has of the input", () => {
  const x = constant(tensor([1, 2, 3, 4, 5], [1, 1, 5], "float64"));
  const attributes = { p: 1, kernel_shape: [3], strides: [2], pads: [1, 0], ceil_mode: 1 };
  const [y] = compositions.get("LpPool")!({ type: "LpPool", version: 22, inputs: [x], attributes, outputs: 1 });
  expect(
    evaluateGraph(makeGraph([], { y: y! }), new Map())
      .outputs.get("y")!
      .toArray(),
  ).toEqual([3, 9, 9]);
});

test("columns of bytes come to an image of bytes", async () => {
  const x = inputValue("x", { dtype: "uint8", shape: [1, 4, 4] });
  const form = { type: "Col2Im", version: 18, attributes: {}, inputs: [x, vector([3, 3]), vector([2, 2])], outputs: 1 };
  const graph = makeGraph([x], { y: compositions.get("Col2Im")!(form)[0]! });
  const bytes = tensor([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 60], [1, 4, 4], "uint8");
  for (const engine of [reference, ...engines]) {
    const program = await engine.compile(graph, new Map(), { threads: 1 });
    const y = (await program.run({ x: bytes })).get("y")!;
    await program.dispose();
    expect([y.dtype, ...y.toArray()]).toEqual(["uint8", 1, 7, 6, 12, 34, 22, 11, 27, 60]);
  }
});

test("the gradient of pooling by a norm is 0 where all is 0", () => {
  const x = inputValue("x", { dtype: "float64", shape: [1, 1, 2, 4] });
  for (const p of [1, 2, 3]) {
    const form = { type: "LpPool", version: 22, inputs: [x], attributes: { p, kernel_shape: [2, 2], strides: [2, 2] } };
    const sum = reduceSum(compositions.get("LpPool")!({ ...form, outputs: 1 })[0]!);
    const graph = makeGraph([x], { d: gradientsOf(sum, [x])[0]! });
    const half = tensor([0, 0, 1, 0, 0, 0, 0, 0], [1, 1, 2, 4], "float64");
    expect(
      evaluateGraph(graph, new Map([["x", half]]))
        .outputs.get("d")!
        .toArray(),
    ).toEqual(half.toArray());
  }
});

describe("operators that are compositions say what does not fit", () => {
  const x = inputValue("x", { dtype: "float32", shape: ["batch", 3] });
  const compose =
    (type: string, attributes: Attributes, ...more: readonly Value[]) =>
    () =>
      compositions.get(type)!({ type, version: 21, inputs: [x, ...more], attributes: attributes as never, outputs: 2 });

  test.each([
    ["Split", compose("Split", { axis: 0 }), "Split: found even parts of axis 0 of length batch; expected a number."],
    ["Split's lengths", compose("Split", { axis: 1 }, vector([1, 1])), "expected lengths that add up to 3."],
    ["Constant", compose("Constant", {}), "Constant: found a constant of nothing"],
    ["Tile", compose("Tile", {}, vector([1])), "Tile: found repeats [1]; expected 2 numbers."],
    ["Einsum", compose("Einsum", { equation: "ijk->i" }), 'Einsum: found equation "ijk->i"'],
    ["EyeLike", compose("EyeLike", {}), "EyeLike: found an operand of [batch,3]"],
    ["GridSample", compose("GridSample", {}, x), "GridSample: found x [batch,3]"],
    ["DFT", compose("DFT", {}, x), "DFT: found its length, which depends on the data; expected a constant."],
    ["DFT's axis", compose("DFT", {}, whole(2), whole(5)), "DFT: found axis 5; expected an axis between -2 and 1."],
    ["LpPool", compose("LpPool", { kernel_shape: [0] }, x), "found kernel [0], strides"],
    ["LpPool's p", compose("LpPool", { p: 0 }), "lpPool: found p = 0; expected a number above 0."],
    [
      "GlobalMaxPool",
      compose("GlobalMaxPool", {}),
      "globalMaxPool: found batchx3; expected [batch, channels, spatial...].",
    ],
  ])("%s: what does not fit is said", (_, attempt, sentence) => {
    expect(attempt).toThrow(StriateError);
    expect(attempt).toThrow(sentence);
  });

  const maps = inputValue("x", { dtype: "float32", shape: ["batch", 4, 3, 3] });
  const indices = inputValue("i", { dtype: "int64", shape: ["batch", 4, 3, 3] });
  const columns = inputValue("x", { dtype: "float32", shape: ["batch", 8, 9] });
  const over = (type: string, attributes: Attributes, inputs: readonly (Value | undefined)[]) => () =>
    compositions.get(type)!({ type, version: 22, inputs, attributes: attributes as never, outputs: 1 });
  test.each([
    [
      "LpPool, kernel of 0",
      over("LpPool", { kernel_shape: [0, 2] }, [maps]),
      "found kernel 0x2; expected whole numbers from 1 to 2^24.",
    ],
    ["GlobalLpPool", over("GlobalLpPool", { p: -1 }, [maps]), "globalLpPool: found p = -1; expected a number above 0."],
    ["LpPool, without a kernel", over("LpPool", {}, [maps]), "AveragePool: found kernel [], strides [1,1]"],
    [
      "LpPool, a kernel too large",
      over("LpPool", { kernel_shape: [4, 4] }, [maps]),
      "AveragePool: found a kernel of 4x4 on an input of 3x3",
    ],
    [
      "MaxPool, order 2",
      over("MaxPoolByColumns", { kernel_shape: [2, 2], storage_order: 2 }, [maps]),
      "MaxPool: found storage_order 2; expected 0 or 1.",
    ],
    [
      "MaxUnpool, padding that leaves nothing",
      over("MaxUnpool", { kernel_shape: [1, 1], pads: [2, 2, 2, 2] }, [maps, indices]),
      "MaxUnpool: found maps of 3x3 to -1x-1, through -1x-1; expected indices, and a size above 0 along each spatial axis.",
    ],
    [
      "MaxUnpool, padding below 0",
      over("MaxUnpool", { kernel_shape: [1, 1], pads: [0, 0, 0, -1] }, [maps, indices]),
      "MaxUnpool: found padding 0x0x0x-1; expected whole numbers from 0 to 2^24.",
    ],
    [
      "MaxUnpool, no indices",
      over("MaxUnpool", { kernel_shape: [2, 2] }, [maps]),
      "MaxUnpool: found maps of 3x3 to 4x4",
    ],
    [
      "MaxUnpool, a shape of another rank",
      over("MaxUnpool", { kernel_shape: [2, 2] }, [maps, indices, vector([1, 4, 4])]),
      "MaxUnpool: found maps of 3x3 to 4, through 4x4",
    ],
    [
      "Col2Im, other places",
      over("Col2Im", {}, [columns, vector([3, 3]), vector([2, 2])]),
      "fold: found columns of batchx8x9; expected [batch, channels * 4, 4] for maps of 3x3.",
    ],
    [
      "Col2Im, parts of channels",
      over("Col2Im", {}, [columns, vector([3, 5]), vector([1, 3])]),
      "fold: found columns of batchx8x9; expected [batch, channels * 3, 9] for maps of 3x5.",
    ],
    ["Col2Im, a kernel of 0", over("Col2Im", {}, [columns, vector([3, 3]), vector([0, 1])]), "fold: found kernel 0x1"],
    [
      "Col2Im, no size",
      over("Col2Im", {}, [columns]),
      "Col2Im: found no size of the image or of the blocks; expected both.",
    ],
  ])("%s: what does not fit is said", (_, attempt, sentence) => {
    expect(attempt).toThrow(StriateError);
    expect(attempt).toThrow(sentence);
  });
});
