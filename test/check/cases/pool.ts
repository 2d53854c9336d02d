import type { Attributes } from "../../../src/graph/op.ts";
import type { Dimension } from "../../../src/graph/value.ts";
import { shapeOf } from "../../../src/ops/core/shape.ts";
import * as pool from "../../../src/ops/pool.ts";
import { StochasticPool } from "../../../src/ops/stochastic-pool.ts";
import { moving, type OpCase, type OperandSpec, row, still } from "../case.ts";
import { awayFromZero, distinct, exactly } from "../draw.ts";

const lengths = { height: 6, width: 5 };
const maps = ["batch", 2, "height", "width"] as const;

const configurations: readonly { name: string; x: readonly Dimension[]; attributes: Attributes }[] = [
  { name: "2x2, stride 2", x: maps, attributes: { kernel_shape: [2, 2], strides: [2, 2] } },
  { name: "windows that overlap", x: maps, attributes: { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] } },
  {
    name: "eight channels",
    x: [1, 8, 6, 5],
    attributes: { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] },
  },
  {
    name: "a last window that hangs over",
    x: maps,
    attributes: { kernel_shape: [3, 2], strides: [2, 2], ceil_mode: 1 },
  },
  {
    name: "a last window that hangs over padding",
    x: ["batch", 2, 6, 7],
    attributes: { kernel_shape: [3, 3], strides: [3, 2], pads: [1, 1, 0, 1], ceil_mode: 1 },
  },
  { name: "dilation", x: maps, attributes: { kernel_shape: [2, 2], dilations: [3, 2], pads: [1, 0, 1, 1] } },
  { name: "same size", x: maps, attributes: { kernel_shape: [2, 3], auto_pad: "SAME_UPPER" } },
  {
    name: "same size, odd one before, stride 2",
    x: maps,
    attributes: { kernel_shape: [3, 2], auto_pad: "SAME_LOWER", strides: [2, 2] },
  },
  { name: "no padding, said so", x: maps, attributes: { kernel_shape: [2, 2], auto_pad: "VALID" } },
  { name: "one axis", x: ["batch", 2, 7], attributes: { kernel_shape: [3], strides: [2], pads: [1, 1] } },
  { name: "three axes", x: [1, 2, 4, 3, 4], attributes: { kernel_shape: [2, 3, 2], strides: [2, 1, 2] } },
  { name: "rows that no window reaches", x: [1, 1, 5, 5], attributes: { kernel_shape: [1, 1], strides: [3, 3] } },
];

/** The shape that max pooling gives, with its batch named as the input's is. */
function pooled(x: readonly Dimension[], attributes: Attributes): readonly Dimension[] {
  const numbers = fixed(x).map((each) => (typeof each === "number" ? each : 2));
  const value = { dtype: "float32", shape: numbers, source: { kind: "input", name: "" } } as const;
  const [type] = pool.MaxPool.infer([value], { auto_pad: "NOTSET", ceil_mode: 0, ...attributes });
  return [x[0]!, ...type!.shape.slice(1)];
}

const fixed = (x: readonly Dimension[]): readonly Dimension[] =>
  x.map((each) => (each === "height" || each === "width" ? lengths[each] : each));

const shapeOfSecond: Pick<OpCase, "operands"> = { operands: ([g, x]) => [g, shapeOf(x!)] };
const chosen = (shape: readonly Dimension[]): OperandSpec => still(shape, distinct);

export const poolCases: readonly OpCase[] = [
  ...configurations.flatMap(({ name, x, attributes }) => {
    const y = pooled(x, attributes);
    const fields = { attributes, dimensions: lengths };
    const counted = { attributes: { ...attributes, count_include_pad: 1 }, dimensions: lengths };
    return [
      row(pool.MaxPool, name, [moving(x, distinct)], fields),
      row(pool.MaxPoolGradient, name, [chosen(fixed(x)), moving(y)], fields),
      row(pool.MaxPoolSelect, name, [chosen(x), moving(x)], fields),
      row(pool.AveragePool, name, [moving(x)], fields),
      row(pool.AveragePool, `${name}, padding counted`, [moving(x)], counted),
      row(pool.AveragePoolGradient, name, [moving(y), still(fixed(x))], { ...fields, ...shapeOfSecond }),
      row(pool.AveragePoolGradient, `${name}, padding counted`, [moving(y), still(fixed(x))], {
        ...counted,
        ...shapeOfSecond,
      }),
    ];
  }),
  row(pool.GlobalAveragePool, "two axes", [moving(maps)], { dimensions: lengths }),
  row(pool.GlobalAveragePool, "one axis", [moving(["batch", 3, 4])]),
  row(pool.GlobalAveragePool, "three axes", [moving(["batch", 2, 2, 3, 2])]),
];

/** Windows that are not empty, and some that are: both sides of zero. */
export const stochasticPoolCases: readonly OpCase[] = [
  ...configurations
    .filter(({ attributes }) => !("auto_pad" in attributes))
    .map(({ name, x, attributes }) =>
      row(StochasticPool, name, [moving(x, awayFromZero())], { attributes, dimensions: lengths }),
    ),
  row(StochasticPool, "a window of nothing above 0", [moving([1, 1, 4], exactly(-1, -2, 1, 3))], {
    attributes: { kernel_shape: [2], strides: [2] },
  }),
];
