import * as arrange from "../../../src/ops/core/arrange.ts";
import * as broadcast from "../../../src/ops/core/broadcast.ts";
import * as reduce from "../../../src/ops/core/reduce.ts";
import * as shapes from "../../../src/ops/core/shape.ts";
import { shapeOf } from "../../../src/ops/core/shape.ts";
import { fixedVector, moving, type OpCase, type OperandSpec, row, still } from "../case.ts";
import { awayFromZero, distinct, exactly, integer } from "../draw.ts";

const reductions = [
  [reduce.ReduceSum, undefined],
  [reduce.ReduceMean, undefined],
  [reduce.ReduceMax, distinct],
  [reduce.ReduceMin, distinct],
  [reduce.ReduceProd, awayFromZero()],
] as const;

export const reduceCases: readonly OpCase[] = [
  ...reductions.flatMap(([op, draw]) => [
    row(op, "all axes, kept", [moving(["batch", 3, 2], draw)]),
    row(op, "all axes, dropped", [moving(["batch", 3, 2], draw)], { attributes: { keepdims: 0 } }),
    row(op, "the middle axis, dropped", [moving(["batch", 3, 2], draw), fixedVector(1)], {
      attributes: { keepdims: 0 },
    }),
    row(op, "the first and the last axis, kept", [moving(["batch", 3, 2], draw), fixedVector(-1, 0)]),
    row(op, "an axis of length 1", [moving(["batch", 1, 3], draw), fixedVector(1)]),
    row(op, "no axes, so nothing", [moving(["batch", 3], draw), fixedVector()], {
      attributes: { noop_with_empty_axes: 1 },
    }),
    row(op, "64-bit integers", [{ shape: [3, 4], dtype: "int64", draw: integer(1, 3) }, fixedVector(0)]),
  ]),
  row(
    reduce.ReduceProd,
    "rows with one zero and with two",
    [moving([3, 3], exactly(2, 3, 4, 0, 5, 6, 0, 0, 7)), fixedVector(1)],
    { secondOrder: false },
  ),
];

const indices = (draw: OperandSpec["draw"], ...shape: readonly (number | string)[]): OperandSpec => ({
  shape,
  dtype: "int64",
  draw,
});
const depth: OperandSpec = { shape: [], dtype: "int64", draw: exactly(5), constant: true };
const offAndOn: OperandSpec = { shape: [2], draw: exactly(-1, 3), constant: true };

export const arrangeCases: readonly OpCase[] = [
  row(
    arrange.Concat,
    "along the channels",
    [moving(["batch", 3, 2]), moving(["batch", 1, 2]), moving(["batch", 2, 2])],
    {
      attributes: { axis: 1 },
    },
  ),
  row(arrange.Concat, "along the last axis, counted from the end", [moving(["batch", 3]), moving(["batch", 2])], {
    attributes: { axis: -1 },
  }),
  row(arrange.Concat, "one value twice", [moving([2, 3])], { attributes: { axis: 0 }, operands: ([x]) => [x, x] }),
  row(arrange.Concat, "64-bit integers", [indices(integer(0, 9), 3), indices(integer(0, 9), 2)], {
    attributes: { axis: 0 },
  }),
  row(arrange.Slice, "the middle of an axis", [
    moving(["batch", 6, 2]),
    fixedVector(1),
    fixedVector(4),
    fixedVector(1),
  ]),
  row(arrange.Slice, "two axes, counted from the end", [
    moving(["batch", 6, 5]),
    fixedVector(-4, 0),
    fixedVector(-1, 1000),
    fixedVector(1, -1),
  ]),
  row(arrange.Slice, "leading axes, none named", [moving([4, 5]), fixedVector(1, 2), fixedVector(3, 5)]),
  row(arrange.Slice, "every second element", [
    moving(["batch", 7]),
    fixedVector(1),
    fixedVector(7),
    fixedVector(1),
    fixedVector(2),
  ]),
  row(arrange.Slice, "every third element, and the last one ends it", [
    moving(["batch", 7]),
    fixedVector(0),
    fixedVector(7),
    fixedVector(1),
    fixedVector(3),
  ]),
  row(arrange.Slice, "backwards", [
    moving(["batch", 5]),
    fixedVector(-1),
    fixedVector(-1000),
    fixedVector(1),
    fixedVector(-1),
  ]),
  row(arrange.Slice, "backwards in steps of two, on two axes", [
    moving([7, 6]),
    fixedVector(5, 4),
    fixedVector(0, 1),
    fixedVector(0, 1),
    fixedVector(-2, -2),
  ]),
  row(arrange.Pad, "before and after, not the batch", [moving(["batch", 3, 2]), fixedVector(0, 1, 0, 0, 2, 3)]),
  row(arrange.Pad, "axes whose length has a name", [moving(["batch", 3, "height"]), fixedVector(0, 0, 1, 0, 0, 2)], {
    dimensions: { height: 4 },
  }),
  ...["reflect", "edge", "wrap"].flatMap((mode) => [
    row(arrange.Pad, `${mode}, both sides`, [moving(["batch", 4, 3]), fixedVector(0, 2, 1, 0, 1, 2)], {
      attributes: { mode },
    }),
  ]),
  row(arrange.Pad, "a value that moves", [moving(["batch", 3]), fixedVector(0, 1, 1, 2), moving([])]),
  row(arrange.Pad, "axes named", [moving(["batch", 3, 4]), fixedVector(1, 2), fixedVector(-1)], {
    operands: ([x, pads, axes]) => [x, pads, undefined, axes],
  }),
  row(arrange.Pad, "less than nothing: crops", [moving(["batch", 5, 4]), fixedVector(0, -1, 2, 0, -2, -1)]),
  row(arrange.OneHot, "a new last axis", [indices(exactly(0, 4, -1, 2, 7, -6), "batch", 3), depth, offAndOn]),
  row(arrange.OneHot, "values that move", [indices(exactly(0, 4, -1, 2, 7, -6), "batch", 3), depth, moving([2])]),
  row(arrange.OneHot, "a new axis of channels", [indices(integer(0, 4), "batch", 3), depth, offAndOn], {
    attributes: { axis: 1 },
  }),
];

