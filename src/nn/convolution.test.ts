import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { expectClose } from "../../test/check/compare.ts";
import { checkLayer, evaluateLayer, type LayerCase } from "../../test/check/layer.ts";
import { elementAt, plainConvolution, tensorOf } from "../../test/check/plain.ts";
import { randomConvolution } from "../../test/check/random-convolution.ts";
import { ort } from "../engine/ort/ort.ts";
import { inputValue } from "../graph/value.ts";
import { relu } from "./activations.ts";
import * as convolution from "./convolution.ts";
import { type Layer, Scope } from "./scope.ts";

const { conv1d, conv2d, conv3d, convTranspose1d, convTranspose2d, convTranspose3d } = convolution;
const { depthwiseConv, depthwiseSeparableConv, pointwiseConv, separableConv } = convolution;

afterAll(() => ort.close());

const shapeOf = (layer: Layer, ...shape: (number | string)[]) =>
  layer(inputValue("x", { dtype: "float32", shape: ["batch", ...shape] }), new Scope()).shape.slice(1);

const layers = [conv1d, conv2d, conv3d] as const;

const row = (name: string, layer: Layer, input: number[], output: number[], ...parameters: string[]): LayerCase => ({
  name,
  layer,
  input,
  output,
  parameters,
});

describe("convolution layers", () => {
  test.each([
    row("conv1d", conv1d({ channels: 3, kernel: 3 }), [2, 7], [3, 5], "weight 3x2x3", "bias 3"),
    row(
      "conv1d, causal",
      conv1d({ channels: 2, kernel: 3, dilation: 2, padding: [[4, 0]] }),
      [2, 6],
      [2, 6],
      "weight 2x2x3",
      "bias 2",
    ),
    row(
      "conv2d, groups, stride and asymmetric padding",
      conv2d({ channels: 4, kernel: [3, 2], stride: [2, 1], padding: [[1, 0], 1], groups: 2, bias: false }),
      [2, 6, 4],
      [4, 3, 5],
      "weight 4x1x3x2",
    ),
    row(
      "conv2d, flipped, with mirrored borders",
      conv2d({ channels: 2, kernel: [3, 2], padding: "same", border: "reflect", flip: true }),
      [1, 4, 5],
      [2, 4, 5],
      "weight 2x1x3x2",
      "bias 2",
    ),
    row(
      "conv2d, dilated, around a ring",
      conv2d({ channels: 2, kernel: 3, dilation: 2, padding: 2, border: "circular" }),
      [1, 4, 5],
      [2, 4, 5],
      "weight 2x1x3x3",
      "bias 2",
    ),
    row(
      "conv3d, stride, borders repeated",
      conv3d({ channels: 2, kernel: 3, stride: 2, padding: "same", border: "replicate" }),
      [1, 4, 3, 2],
      [2, 2, 2, 1],
      "weight 2x1x3x3x3",
      "bias 2",
    ),
    row("pointwiseConv of a line", pointwiseConv({ channels: 3 }), [2, 5], [3, 5], "weight 3x2x1", "bias 3"),
    row(
      "pointwiseConv of a volume",
      pointwiseConv({ channels: 3, stride: 2, bias: false }),
      [2, 3, 4, 2],
      [3, 2, 2, 1],
      "weight 3x2x1x1x1",
    ),
    row("depthwiseConv", depthwiseConv({ kernel: 3 }), [3, 4, 5], [3, 2, 3], "weight 3x1x3x3", "bias 3"),
    row(
      "depthwiseConv of a line, two filters a channel",
      depthwiseConv({ kernel: 3, multiplier: 2, stride: 2, padding: "same", bias: false }),
      [3, 7],
      [6, 4],
      "weight 6x1x3",
    ),
    row(
      "depthwiseSeparableConv",
      depthwiseSeparableConv({ channels: 4, kernel: 3, padding: 1 }),
      [2, 4, 3],
      [4, 4, 3],
      "depthwise.weight 2x1x3x3",
      "pointwise.weight 4x2x1x1",
      "pointwise.bias 4",
    ),
    row(
      "separableConv",
      separableConv({ channels: 3, between: 2, kernel: [3, 5], stride: [1, 2], padding: "same", border: "reflect" }),
      [2, 4, 6],
      [3, 4, 3],
      "height.weight 2x2x3x1",
      "width.weight 3x2x1x5",
      "width.bias 3",
    ),
    row(
      "separableConv of a volume",
      separableConv({ channels: 2, kernel: 2, bias: false }),
      [1, 3, 3, 3],
      [2, 2, 2, 2],
      "depth.weight 2x1x2x1x1",
      "height.weight 2x2x1x2x1",
      "width.weight 2x2x1x1x2",
    ),
    row(
      "convTranspose1d",
      convTranspose1d({ channels: 2, kernel: 3, stride: 2, outputPadding: 1 }),
      [2, 5],
      [2, 12],
      "weight 2x2x3",
      "bias 2",
    ),
    row(
      "convTranspose2d, groups, dilation, asymmetric padding",
      convTranspose2d({
        channels: 4,
        kernel: [3, 2],
        stride: [2, 1],
        dilation: [1, 2],
        padding: [[1, 0], 1],
        outputPadding: [1, 0],
        groups: 2,
      }),
      [2, 3, 4],
      [4, 7, 4],
      "weight 2x2x3x2",
      "bias 4",
    ),
    row(
      'convTranspose2d, "same", twice as large',
      convTranspose2d({ channels: 1, kernel: [3, 4], stride: 2, padding: "same", outputPadding: 1, bias: false }),
      [2, 3, 2],
      [1, 6, 4],
      "weight 2x1x3x4",
    ),
    row(
      "convTranspose3d, flipped",
      convTranspose3d({ channels: 2, kernel: 2, stride: 2, bias: false, flip: true }),
      [1, 2, 2, 1],
      [2, 4, 4, 2],
      "weight 1x2x2x2x2",
    ),
  ])("$name has its shape, its parameters, its gradients and ONNX Runtime's numbers", async (layerCase) => {
    await expect(checkLayer(layerCase, [ort])).resolves.toBeUndefined();
  });

  test('"same" keeps the size with stride 1, and with another keeps every stride-th element of that', () => {
    expect(shapeOf(conv2d({ channels: 1, kernel: [4, 3], dilation: 2, padding: "same" }), 1, 9, "width")).toEqual([
      1,
      9,
      "width",
    ]);
    for (const [kernel, stride, size] of [
      [3, 2, 8],
      [3, 2, 7],
      [4, 3, 10],
      [5, 4, 9],
    ] as const) {
      const dense = evaluateLayer(conv1d({ channels: 1, kernel, padding: "same" }), [1, size]).y;
      const strided = evaluateLayer(conv1d({ channels: 1, kernel, stride, padding: "same" }), [1, size]).y;
      expect(strided.shape).toEqual([2, 1, Math.ceil(size / stride)]);
      const kept = dense.toArray().filter((_, index) => (index % size) % stride === 0);
      expect(strided.toArray()).toEqual(kept);
    }
  });
});

