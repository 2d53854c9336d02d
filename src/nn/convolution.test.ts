import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { expectClose } from "../../test/check/compare.ts";
import { checkLayer, evaluateLayer, type LayerCase } from "../../test/check/layer.ts";
import { plainConvolution } from "../../test/check/plain.ts";
import { randomConvolution } from "../../test/check/random-convolution.ts";
import { ort } from "../engine/ort/ort.ts";
import { inputValue } from "../graph/value.ts";
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
