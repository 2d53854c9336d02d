import { afterAll, describe, expect, test } from "vitest";
import { type Graph, makeGraph, nodesOf } from "../../graph/graph.ts";
import { constant, inputValue, type Value } from "../../graph/value.ts";
import { type ConvTransposeAttributes, conv, convTranspose } from "../../ops/conv.ts";
import { slice } from "../../ops/core/arrange.ts";
import { relu } from "../../ops/core/elementwise.ts";
import { Random } from "../../tensor/random.ts";
import { sizeOf } from "../../tensor/shape.ts";
import { Tensor } from "../../tensor/tensor.ts";
import { reference } from "../reference.ts";
import { missing } from "./library.ts";
import { onednn } from "./onednn.ts";
import { subPixels } from "./sub-pixels.ts";

const random = new Random(1, "sub-pixels");
const normal = (shape: readonly number[]) =>
  new Tensor(
    "float32",
    shape,
    Float32Array.from({ length: sizeOf(shape) }, () => 0.3 * random.normal()),
  );
const weights = (...shape: readonly number[]) => constant(normal(shape));
const image = normal([2, 32, 5, 7]);
const x = inputValue("x", image);

/** Maps of 32 channels through a transposed convolution, by default to blocks of 2x2 of each element. */
const upward = (filters: Value, attributes: Partial<ConvTransposeAttributes> = {}, bias?: Value): Value =>
  convTranspose(x, filters, { strides: [2, 2], ...attributes }, bias);
const names = (graph: Graph) => nodesOf(graph).map(({ op }) => op.name);

describe("transposed convolutions whose windows lie side by side are sub-pixel convolutions", () => {
  test.each([
    ["without a bias", upward(weights(32, 48, 2, 2))],
    ["with one", upward(weights(32, 16, 2, 2), {}, weights(16))],
    ["of blocks of three", upward(weights(32, 16, 3, 3), { strides: [3, 3] })],
  ])("%s", async (_, y) => {
    const graph = makeGraph([x], { y });
    const rewritten = subPixels(graph);
    expect(names(rewritten).slice(-2)).toEqual(["Conv", "DepthToSpace"]);
    const [theirs, ours] = await Promise.all(
      [graph, rewritten].map(async (each) => (await reference.compile(each, new Map())).run({ x: image })),
    );
    const expected = theirs!.get("y")!.toArray();
    for (const [index, each] of ours!.get("y")!.toArray().entries()) expect(each).toBeCloseTo(expected[index]!, 5);
  });

  test.each([
    ["windows overlap", upward(weights(32, 16, 3, 3))],
    ["there are places between windows", upward(weights(32, 16, 1, 1))],
    ["borders are cut off", upward(weights(32, 16, 2, 2), { pads: [1, 0, 0, 1] })],
    ["there are borders more", upward(weights(32, 16, 2, 2), { output_padding: [1, 0] })],
    ["taps are further apart", upward(weights(32, 16, 2, 2), { dilations: [2, 2] })],
    ["there are groups", upward(weights(32, 16, 2, 2), { group: 2 })],
    ["filters fill no blocks", upward(weights(32, 8, 2, 2))],
  ])("but not where %s", (_, y) => {
    expect(names(subPixels(makeGraph([x], { y })))).toEqual(["ConvTranspose"]);
  });
});

describe.skipIf(missing() !== undefined)("oneDNN", () => {
  afterAll(() => Promise.all([onednn.close(), reference.close()]));

  test("puts channels in their places, and takes parts of maps, in blocks of channels", async () => {
    const before = relu(conv(x, weights(32, 32, 3, 3), undefined, { pads: [1, 1, 1, 1] }));
    const up = convTranspose(before, weights(32, 48, 2, 2), { strides: [2, 2] }, weights(48));
    const all = slice(up, { axis: 3, start: 0, end: 14 });
    const part = slice(all, { axis: 2, start: 1, end: 9 });
    const graph = makeGraph([x], { y: conv(part, weights(32, 48, 3, 3), undefined, {}) });
    const [theirs, ours] = await Promise.all(
      [reference, onednn].map(async (engine) => (await engine.compile(graph, new Map())).run({ x: image })),
    );
    const expected = theirs!.get("y")!.toArray();
    for (const [index, each] of ours!.get("y")!.toArray().entries()) expect(each).toBeCloseTo(expected[index]!, 4);
  });
});