test("400 random convolutions are what the definition says, element by element", () => {
  fc.assert(
    fc.property(randomConvolution(), ({ plain, options, input }) => {
      const { x, y, variables } = evaluateLayer(layers[input.length - 2]!(options), input);
      const expected = plainConvolution(x, variables.get("weight")!, variables.get("bias"), plain);
      expectClose("convolution", y, expected, { relative: 1e-6 });
    }),
    { seed: 1, numRuns: 400 },
  );
});

describe("separable convolutions", () => {
  test("are one convolution whose kernels are sums of outer products of the two layers' kernels", () => {
    const { y, variables } = evaluateLayer(
      separableConv({ channels: 3, between: 2, kernel: 3, padding: 1 }),
      [2, 5, 6],
    );
    const [columns, rows] = [variables.get("height.weight")!, variables.get("width.weight")!];
    const kernels = tensorOf([3, 2, 3, 3], ([filter, channel, i, j]) => {
      const each = [0, 1].map((m) => elementAt(columns, [m, channel!, i!, 0]) * elementAt(rows, [filter!, m, 0, j!]));
      return each[0]! + each[1]!;
    });
    const plain = {
      stride: [1, 1],
      dilation: [1, 1],
      pads: [
        [1, 1],
        [1, 1],
      ],
      groups: 1,
      border: "zeros",
      flip: false,
    } as const;
    const { x } = evaluateLayer(relu(), [2, 5, 6]);
    expectClose("separable", y, plainConvolution(x, kernels, variables.get("width.bias"), plain), { relative: 1e-6 });
  });

  test("cost K x 1 and 1 x K numbers a kernel in place of K x K", () => {
    const sizeOf = (layer: Layer) =>
      [...evaluateLayer(layer, [8, 9, 9]).variables.values()].reduce((sum, { size }) => sum + size, 0);
    const options = { channels: 8, kernel: 7, bias: false };
    expect(sizeOf(conv2d(options))).toBe(8 * 8 * 49);
    expect(sizeOf(separableConv(options))).toBe(8 * 8 * 14);
    expect(sizeOf(depthwiseSeparableConv(options))).toBe(8 * 49 + 8 * 8);
  });
});

