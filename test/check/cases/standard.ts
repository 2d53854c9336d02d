/** Cases of logic, elementwise functions, slices at indices, and order along an axis. */
import * as functions from "../../../src/ops/core/functions.ts";
import { Gather, GatherND, ScatterND } from "../../../src/ops/core/gather.ts";
import * as logic from "../../../src/ops/core/logic.ts";
import * as order from "../../../src/ops/core/order.ts";
import { fixedVector, moving, type OpCase, type OperandSpec, row, still } from "../case.ts";
import { awayFromZero, boolean, type Draw, distinct, exactly, integer, uniform } from "../draw.ts";

const shape = ["batch", 3, 4] as const;

const truths = (...dimensions: readonly (number | string)[]): OperandSpec => ({
  shape: dimensions,
  dtype: "bool",
  draw: boolean,
});
const indices = (draw: Draw, ...dimensions: readonly (number | string)[]): OperandSpec => ({
  shape: dimensions,
  dtype: "int64",
  draw,
});
const fixedScalar = (value: number): OperandSpec => ({
  shape: [],
  dtype: "int64",
  draw: exactly(value),
  constant: true,
});

export const logicCases: readonly OpCase[] = [
  ...[logic.And, logic.Or, logic.Xor].flatMap((op) => [
    row(op, "one shape", [truths("batch", 5), truths("batch", 5)]),
    row(op, "shapes that broadcast", [truths(3, 1), truths("batch", 1, 4)]),
  ]),
  row(logic.Not, "booleans", [truths("batch", 5)]),
  row(logic.LessOrEqual, "floats", [still(shape, integer(0, 2)), still([4], integer(0, 2))]),
  row(logic.LessOrEqual, "64-bit integers", [indices(integer(-2, 2), 20), indices(integer(-2, 2), 20)]),
  row(logic.IsNaN, "some are not numbers", [still([4], exactly(0, Number.NaN, Number.POSITIVE_INFINITY, -1))]),
  ...[
    [1, 1],
    [0, 1],
    [1, 0],
  ].map(([detect_negative, detect_positive]) =>
    row(
      logic.IsInf,
      `negative ${detect_negative}, positive ${detect_positive}`,
      [still([4], exactly(0, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY))],
      { attributes: { detect_negative, detect_positive } },
    ),
  ),
];

const inside = uniform(-0.9, 0.9);
const smooth: readonly (readonly [{ readonly name: string }, Draw])[] = [
  [functions.Reciprocal, awayFromZero(0.5)],
  [functions.Sin, uniform(-3, 3)],
  [functions.Cos, uniform(-3, 3)],
  [functions.Tan, inside],
  [functions.Asin, inside],
  [functions.Acos, inside],
  [functions.Atan, uniform(-3, 3)],
  [functions.Sinh, inside],
  [functions.Cosh, inside],
  [functions.Asinh, uniform(-3, 3)],
  [functions.Acosh, uniform(1.5, 3)],
  [functions.Atanh, inside],
];

export const functionCases: readonly OpCase[] = [
  ...smooth.map(([op, draw]) => row(op, "three axes", [moving(shape, draw)])),
  ...[functions.Floor, functions.Ceil, functions.Round].map((op) =>
    row(op, "halves, wholes and between", [still([9], exactly(-2.5, -1.5, -1.2, -0.5, 0, 0.5, 1.5, 1.7, 2.5))]),
  ),
  ...[functions.Max, functions.Min].flatMap((op) => [
    row(op, "two that broadcast", [moving(shape), moving([4])]),
    row(op, "three", [moving(["batch", 3]), moving([3]), moving([])]),
    row(op, "one", [moving(["batch", 3])]),
    row(op, "64-bit integers", [indices(integer(-9, 9), 8), indices(integer(-9, 9), 8)]),
    row(op, "16-bit integers", [
      { shape: [8], dtype: "int16", draw: integer(-9, 9) },
      { shape: [8], dtype: "int16", draw: integer(-9, 9) },
    ]),
  ]),
  row(functions.Mod, "floats, the sign of the first", [moving([6], uniform(-5, 5)), still([], exactly(1.7))], {
    attributes: { fmod: 1 },
  }),
  row(functions.Mod, "floats, by a moving one", [moving([4], exactly(5.3, -5.3, 2.1, 0.4)), moving([], exactly(1.7))], {
    attributes: { fmod: 1 },
  }),
  row(functions.Mod, "64-bit integers", [indices(integer(-9, 9), 20), indices(exactly(3, -3, 4, 7), 4, 1)], {
    operands: ([x, y]) => [x, y],
  }),
];

