/** Which weight gradients of depthwise convolutions are convolutions themselves, and what they give. */
import { afterAll, afterEach, describe, expect, test, vi } from "vitest";
import { normal } from "../../../test/check/draw.ts";
import { makeGraph } from "../../graph/graph.ts";
import { apply } from "../../graph/op.ts";
import { inputValue } from "../../graph/value.ts";
import { Conv, ConvWeightGradient } from "../../ops/conv.ts";
import { ReduceSum } from "../../ops/core/reduce.ts";
import { vector } from "../../ops/core/shape.ts";
import { Random } from "../../tensor/random.ts";
import { type Shape, sizeOf } from "../../tensor/shape.ts";
import { type Tensor, tensor } from "../../tensor/tensor.ts";
import { reference } from "../reference.ts";
import { dnnl, missing } from "./library.ts";
import { NativeProgram } from "./program.ts";

const random = new Random(1, "depthwise gradient");
const noise = (shape: Shape): Tensor => tensor(normal(random, sizeOf(shape)), shape);

/** A depthwise convolution with the gradient of its weights, each an output, and what both take. */
function pair(input: Shape, kernel: number, settings: Record<string, readonly number[]>, filters = input[1]!) {
  const attributes = { kernel_shape: [kernel, kernel], group: input[1]!, ...settings };
  const w: Shape = [filters, 1, kernel, kernel];
  const value = (name: string, shape: Shape) => inputValue(name, { dtype: "float32", shape });
  const [x, weights] = [value("x", input), value("w", w)];
  const y = apply(Conv, [x, weights], attributes)[0]!;
  const g = value("g", y.shape as Shape);
  const [gradient] = apply(ConvWeightGradient, [x, g], attributes);
  const feeds = { x: noise(input), w: noise(w), g: noise(y.shape as Shape) };
  return { graph: makeGraph([x, weights, g], { y, gradient: gradient! }), feeds };
}

describe.skipIf(missing() !== undefined)("the weight gradient of a depthwise convolution", () => {
  afterAll(() => reference.close());
  afterEach(() => vi.restoreAllMocks());

  test.each<[string, Parameters<typeof pair>, number]>([
    ["of 5x5 is a convolution", [[3, 32, 12, 12], 5, { pads: [2, 2, 2, 2] }], 1],
    ["of 7x7 on one image", [[1, 32, 12, 12], 7, { pads: [3, 3, 3, 3] }], 1],
    ["of channels that fill blocks nearly", [[3, 24, 11, 13], 5, { pads: [2, 2, 2, 2] }], 1],
    ["with strides", [[2, 32, 13, 13], 5, { pads: [2, 2, 2, 2], strides: [2, 2] }], 1],
    ["with taps further apart", [[2, 32, 14, 14], 5, { pads: [4, 4, 4, 4], dilations: [2, 2] }], 1],
    ["with uneven padding", [[2, 32, 9, 12], 5, { pads: [0, 3, 4, 1], strides: [1, 2] }], 1],
    ["of 3x3 with taps further apart", [[2, 32, 12, 12], 3, { pads: [2, 2, 2, 2], dilations: [2, 2] }], 1],
    ["of large maps", [[2, 16, 112, 112], 5, { pads: [2, 2, 2, 2] }], 1],
    ["of 3x3 is the library's own", [[2, 32, 12, 12], 3, { pads: [1, 1, 1, 1] }], 0],
    ["of maps with a rest that no window reaches", [[2, 32, 12, 12], 5, { strides: [3, 3] }], 0],
    ["of two filters a channel", [[2, 32, 12, 12], 5, { pads: [2, 2, 2, 2] }, 64], 0],
  ])("%s", async (_, given, isOne) => {
    const { graph, feeds } = pair(...given);
    const library = dnnl();
    const made = vi.spyOn(library, "convolution");
    const program = new NativeProgram(library, graph, new Map());
    // The forward one is another. Blocks are for vectors of 16 numbers.
    const ofMaps = made.mock.calls.filter(([{ weights }]) => weights.inBlocks === "groups").length;
    expect(ofMaps).toBe(library.hasLongVectors() ? isOne : 0);
    const outputs = program.run(new Map(Object.entries(feeds)));
    program.dispose();
    const expected = (await (await reference.compile(graph, new Map())).run(feeds)).get("gradient")!.toArray();
    const found = outputs.get("gradient")!.toArray();
    const largest = Math.max(...expected.map(Math.abs));
    const worst = Math.max(...expected.map((each, index) => Math.abs(each - found[index]!)));
    expect(found.length).toBe(expected.length);
    // A map's products are one sum: as the library's own kernels, it loses digits where there are many.
    expect(worst / largest).toBeLessThan(sizeOf(given[0].slice(2)) > 1000 ? 1e-5 : 2e-6);
  });

  test("goes with that of its bias, which is a sum by itself", async () => {
    const { graph, feeds } = pair([3, 32, 12, 12], 5, { pads: [2, 2, 2, 2] });
    const g = graph.inputs.find(({ source }) => source.name === "g")!;
    const [bias] = apply(ReduceSum, [g, vector([0, 2, 3])], { keepdims: 0 });
    const both = makeGraph(graph.inputs, { ...Object.fromEntries(graph.outputs), bias: bias! });
    const program = new NativeProgram(dnnl(), both, new Map());
    const outputs = program.run(new Map(Object.entries(feeds)));
    program.dispose();
    const expected = await (await reference.compile(both, new Map())).run(feeds);
    for (const name of ["bias", "gradient"]) {
      const [found, wanted] = [outputs, expected].map((each) => each.get(name)!.toArray()) as [number[], number[]];
      const worst = Math.max(...wanted.map((each, index) => Math.abs(each - found[index]!)));
      expect([name, worst / Math.max(...wanted.map(Math.abs))]).toEqual([name, expect.closeTo(0, 5)]);
    }
  });
});
