import type { Value } from "../../../src/graph/value.ts";
import * as activation from "../../../src/ops/activation.ts";
import { moving, type OpCase, type OperandSpec, row, still } from "../case.ts";
import { awayFromZero, type Draw, exactly, integer } from "../draw.ts";

const shape = ["batch", 3, 4] as const;

/** Magnitudes at which exponentials overflow or vanish, on both sides. */
const extremes: OperandSpec = { ...moving([6], exactly(-800, -90, -9, 9, 90, 800)), differentiable: false };

const plain: readonly (readonly [{ readonly name: string }, Draw | undefined])[] = [
  [activation.Erf, undefined],
  [activation.LeakyRelu, awayFromZero()],
  [activation.Elu, awayFromZero()],
  [activation.Selu, awayFromZero()],
  [activation.Celu, awayFromZero()],
  [activation.ThresholdedRelu, exactly(...Array.from({ length: 24 }, (_, index) => (index - 12) / 5 + 0.07))],
  [activation.Gelu, undefined],
  [activation.HardSwish, undefined],
  [activation.Softplus, undefined],
  [activation.Softsign, undefined],
  [activation.Mish, undefined],
];

const limits = (low: number | undefined, high: number | undefined, operand = moving): OperandSpec[] =>
  [low, high].flatMap((limit) => (limit === undefined ? [] : [operand([], exactly(limit))]));

const clips: readonly (readonly [string, number | undefined, number | undefined])[] = [
  ["between two", -0.75, 0.5],
  ["from below", -0.25, undefined],
  ["from above", undefined, 0.25],
  ["by nothing", undefined, undefined],
  ["lowest above highest", 0.5, -0.5],
];

export const activationCases: readonly OpCase[] = [
  ...plain.flatMap(([op, draw]) => [
    row(op, "three axes", [moving(shape, draw)]),
    row(op, "a scalar", [moving([], exactly(1.3))]),
    row(op, "far from zero", [extremes]),
  ]),
  ...[activation.LeakyRelu, activation.Elu, activation.Celu].map((op) =>
    row(op, "another alpha", [moving(shape, awayFromZero())], { attributes: { alpha: 0.25 } }),
  ),
  row(activation.Selu, "other constants", [moving(shape, awayFromZero())], { attributes: { alpha: 0.5, gamma: 2 } }),
  row(activation.ThresholdedRelu, "another threshold", [moving([4], exactly(-1, -0.25, 0.25, 1))], {
    attributes: { alpha: -0.5 },
  }),
  row(activation.Gelu, "by tanh", [moving(shape)], { attributes: { approximate: "tanh" } }),
  row(activation.HardSwish, "all three parts", [moving([5], exactly(-4, -2, 0.5, 2, 4))]),
  row(activation.PRelu, "one slope", [moving(shape, awayFromZero()), moving([1])]),
  row(
    activation.PRelu,
    "a slope for each channel",
    [moving(["batch", 3, "height", 2], awayFromZero()), moving([3, 1, 1])],
    { dimensions: { height: 2 } },
  ),
  row(activation.PRelu, "a slope for each element", [moving([3, 4], awayFromZero()), moving([3, 4])]),
  row(
    activation.PRelu,
    "64-bit integers",
    [
      { shape: [6], dtype: "int64", draw: integer(-5, 5) },
      { shape: [1], dtype: "int64", draw: exactly(3) },
    ],
    { except: ["ort"] },
  ), // ONNX Runtime has floats only.
  ...clips.map(([name, low, high]) =>
    row(activation.Clip, name, [moving(shape, awayFromZero(0.01)), ...limits(low, high)], {
      operands: ([x, ...rest]: readonly Value[]) =>
        low === undefined && high !== undefined ? [x, undefined, ...rest] : [x, ...rest],
    }),
  ),
  ...clips
    .map(([name, low, high]) =>
      row(
        activation.ClipGradient,
        name,
        [still(shape, awayFromZero(0.01)), moving(shape), ...limits(low, high, still)],
        {
          operands: ([x, g, ...rest]: readonly Value[]) =>
            low === undefined && high !== undefined ? [x, g, undefined, ...rest] : [x, g, ...rest],
        },
      ),
    )
    .filter(({ name }) => !name.endsWith("lowest above highest")),
  row(activation.ClipGradient, "on a limit", [still([3], exactly(-1, 0, 1)), moving([3]), ...limits(-1, 0, still)]),
  row(activation.ClipGradient, "on ReLU6's limits", [
    still([4], exactly(-1, 0, 6, 7)),
    moving([4]),
    ...limits(0, 6, still),
  ]),
  row(activation.Clip, "64-bit integers", [
    { shape: [9], dtype: "int64", draw: integer(-9, 9) },
    { shape: [], dtype: "int64", draw: exactly(-3) },
    { shape: [], dtype: "int64", draw: exactly(4) },
  ]),
];