export const gatherCases: readonly OpCase[] = [
  row(Gather, "rows, some twice", [moving([4, 3]), indices(exactly(0, 3, 3, -1), 2, 2)]),
  row(Gather, "the middle axis", [moving(["batch", 4, 3]), indices(exactly(2, 0), 2)], { attributes: { axis: 1 } }),
  row(Gather, "one of the last axis", [moving(["batch", 4, 3]), indices(exactly(-1))], { attributes: { axis: -1 } }),
  row(GatherND, "elements", [moving([3, 4]), indices(exactly(0, 1, 2, 3, -1, -1, 0, 1), 4, 2)]),
  row(GatherND, "slices", [moving([3, 2, 2]), indices(exactly(2, 0, 2), 3, 1)]),
  row(GatherND, "in batches", [moving(["batch", 3, 2]), indices(exactly(2, 0), "batch", 1)], {
    attributes: { batch_dims: 1 },
  }),
  row(
    GatherND,
    "in batches of batches",
    [moving([2, "batch", 3, 2]), indices(exactly(2, 0, 1, 1, 0, 0, 2, 1), 2, "batch", 1, 2)],
    { attributes: { batch_dims: 2 } },
  ),
  row(ScatterND, "slices put in place", [moving([4, 2]), indices(exactly(2, 0), 2, 1), moving([2, 2])]),
  row(
    ScatterND,
    "elements added, some twice",
    [moving([3, 2]), indices(exactly(0, 1, 0, 1, 2, 0), 3, 2), moving([3])],
    {
      attributes: { reduction: "add" },
    },
  ),
  ...["mul", "max", "min"].map((reduction) =>
    row(ScatterND, reduction, [moving([4]), indices(exactly(1, 3, 1), 3, 1), moving([3])], {
      attributes: { reduction },
    }),
  ),
];

export const orderCases: readonly OpCase[] = [
  ...[order.ArgMax, order.ArgMin].flatMap((op) => [
    row(op, "the first axis, kept", [still([3, 4], distinct)]),
    row(op, "the last axis, dropped", [still(["batch", 3, 4], distinct)], { attributes: { axis: -1, keepdims: 0 } }),
    row(op, "the first of equal ones", [still([2, 6], integer(0, 1))], { attributes: { axis: 1 } }),
    row(op, "the last of equal ones", [still([2, 6], integer(0, 1))], {
      attributes: { axis: 1, select_last_index: 1 },
    }),
  ]),
  row(order.TopK, "the two largest", [moving(["batch", 4], distinct), fixedVector(2)]),
  row(order.TopK, "the two smallest of the middle axis", [moving([2, 5, 2], distinct), fixedVector(2)], {
    attributes: { axis: 1, largest: 0 },
  }),
  ...[
    [0, 0],
    [1, 0],
    [0, 1],
    [1, 1],
  ].map(([exclusive, reverse]) =>
    row(order.CumSum, `exclusive ${exclusive}, reverse ${reverse}`, [moving(["batch", 3, 2]), fixedScalar(1)], {
      attributes: { exclusive, reverse },
    }),
  ),
  row(order.CumSum, "64-bit integers", [indices(integer(-9, 9), 6), fixedScalar(0)]),
  row(order.Trilu, "the upper triangle", [moving(["batch", 3, 4])]),
  row(order.Trilu, "the lower triangle below the diagonal", [moving([4, 3]), fixedScalar(-1)], {
    attributes: { upper: 0 },
  }),
  row(
    order.Range,
    "constants",
    [
      { ...still([], exactly(1)), constant: true },
      { ...still([], exactly(5.5)), constant: true },
      { ...still([], exactly(2)), constant: true },
    ],
    {},
  ),
];
