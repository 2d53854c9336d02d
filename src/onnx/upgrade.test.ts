import { describe, expect, test } from "vitest";
import { evaluateGraph } from "../engine/reference.ts";
import { StriateError } from "../errors.ts";
import { makeGraph } from "../graph/graph.ts";
import { type Attributes, apply } from "../graph/op.ts";
import { constant, inputValue, type Value } from "../graph/value.ts";
import { operators } from "../ops/registry.ts";
import { sizeOf } from "../tensor/shape.ts";
import { type Tensor, tensor } from "../tensor/tensor.ts";
import { compositions } from "./compose.ts";
import type { NodeForm } from "./form.ts";
import { upgraded } from "./upgrade.ts";

const form = (type: string, version: number, inputs: NodeForm["inputs"], attributes: Attributes = {}): NodeForm => ({
  type,
  version,
  inputs,
  attributes: attributes as NodeForm["attributes"],
  outputs: 1,
});
const counted = (...shape: readonly number[]): Tensor =>
  tensor(
    Array.from({ length: sizeOf(shape) }, (_, index) => ((index * 7) % 5) - index / 8),
    shape,
  );
const whole = (number: number): Value => constant(tensor([number], [], "int64"));

/** The first output of a node as some operator set writes it. */
function outputOf(written: NodeForm): Tensor {
  const { type, inputs, attributes, ...rest } = upgraded(written);
  const op = operators.get(`:${type}`);
  const [y] = op ? apply(op, inputs, attributes) : compositions.get(type)!({ type, inputs, attributes, ...rest });
  return evaluateGraph(makeGraph([], { y: y! }), new Map()).outputs.get("y")!;
}