const withShapeOfSecond: Pick<OpCase, "operands"> = { operands: ([x, like]) => [x, shapeOf(like!)] };

export const broadcastCases: readonly OpCase[] = [
  row(broadcast.Expand, "to a constant shape", [moving([3, 1]), fixedVector(2, 3, 4)]),
  row(broadcast.Expand, "to a shape that is itself repeated", [moving([2, 3, 4]), fixedVector(3, 1)]),
  row(broadcast.Expand, "a scalar", [moving([]), fixedVector(2, 2)]),
  row(broadcast.Expand, "to the shape of another", [moving([3, 1]), still(["batch", 3, 4])], withShapeOfSecond),
];

export const shapeCases: readonly OpCase[] = [
  row(shapes.Squeeze, "axes that are given", [moving(["batch", 1, 3, 1]), fixedVector(1, -1)]),
  row(shapes.Squeeze, "every axis of length 1", [moving([2, 1, 3, 1])]),
  row(shapes.Shape_, "of three axes", [still(["batch", 3, 4])]),
  row(shapes.Shape_, "of a scalar", [still([])]),
  row(shapes.Reshape, "to numbers", [moving([4, 6]), fixedVector(2, 3, 4)]),
  row(shapes.Reshape, "the batch kept by 0, the rest by -1", [moving(["batch", 3, 4]), fixedVector(0, -1)]),
  row(shapes.Reshape, "everything by -1", [moving(["batch", 3, 4]), fixedVector(-1)]),
  row(shapes.Reshape, "the batch by -1", [moving(["batch", 3, 4]), fixedVector(-1, 6, 2)]),
  row(shapes.Reshape, "to the shape of another", [moving(["batch", 12]), still(["batch", 3, 4])], withShapeOfSecond),
  row(shapes.Flatten, "after the batch", [moving(["batch", 3, 4])]),
  row(shapes.Flatten, "before the last", [moving(["batch", 3, 4])], { attributes: { axis: -1 } }),
  row(shapes.Flatten, "before everything", [moving(["batch", 3])], { attributes: { axis: 0 } }),
  row(shapes.Transpose, "reversed", [moving(["batch", 3, 4])]),
  row(shapes.Transpose, "turned round", [moving(["batch", 3, 4])], { attributes: { perm: [1, 2, 0] } }),
  row(shapes.Unsqueeze, "in the middle and at the end", [moving(["batch", 3]), fixedVector(1, -1)]),
];
