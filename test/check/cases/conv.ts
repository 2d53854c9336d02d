import type { Attributes } from "../../../src/graph/op.ts";
import type { Dimension } from "../../../src/graph/value.ts";
import { Conv, ConvInputGradient, ConvTranspose, ConvWeightGradient } from "../../../src/ops/conv.ts";
import { shapeOf } from "../../../src/ops/core/shape.ts";
import { fixedVector, moving, type OpCase, row, still } from "../case.ts";

const lengths = { height: 6, width: 5 };
const maps = ["batch", 3, "height", "width"] as const;

interface Configuration {
  readonly name: string;
  readonly x: readonly Dimension[];
  readonly w: readonly number[];
  readonly attributes: Attributes;
}

/** Each with its two gradient operators, which are linear and so have the same geometry. */
const configurations: readonly Configuration[] = [
  { name: "a 3x3 kernel", x: maps, w: [4, 3, 3, 3], attributes: {} },
  { name: "stride 2, padding 1", x: maps, w: [2, 3, 3, 3], attributes: { strides: [2, 2], pads: [1, 1, 1, 1] } },
  {
    name: "other numbers along each axis, padding before and after",
    x: maps,
    w: [2, 3, 3, 2],
    attributes: { strides: [1, 2], dilations: [2, 1], pads: [2, 0, 1, 3] },
  },
  { name: "two groups", x: ["batch", 4, 4, 4], w: [6, 2, 3, 3], attributes: { group: 2, pads: [1, 1, 1, 1] } },
  { name: "depthwise", x: ["batch", 3, 5, 5], w: [3, 1, 3, 3], attributes: { group: 3, strides: [2, 2] } },
  { name: "1x1", x: maps, w: [5, 3, 1, 1], attributes: {} },
  {
    name: "same size, odd one after",
    x: maps,
    w: [2, 3, 2, 4],
    attributes: { auto_pad: "SAME_UPPER" },
  },
  {
    name: "same size, odd one before, stride 2",
    x: maps,
    w: [2, 3, 2, 3],
    attributes: { auto_pad: "SAME_LOWER", strides: [2, 2] },
  },
  { name: "no padding, said so", x: maps, w: [2, 3, 2, 2], attributes: { auto_pad: "VALID" } },
  { name: "one axis", x: ["batch", 2, 7], w: [3, 2, 3], attributes: { strides: [2], pads: [1, 1] } },
  {
    name: "three axes",
    x: ["batch", 2, 4, 3, 4],
    w: [2, 2, 2, 3, 2],
    attributes: { strides: [1, 2, 2], pads: [0, 1, 1, 1, 1, 0] },
  },
  { name: "rows that no window reaches", x: ["batch", 1, 6, 6], w: [1, 1, 2, 2], attributes: { strides: [4, 4] } },
];

export const convCases: readonly OpCase[] = configurations.flatMap(({ name, x, w, attributes }) => [
  row(Conv, name, [moving(x), moving(w)], { attributes, dimensions: lengths }),
  row(Conv, `${name}, with a bias`, [moving(x), moving(w), moving([w[0]!])], {
    attributes,
    dimensions: lengths,
  }),
]);

/** The output of a convolution without named dimensions, by the geometry that the operator itself infers. */
function outputShape(x: readonly (number | string)[], w: readonly number[], attributes: object): (number | string)[] {
  const numbers = x.map((each) => (typeof each === "number" ? each : (lengths[each as keyof typeof lengths] ?? 2)));
  const value = (shape: readonly number[]) =>
    ({ dtype: "float32", shape, source: { kind: "input", name: "" } }) as const;
  const defaults = { group: 1, auto_pad: "NOTSET", ...attributes };
  const [type] = Conv.infer([value(numbers), value(w)], defaults);
  return ["batch", ...type!.shape.slice(1)];
}

export const convGradientCases: readonly OpCase[] = configurations.flatMap(({ name, x, w, attributes }) => {
  const fixed = x.map((each) => (each === "height" || each === "width" ? lengths[each] : each));
  const g = outputShape(x, w, attributes);
  return [
    row(ConvInputGradient, name, [moving(g), moving(w), still(fixed)], {
      attributes: { ...attributes, kernel_shape: w.slice(2) },
      operands: ([gradient, weight, input]) => [gradient, weight, shapeOf(input!)],
    }),
    row(
      ConvInputGradient,
      `${name}, the shape a constant`,
      [moving([2, ...g.slice(1)]), moving(w), fixedVector(2, ...(fixed.slice(1) as number[]))],
      { attributes: { ...attributes, kernel_shape: w.slice(2) } },
    ),
    row(ConvWeightGradient, name, [moving(fixed), moving(g)], {
      attributes: { ...attributes, kernel_shape: w.slice(2) },
    }),
  ];
});

export const convTransposeCases: readonly OpCase[] = [
  row(ConvTranspose, "a 3x3 kernel", [moving(["batch", 3, 4, 3]), moving([3, 2, 3, 3])]),
  row(ConvTranspose, "a bias", [moving(["batch", 3, 4, 3]), moving([3, 2, 3, 3]), moving([2])]),
  row(ConvTranspose, "stride 2, padding 1, one more", [moving(["batch", 3, 4, 3]), moving([3, 2, 3, 3])], {
    attributes: { strides: [2, 2], pads: [1, 1, 1, 1], output_padding: [1, 1] },
  }),
  row(ConvTranspose, "sizes that have names", [moving(["batch", 2, "height", "width"]), moving([2, 2, 2, 2])], {
    attributes: { strides: [2, 2] },
    dimensions: { height: 3, width: 4 },
  }),
  row(
    ConvTranspose,
    "groups, dilation, padding before and after",
    [moving(["batch", 4, 3, 4]), moving([4, 3, 2, 3]), moving([6])],
    { attributes: { group: 2, dilations: [2, 1], strides: [1, 3], pads: [1, 0, 0, 2], output_padding: [0, 2] } },
  ),
  row(ConvTranspose, "one axis", [moving(["batch", 2, 4]), moving([2, 1, 3])], { attributes: { strides: [2] } }),
  row(ConvTranspose, "three axes", [moving([1, 2, 2, 3, 2]), moving([2, 1, 2, 2, 2])], {
    attributes: { strides: [1, 2, 1] },
  }),
];