describe("nodes of old operator sets do what the newest do", () => {
  const maps = constant(counted(1, 4, 3, 4));
  const two = constant(tensor([2, -1], [2]));
  const four = constant(tensor([2, 2, -1, -1], [4]));
  const signal = constant(counted(2, 5, 1));
  const kernels = constant(counted(4, 2, 3, 3));
  const scales = constant(tensor([1, 1, 2, 3], [4]));
  const nearest = { mode: "nearest", coordinate_transformation_mode: "asymmetric", nearest_mode: "floor" };

  test.each([
    [
      "GroupNormalization 18: a scale and a bias for each group",
      form("GroupNormalization", 18, [maps, two, two], { num_groups: 2 }),
      form("GroupNormalization", 21, [maps, four, four], { num_groups: 2 }),
    ],
    ["DFT 17: axis 1", form("DFT", 17, [signal]), form("DFT", 20, [signal, undefined, whole(1)])],
    [
      "DFT 17: an axis, a length",
      form("DFT", 19, [signal, whole(3)], { axis: 0, onesided: 1 }),
      form("DFT", 20, [signal, whole(3), whole(0)], { onesided: 1 }),
    ],
    [
      "LpPool 1: p 2",
      form("LpPool", 1, [maps], { kernel_shape: [2, 2] }),
      form("LpPool", 22, [maps], { kernel_shape: [2, 2], p: 2 }),
    ],
    ["GlobalLpPool 1: p 2", form("GlobalLpPool", 1, [maps]), form("GlobalLpPool", 22, [maps], { p: 2 })],
    [
      "Upsample 1: scales of two axes",
      form("Upsample", 1, [maps], { height_scale: 2, width_scale: 3 }),
      form("Resize", 19, [maps, undefined, scales], nearest),
    ],
    [
      "Upsample 7: scales as an attribute",
      form("Upsample", 7, [maps], { scales: [1, 1, 2, 3], mode: "bilinear" }),
      form("Resize", 19, [maps, undefined, scales], { ...nearest, mode: "linear" }),
    ],
    [
      "Upsample 9: scales as an operand",
      form("Upsample", 9, [maps, scales]),
      form("Resize", 19, [maps, undefined, scales], nearest),
    ],
    [
      "DepthToSpace 1: by places first",
      form("DepthToSpace", 1, [maps], { blocksize: 2 }),
      form("DepthToSpace", 13, [maps], { blocksize: 2, mode: "DCR" }),
    ],
    [
      "PRelu 6: a slope for each channel",
      form("PRelu", 6, [maps, four]),
      form("PRelu", 16, [maps, constant(tensor([2, 2, -1, -1], [4, 1, 1]))]),
    ],
    [
      "MaxPool: rows first, said so",
      form("MaxPool", 8, [maps], { kernel_shape: [2, 2], storage_order: 0 }),
      form("MaxPool", 22, [maps], { kernel_shape: [2, 2] }),
    ],
    [
      "ConvTranspose: the size of an odd cut, more before",
      form("ConvTranspose", 1, [maps, kernels], { output_shape: [6, 7], strides: [2, 2] }),
      form("ConvTranspose", 22, [maps, kernels], { strides: [2, 2], pads: [1, 1, 0, 1] }),
    ],
    [
      "ConvTranspose: the size of an odd cut, more after",
      form("ConvTranspose", 11, [maps, kernels], { output_shape: [6, 8], strides: [2, 2], auto_pad: "SAME_UPPER" }),
      form("ConvTranspose", 22, [maps, kernels], { strides: [2, 2], pads: [0, 0, 1, 1] }),
    ],
    [
      "ConvTranspose: same",
      form("ConvTranspose", 11, [maps, kernels], { strides: [2, 1], auto_pad: "SAME_LOWER", dilations: [1, 2] }),
      form("ConvTranspose", 22, [maps, kernels], { strides: [2, 1], dilations: [1, 2], pads: [1, 2, 0, 2] }),
    ],
    [
      "ConvTranspose: a size beyond the largest",
      form("ConvTranspose", 11, [maps, kernels], { strides: [3, 3], output_shape: [10, 12] }),
      form("ConvTranspose", 22, [maps, kernels], { strides: [3, 3], output_padding: [1, 0] }),
    ],
    [
      "ConvTranspose: output padding of a stride",
      form("ConvTranspose", 11, [maps, kernels], { dilations: [2, 3], pads: [1, 1, 1, 1], output_padding: [1, 2] }),
      form("Pad", 22, [
        constant(outputOf(form("ConvTranspose", 22, [maps, kernels], { dilations: [2, 3], pads: [1, 1, 0, 0] }))),
        constant(tensor([0, 0, 0, 0, 0, 0, 0, 1], [8], "int64")),
      ]),
    ],
    [
      "ConvTranspose: no padding, said so",
      form("ConvTranspose", 11, [maps, kernels], { auto_pad: "VALID", pads: [0, 0, 0, 0] }),
      form("ConvTranspose", 22, [maps, kernels]),
    ],
  ])("%s: as the newest set says it", (_, old, now) => {
    const [found, expected] = [outputOf(old), outputOf(now)];
    expect(found.shape).toEqual(expected.shape);
    expect(found.toArray()).toEqual(expected.toArray());
  });

  test("but not where the numbers do not fit", () => {
    const input = (...shape: readonly (number | string)[]) => inputValue("x", { dtype: "float32", shape });
    const [x, w] = [input(1, 4, 3, 3), input(4, 2, 3, 3)];
    for (const [written, sentence] of [
      [
        form("GroupNormalization", 18, [x, input(4), input(4)], { num_groups: 2 }),
        "GroupNormalization: found 4 channels, 2 groups, 4 and 4 weights; expected whole groups of channels",
      ],
      [
        form("GroupNormalization", 18, [x, input(0), input(0)], { num_groups: 0 }),
        "GroupNormalization: found 4 channels, 0 groups",
      ],
      [
        form("ConvTranspose", 11, [x, w], { output_shape: [4] }),
        "ConvTranspose: found output_shape [4] for an input of 3x3; expected a number for each spatial axis",
      ],
      [
        form("ConvTranspose", 11, [input(1, 4, "height", 3), w], { output_shape: [4, 4] }),
        "ConvTranspose: found output_shape [4,4] for an input of heightx3",
      ],
      [
        form("ConvTranspose", 11, [x, w], { output_shape: [9, 9] }),
        "ConvTranspose: found output padding 4x4; expected less than the stride, 1, along axis 0.",
      ],
      [
        form("ConvTranspose", 11, [x, w], { output_shape: [-1, 4] }),
        "ConvTranspose: found padding 6; expected less than the output.",
      ],
      [
        form("ConvTranspose", 22, [x, w], { kernel_shape: [2, 3] }),
        "ConvTranspose: found kernel_shape [2,3] and output padding []; expected 3x3, the weights' own, and 2 numbers.",
      ],
      [
        form("ConvTranspose", 22, [x, w], { output_padding: [0] }),
        "ConvTranspose: found kernel_shape [] and output padding [0]",
      ],
      [form("ConvTranspose", 22, [x, w], { pads: [0, 0, 0, -1] }), "ConvTranspose: found padding 0x0x0x-1"],
      [form("ConvTranspose", 22, [x, w], { dilations: [1, 0] }), "ConvTranspose: found dilation 1x0"],
      [
        form("ConvTranspose", 22, [x, w], { group: 0 }),
        "ConvTranspose: found an input of 1x4x3x3 and weights of 4x2x3x3",
      ],
      [form("ConvTranspose", 11, [x, w], { auto_pad: "SAME" }), "ConvTranspose: found auto_pad SAME"],
      [form("ConvTranspose", 11, [x, w], { auto_pad: "SAME_UPPER", strides: [0, 1] }), "found stride 0x1"],
    ] as const) {
      const attempt = () => outputOf(written);
      expect(attempt).toThrow(StriateError);
      expect(attempt).toThrow(sentence);
    }
  });
});
