import { describe, expect, test } from "vitest";
import { evaluateGraph } from "../engine/reference.ts";
import { StriateError } from "../errors.ts";
import { makeGraph } from "../graph/graph.ts";
import { inputValue } from "../graph/value.ts";
import { sizeOf } from "../tensor/shape.ts";
import { type Tensor, tensor } from "../tensor/tensor.ts";
import { deformableConvolution } from "./deformable.ts";
import type { NodeForm } from "./form.ts";

/** sin(by i + from) for the i-th element. */
const waves = (by: number, from: number, ...shape: readonly number[]): Tensor =>
  tensor(
    Array.from({ length: sizeOf(shape) }, (_, index) => Math.sin(index * by + from)),
    shape,
    "float64",
  );

const attributes = { strides: [2, 1], pads: [1, 1, 1, 1], dilations: [1, 2] };
const form = (inputs: NodeForm["inputs"], more: NodeForm["attributes"] = {}): NodeForm => ({
  type: "DeformConv",
  version: 22,
  inputs,
  attributes: { ...attributes, ...more },
  outputs: 1,
});

function expectOutput(tensors: readonly Tensor[], more: NodeForm["attributes"], expected: readonly number[]): void {
  const inputs = tensors.map((each, index) => inputValue(`x${index}`, each));
  const graph = makeGraph(inputs, { y: deformableConvolution(form(inputs, more))[0]! });
  const feeds = new Map(tensors.map((each, index) => [`x${index}`, each]));
  const y = evaluateGraph(graph, feeds).outputs.get("y")!;
  expect(y.shape).toEqual([2, tensors[1]!.shape[0], 3, 2]);
  for (const [index, each] of expected.entries()) expect(y.numbers[index]).toBeCloseTo(each, 10);
}

describe("deformable convolution gives the numbers of torchvision.ops.deform_conv2d (0.14, float64)", () => {
  test("with groups of filters and of offsets, a mask and a bias", () => {
    const x = waves(0.7, 0.1, 2, 4, 5, 4);
    const operands = [x, waves(0.9, 0.4, 4, 2, 2, 3), waves(1.3, 0.2, 2, 24, 3, 2)];
    const bias = tensor([0.5, -1, 0.25, 2], [4], "float64");
    expectOutput(
      [...operands, bias, waves(0.3, 0.5, 2, 12, 3, 2)],
      { group: 2, offset_group: 2 },
      [
        -0.08111658919744447, 0.7692394747302622, -0.038854166939896406, 0.47030456315191504, 0.06579411581157069,
        1.5782215351940443, -0.3170675637501199, -2.367488012212381, -0.8589049182989016, -1.372155478313076,
        -1.6150534887761405, -1.151816711975872, 0.976344915748153, 0.11516778118797066, 1.7875413977143788,
        -0.7613025849023147, -1.0845717734286469, 0.3944504391154968, 1.1121920264060983, 2.566489541295652,
        0.4975073960890575, 2.814407543776724, 2.188274001470834, 2.0028450075713073, -0.20923970698157912,
        1.0984264183572239, 1.4984193173388938, 0.8982151531815137, 1.0261713859009385, 0.7036200988405964,
        -0.09020472198239071, -1.5634496455754157, -0.2266546608656268, -1.12469956775108, -0.7352879923733555,
        -0.43150614358310047, 0.14678168019772542, -0.1335280077525824, 0.39182017535198566, -0.34286038901297555,
        -0.8127375775601584, 1.0325534646006482, 2.4796768953647232, 2.7614086707250323, 2.2473634399378684,
        3.691077720732545, 1.3698695439264421, 2.384584321759065,
      ],
    );
  });

  test("of maps whose batch has a name", () => {
    const shapes = [
      ["batch", 4, 5, 4],
      [4, 4, 2, 3],
      ["batch", 24, 3, 2],
    ];
    const inputs = shapes.map((shape, index) => inputValue(`x${index}`, { dtype: "float32", shape }));
    const [y] = deformableConvolution(form(inputs, { offset_group: 2 }));
    expect(y!.shape).toEqual(["batch", 4, 3, 2]);
  });
});

test.each([
  [
    "no offsets",
    [
      [1, 2, 5, 4],
      [2, 2, 2, 3],
    ],
    {},
    "DeformConv: found 2 operands; expected x, weights and offsets.",
  ],
  [
    "offsets for another kernel",
    [
      [1, 2, 5, 4],
      [2, 2, 2, 3],
      [1, 8, 3, 2],
    ],
    {},
    "DeformConv: found offsets of 1x8x3x2; expected [batch, 12, 3, 2].",
  ],
  [
    "a mask for other places",
    [[1, 2, 5, 4], [2, 2, 2, 3], [1, 12, 3, 2], [2], [1, 6, 2, 2]],
    {},
    "DeformConv: found a mask of 1x6x2x2; expected [batch, 6, 3, 2].",
  ],
  [
    "groups that do not divide channels",
    [
      [1, 2, 5, 4],
      [2, 2, 2, 3],
      [1, 36, 3, 2],
    ],
    { offset_group: 3 },
    "DeformConv: found 3 groups of offsets; expected a divisor of 2.",
  ],
  [
    "no groups",
    [
      [1, 2, 5, 4],
      [2, 2, 2, 3],
      [1, 0, 3, 2],
    ],
    { offset_group: 0 },
    "DeformConv: found 0 groups",
  ],
  [
    "a stride of zero",
    [
      [1, 2, 5, 4],
      [2, 2, 2, 3],
      [1, 12, 3, 2],
    ],
    { strides: [0, 1] },
    "found stride 0x1",
  ],
])("%s are refused", (_, shapes, more, sentence) => {
  const inputs = shapes.map((shape) => inputValue("x", { dtype: "float32", shape }));
  const attempt = () => deformableConvolution(form(inputs, more));
  expect(attempt).toThrow(StriateError);
  expect(attempt).toThrow(sentence);
});
