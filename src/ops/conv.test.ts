import { describe, expect, test } from "vitest";
import { tables } from "../../test/check/cases/all.ts";
import { testOps } from "../../test/check/table.ts";
import { evaluateGraph } from "../engine/reference.ts";
import { makeGraph } from "../graph/graph.ts";
import { apply } from "../graph/op.ts";
import { constant, inputValue } from "../graph/value.ts";
import { tensor } from "../tensor/tensor.ts";
import { Conv, conv, convTranspose } from "./conv.ts";

testOps(tables.conv!);

const value = (...shape: readonly (number | string)[]) => inputValue("x", { dtype: "float32", shape });

describe("a convolution says what does not fit", () => {
  const cases: [string, () => unknown, string][] = [
    [
      "a kernel larger than the input",
      () => conv(value(1, 3, 4, 9), value(2, 3, 5, 5), undefined, {}),
      "Conv: found a kernel of 5x5 on an input of 4x9; expected at most 4 along axis 2 with padding counted. " +
        'Use a smaller kernel, a larger input, or padding ("same" keeps the size).',
    ],
    [
      "a dilated kernel larger than the padded input",
      () => conv(value(1, 3, 5), value(2, 3, 3), undefined, { dilations: [3], pads: [1, 0] }),
      "Conv: found a kernel of 3 (dilated to 7) on an input of 5; expected at most 6 along axis 2 with padding counted.",
    ],
    [
      "groups that do not match",
      () => conv(value(1, 6, 4, 4), value(4, 3, 3, 3), undefined, { group: 3 }),
      "Conv: found 6 input channels, 3 groups and weights of 4x3x3x3; expected weights for 9 channels to match the input.",
    ],
    [
      "filters that groups do not divide",
      () => conv(value(1, 6, 4, 4), value(4, 2, 3, 3), undefined, { group: 3 }),
      "Conv: found 4 filters; expected a multiple of the 3 groups.",
    ],
    [
      "weights of another rank",
      () => conv(value(1, 6, 4, 4), value(4, 6, 3), undefined, {}),
      "Conv: found an input of 1x6x4x4 and weights of 4x6x3; " +
        "expected [batch, channels, spatial...] and [filters, channels / groups, kernel...] of one rank.",
    ],
    [
      "a bias for other filters",
      () => conv(value(1, 3, 4, 4), value(2, 3, 3, 3), value(3), {}),
      "Conv: found a bias of 3; expected 2 numbers.",
    ],
    [
      "a stride of zero",
      () => conv(value(1, 3, 4, 4), value(2, 3, 3, 3), undefined, { strides: [1, 0] }),
      "Conv: found stride 1x0; expected whole numbers from 1 to 2^24.",
    ],
    [
      "strides for other axes",
      () => conv(value(1, 3, 4, 4), value(2, 3, 3, 3), undefined, { strides: [1] }),
      "Conv: found kernel [3,3], strides [1], dilations [1,1], pads [0,0,0,0]; " +
        "expected 2 of each (and twice as many pads) for an input of 2 spatial axes.",
    ],
    [
      "padding of an unknown name",
      () => conv(value(1, 3, 4, 4), value(2, 3, 3, 3), undefined, { auto_pad: "SAME" }),
      "Conv: found auto_pad SAME; expected NOTSET, VALID, SAME_UPPER, SAME_LOWER.",
    ],
    [
      "another kernel_shape than the weights have",
      () => apply(Conv, [value(1, 3, 4, 4), value(2, 3, 3, 3)], { kernel_shape: [2, 2] }),
      "Conv: found kernel_shape 2x2 and weights of 2x3x3x3; expected one kernel.",
    ],
    [
      "no weights",
      () => apply(Conv, [value(1, 3, 4), undefined]),
      "Conv: found nothing for input 1; expected a value.",
    ],
    [
      "more output padding than a stride",
      () => convTranspose(value(1, 3, 4), value(3, 2, 3), { strides: [2], output_padding: [2] }),
      "ConvTranspose: found output padding 2; expected less than the stride, 2, along axis 0.",
    ],
  ];
  test.each(cases)("%s", (_, body, sentence) => {
    expect(body).toThrow(sentence);
  });
});

test.each([
  ["in place of padding", 2, [0, 1], 1, [1.5, 2.5, 1.5, 2.5]],
  ["as zeros", 2, [0, 0], 1, [1.5, 2.5, 1.5, 2.5, 0.5]],
  ["half and half", 3, [1, 1], 2, [2.5, 0.5, 1.5, 2.5, 0.5]],
])("output padding of a stride or more, below the dilation, comes %s", (_, dilation, pads, extra, expected) => {
  const given = (values: readonly number[], shape: readonly number[]) => constant(tensor(values, shape));
  const attributes = { dilations: [dilation], pads, output_padding: [extra] };
  const y = convTranspose(given([1, 2], [1, 1, 2]), given([1, 1], [1, 1, 2]), attributes, given([0.5], [1]));
  expect(evaluateGraph(makeGraph([], { y }), new Map()).outputs.get("y")!.toArray()).toEqual(expected);
});

test("sizes that have names give outputs that have names", () => {
  const shapeOf = (attributes: object) =>
    conv(value("batch", 3, "height"), value(2, 3, 3), undefined, attributes).shape.slice(2);
  expect(shapeOf({ pads: [1, 1] })).toEqual(["height"]);
  expect(shapeOf({})).toEqual(["height-2"]);
  expect(shapeOf({ strides: [2] })).toEqual(["floor((height-3)/2)+1"]);
  expect(shapeOf({ strides: [2], auto_pad: "SAME_UPPER" })).toEqual(["ceil(height/2)"]);
  const narrowed = conv(value("batch", 3, "height"), value(3, 3, 3), undefined, {});
  expect(conv(narrowed, value(3, 3, 1), undefined, { pads: [1, 1] }).shape).toEqual(["batch", 3, "height"]);
});

test("multiply-accumulates are those of every output element", () => {
  const shapes = {
    inputs: [
      [2, 6, 5, 5],
      [4, 3, 3, 3],
    ],
    outputs: [[2, 4, 3, 3]],
  };
  expect(Conv.macs!(shapes, { auto_pad: "NOTSET", group: 2 })).toBe(2 * 4 * 3 * 3 * 3 * 3 * 3);
});
