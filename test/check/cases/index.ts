import type { Attributes } from "../../../src/graph/op.ts";
import type { Value } from "../../../src/graph/value.ts";
import { GatherElements, ScatterElements } from "../../../src/ops/core/index.ts";
import { Resize, ResizeGradient } from "../../../src/ops/resize.ts";
import { fixedVector, moving, type OpCase, type OperandSpec, row } from "../case.ts";
import { exactly, integer } from "../draw.ts";

const indices = (draw: OperandSpec["draw"], ...shape: readonly (number | string)[]): OperandSpec => ({
  shape,
  dtype: "int64",
  draw,
});

export const indexCases: readonly OpCase[] = [
  row(
    GatherElements,
    "along the last axis, some twice",
    [moving(["batch", 4]), indices(exactly(0, 3, 3, -1, 2, 2), "batch", 3)],
    { attributes: { axis: 1 } },
  ),
  row(GatherElements, "along the first axis, of fewer columns", [moving([3, 4]), indices(integer(-3, 2), 5, 2)]),
  row(
    ScatterElements,
    "added, some twice",
    [moving(["batch", 4]), indices(exactly(0, 3, 3, -1, 2, 2), "batch", 3), moving(["batch", 3])],
    { attributes: { axis: 1, reduction: "add" } },
  ),
  ...["mul", "max", "min"].map((reduction) =>
    row(ScatterElements, reduction, [moving([4, 2]), indices(exactly(0, 3, 0, -3), 2, 2), moving([2, 2])], {
      attributes: { reduction },
    }),
  ),
  row(
    ScatterElements,
    "multiplied by one zero and by two",
    [moving([3]), indices(exactly(0, 0, 1, 1, 2), 5), moving([5], exactly(0, 3, 0, 0, 2))],
    { attributes: { reduction: "mul" }, secondOrder: false },
  ),
  row(ScatterElements, "put in place", [moving([4, 2]), indices(exactly(0, 3, 2, -3), 2, 2), moving([2, 2])]),
];

const scales = (...values: readonly number[]): OperandSpec => ({
  shape: [values.length],
  draw: exactly(...values),
  constant: true,
});
const nearest = {
  attributes: { coordinate_transformation_mode: "asymmetric", mode: "nearest", nearest_mode: "floor" },
  operands: ([x, by]: readonly Value[]) => [x, undefined, by],
};

const resizings: readonly Attributes[] = [
  ...["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"].map((nearest_mode) => ({ nearest_mode })),
  ...["linear", "cubic"].flatMap((mode) =>
    ["half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric"].map(
      (coordinate_transformation_mode) => ({ mode, coordinate_transformation_mode }),
    ),
  ),
  { mode: "cubic", cubic_coeff_a: -0.5, exclude_outside: 1 },
  ...["linear", "cubic"].flatMap((mode) => [0, 1].map((exclude_outside) => ({ mode, antialias: 1, exclude_outside }))),
];

export const resizeCases: readonly OpCase[] = [
  row(Resize, "twice the height, three times the width", [moving(["batch", 2, 3, 2]), scales(1, 1, 2, 3)], nearest),
  row(Resize, "sizes that have names", [moving(["batch", 2, "height", 2]), scales(1, 1, 3, 1)], {
    ...nearest,
    dimensions: { height: 2 },
  }),
  row(Resize, "one axis", [moving(["batch", 2, 3]), scales(1, 1, 2)], nearest),
  ...resizings.flatMap((attributes) =>
    [
      [7, 5],
      [2, 3],
    ].map((size) =>
      row(Resize, `to ${size}: ${JSON.stringify(attributes)}`, [moving(["batch", 2, 4, 5]), fixedVector(...size)], {
        attributes: { ...attributes, axes: [2, 3] },
        operands: ([x, sizes]) => [x, undefined, undefined, sizes],
      }),
    ),
  ),
  ...["nearest", "linear", "cubic"].map((mode) =>
    row(Resize, `by fractions, ${mode}`, [moving(["batch", 2, 4, 5, 3]), scales(1, 1, 1.3, 0.6, 2)], {
      attributes: { mode },
      operands: ([x, by]) => [x, undefined, by],
    }),
  ),
  row(ResizeGradient, "cubic, one axis", [moving([1, 2, 5]), fixedVector(1, 2, 3), fixedVector(5)], {
    attributes: { mode: "cubic", axes: [2] },
    operands: ([g, shape, sizes]) => [g, shape, undefined, undefined, sizes],
  }),
  row(ResizeGradient, "linear", [moving(["batch", 2, 7, 3]), fixedVector(2, 2, 4, 5), fixedVector(7, 3)], {
    attributes: { mode: "linear", axes: [2, 3] },
    operands: ([g, shape, sizes]) => [g, shape, undefined, undefined, sizes],
  }),
];
