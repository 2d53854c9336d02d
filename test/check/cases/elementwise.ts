import * as ops from "../../../src/ops/core/elementwise.ts";
import { moving, type OpCase, type OperandSpec, row, still } from "../case.ts";
import { awayFromZero, boolean, type Draw, distinct, exactly, integer, uniform } from "../draw.ts";

const shape = ["batch", 3, 4] as const;
const integers = (length: number, low: number, high: number, dtype: "int64" | "int32" = "int64"): OperandSpec => ({
  shape: [length],
  dtype,
  draw: integer(low, high),
});
const conditions = (...dimensions: readonly (number | string)[]): OperandSpec => ({
  shape: dimensions,
  dtype: "bool",
  draw: boolean,
});

const positive = uniform(0.3, 2);
const unaries: readonly (readonly [{ readonly name: string }, Draw | undefined])[] = [
  [ops.Neg, undefined],
  [ops.Exp, undefined],
  [ops.Log, positive],
  [ops.Sqrt, positive],
  [ops.Abs, awayFromZero()],
  [ops.Tanh, undefined],
  [ops.Sigmoid, undefined],
  [ops.Relu, awayFromZero()],
  [ops.Sign, awayFromZero()],
  [ops.Identity, undefined],
];

/** The ways in which two operands broadcast. */
const broadcasts = [
  [
    ["batch", 3, 4],
    ["batch", 3, 4],
  ],
  [["batch", 3, 4], [4]],
  [
    [3, 1],
    ["batch", 1, 4],
  ],
  [[], ["batch", 3]],
  [["batch", 1], []],
] as const;
const binaries: readonly (readonly [{ readonly name: string }, Draw | undefined, Draw | undefined])[] = [
  [ops.Add, undefined, undefined],
  [ops.Sub, undefined, undefined],
  [ops.Mul, undefined, undefined],
  [ops.Div, undefined, awayFromZero(0.5)],
  [ops.Pow, positive, undefined],
  [ops.Greater, undefined, undefined],
  [ops.GreaterOrEqual, undefined, undefined],
  [ops.Less, undefined, undefined],
  [ops.Equal, integer(0, 2), integer(0, 2)],
];

export const elementwiseCases: readonly OpCase[] = [
  ...unaries.flatMap(([op, draw]) => [
    row(op, "three axes", [moving(shape, draw)]),
    row(op, "a scalar", [moving([], positive)]),
  ]),
  ...binaries.flatMap(([op, left, right]) =>
    broadcasts.map((shapes) =>
      row(op, `${shapes.map((each) => `[${each}]`).join(" and ")}`, [
        moving(shapes[0], left),
        moving(shapes[1], right),
      ]),
    ),
  ),
  ...[ops.Add, ops.Sub, ops.Mul].map((op) => row(op, "64-bit integers", [integers(5, -9, 9), integers(1, -9, 9)])),
  row(ops.Div, "32-bit integers round towards zero", [integers(20, -9, 9, "int32"), integers(20, 2, 4, "int32")]),
  row(ops.Div, "64-bit integers round towards zero", [integers(20, -9, 9), integers(20, 2, 4)]),
  ...[ops.Greater, ops.GreaterOrEqual, ops.Less, ops.Equal].map((op) =>
    row(op, "64-bit integers", [integers(20, -2, 2), integers(20, -2, 2)]),
  ),
  row(ops.Mul, "a value by itself", [moving([3])], { operands: ([x]) => [x, x] }),
  row(ops.Pow, "squares of either sign", [moving([6]), still([], exactly(2))]),
  row(ops.Pow, "a base of zero", [moving([3], exactly(0, 1, 2)), still([], exactly(2))]),
  row(ops.Pow, "a base of zero to the power one and zero", [moving([2], exactly(0, 0)), still([2], exactly(1, 0))]),
  row(ops.Where, "everything broadcasts", [conditions(3, 1), moving(["batch", 1, 4]), moving([4])]),
  row(ops.Where, "one shape", [conditions("batch", 3), moving(["batch", 3]), moving(["batch", 3])]),
  row(ops.Where, "a scalar condition", [conditions(), moving([3]), moving([])]),
  row(ops.Cast, "to 64-bit floats", [moving(["batch", 3])], { attributes: { to: ops.onnxDTypes.float64 } }),
  row(ops.Cast, "to integers, towards zero", [still([9], exactly(-2.7, -2, -1.2, -0.5, 0, 0.5, 1.2, 2, 2.7))], {
    attributes: { to: ops.onnxDTypes.int64 },
  }),
  row(ops.Cast, "to booleans", [still([4], exactly(-1, 0, 0.5, 2))], { attributes: { to: ops.onnxDTypes.bool } }),
  row(ops.Cast, "from integers", [integers(6, -9, 9)], { attributes: { to: ops.onnxDTypes.float32 } }),
  row(ops.HardSigmoid, "all three parts", [moving([5], exactly(-3.5, -1.5, 0.5, 2, 4))]),
  row(ops.HardSigmoid, "another slope", [moving(shape, uniform(-0.9, 0.9))], { attributes: { alpha: 0.5, beta: 0.5 } }),
  row(ops.ReluGradient, "g where y is positive", [moving(shape, awayFromZero()), moving(shape)]),
  row(ops.ReluGradient, "nothing where y is zero", [still([4], exactly(0, 1, 0, 2)), moving([4], distinct)]),
  row(ops.TanhGradient, "g (1 - y^2)", [moving(shape, uniform(-0.9, 0.9)), moving(shape)]),
];