describe("convolution layers refuse", () => {
  const on =
    (layer: Layer, ...shape: (number | string)[]) =>
    () =>
      shapeOf(layer, ...shape);
  test.each<[string, () => unknown, string]>([
    [
      "kernels for other axes",
      () => conv3d({ channels: 1, kernel: [3, 3] }),
      "conv3d: found kernel [3,3]; expected one number or 3.",
    ],
    [
      "half a dilation",
      () => conv1d({ channels: 1, kernel: 3, dilation: 0.5 }),
      "conv1d: found dilation 0.5; expected a whole number of at least 1.",
    ],
    [
      "padding for other axes",
      () => conv2d({ channels: 1, kernel: 3, padding: [[1, 0]] }),
      'conv2d: found padding [[1,0]]; expected "valid", "same", one number or 2, each a number or [before, after].',
    ],
    [
      "negative padding",
      () => conv2d({ channels: 1, kernel: 3, padding: [[1, -1], 0] }),
      "conv2d: found padding -1; expected a whole number of at least 0.",
    ],
    [
      "filters that groups do not divide",
      () => conv1d({ channels: 3, kernel: 1, groups: 2 }),
      "conv1d: found 3 channels in 2 groups; expected whole groups.",
    ],
    [
      "channels that they do not",
      on(conv3d({ channels: 2, kernel: 1, groups: 2 }), 3, 4, 4, 4),
      "conv3d: found 3 input channels in 2 groups; expected whole groups.",
    ],
    [
      "maps for lines",
      on(conv1d({ channels: 2, kernel: 3 }), 3, 4, 4),
      "conv1d: found an input of batchx3x4x4; expected [batch, channels, size].",
    ],
    [
      "a mirror image of more than there is",
      on(conv1d({ channels: 2, kernel: 3, padding: [[0, 4]], border: "reflect" }), 3, 4),
      "conv1d: found reflect padding [0,4] on 4 elements along axis 2; expected at most 3.",
    ],
    [
      "more of the other side than there is",
      on(conv2d({ channels: 2, kernel: 3, padding: [0, 5], border: "circular" }), 3, "height", 4),
      "conv2d: found circular padding [5,5] on 4 elements along axis 3; expected at most 4.",
    ],
    [
      "a stride that leaves a rest, where that is not allowed",
      on(conv3d({ channels: 1, kernel: 2, stride: 2, padding: [[1, 0], 0, 0], exact: true }), 1, 4, 4, 4),
      "conv3d: found (4 + 1 - 2) / 2 + 1 positions along axis 2; expected a whole number, since `exact` is set",
    ],
    [
      "features in place of maps",
      on(pointwiseConv({ channels: 2 }), 3),
      "pointwiseConv: found an input of batchx3; expected [batch, channels, size, ...].",
    ],
    [
      "no filters",
      () => pointwiseConv({ channels: 0 }),
      "pointwiseConv: found channels 0; expected a whole number of at least 1.",
    ],
    [
      "no filter for a channel",
      () => depthwiseConv({ kernel: 3, multiplier: 0 }),
      "depthwiseConv: found multiplier 0; expected a whole number of at least 1.",
    ],
    [
      "lines to take apart",
      on(separableConv({ channels: 2, kernel: 3 }), 3, 4),
      "separableConv: found 1 spatial axes; expected two or three.",
    ],
    [
      "no channels between",
      () => separableConv({ channels: 2, between: 0, kernel: 3 }),
      "separableConv: found between 0; expected a whole number of at least 1.",
    ],
    [
      "output padding beyond the next size",
      on(convTranspose2d({ channels: 2, kernel: 3, stride: 2, outputPadding: [2, 0] }), 3, 4, 4),
      "ConvTranspose: found output padding 2x0; expected",
    ],
    [
      "filters of a transpose that groups do not divide",
      () => convTranspose1d({ channels: 3, kernel: 2, groups: 2 }),
      "convTranspose1d: found 3 channels in 2 groups; expected whole groups.",
    ],
    [
      "a transpose's padding beyond its output",
      on(convTranspose1d({ channels: 1, kernel: 2, padding: 3 }), 1, 4),
      "ConvTranspose: found padding 6; expected less than the output.",
    ],
  ])("%s", (_, body, sentence) => {
    expect(body).toThrow(sentence);
  });
});
