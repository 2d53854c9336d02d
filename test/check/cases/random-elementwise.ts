/** Functions of single elements, and of what broadcasts, drawn at random: for properties that hold for all of them. */
import fc from "fast-check";
import type { Attributes } from "../../../src/graph/op.ts";
import * as activation from "../../../src/ops/activation.ts";
import * as core from "../../../src/ops/core/elementwise.ts";
import * as functions from "../../../src/ops/core/functions.ts";
import { moving, type OpCase, row, still } from "../case.ts";
import { awayFromZero, boolean, type Draw, offGrid, uniform } from "../draw.ts";

type Named = { readonly name: string };

/** Some shape of few elements. */
export const shapes = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 3 });

/** Two shapes that broadcast to one: each axis is left out, or 1, in one of them at most. */
const broadcasting = fc
  .array(fc.tuple(fc.integer({ min: 1, max: 3 }), fc.constantFrom("both", "left", "right")), {
    minLength: 1,
    maxLength: 3,
  })
  .chain((axes) =>
    fc.record({ cut: fc.integer({ min: 0, max: axes.length }), of: fc.constantFrom(0, 1) }).map(({ cut, of }) => {
      const left = axes.map(([length, where]) => (where === "right" ? 1 : length));
      const right = axes.map(([length, where]) => (where === "left" ? 1 : length));
      return [of === 0 ? left.slice(cut) : left, of === 1 ? right.slice(cut) : right] as const;
    }),
  );

export const named = (...parts: readonly unknown[]): string => parts.map((part) => JSON.stringify(part)).join(" ");

const inside = uniform(-0.9, 0.9);
const smooth: readonly (readonly [Named, Draw | undefined])[] = [
  [core.Neg, undefined],
  [core.Exp, undefined],
  [core.Log, uniform(0.3, 2)],
  [core.Sqrt, uniform(0.3, 2)],
  [core.Abs, awayFromZero()],
  [core.Tanh, undefined],
  [core.Sigmoid, undefined],
  [core.Relu, awayFromZero()],
  [core.Identity, undefined],
  [functions.Reciprocal, awayFromZero(0.5)],
  [functions.Sin, undefined],
  [functions.Cos, undefined],
  [functions.Tan, inside],
  [functions.Asin, inside],
  [functions.Acos, inside],
  [functions.Atan, undefined],
  [functions.Sinh, inside],
  [functions.Cosh, inside],
  [functions.Asinh, undefined],
  [functions.Acosh, uniform(1.5, 3)],
  [functions.Atanh, inside],
];

/** Relu of nothing but negative numbers has no gradient to check: the first element is drawn from above. */
export const someAbove =
  (draw: Draw = awayFromZero()): Draw =>
  (random, size) =>
    draw(random, size).map((each, index) => (index === 0 ? Math.abs(each) : each));

export const randomFunction: fc.Arbitrary<OpCase> = fc
  .record({ of: fc.constantFrom(...smooth), shape: shapes, seed: fc.nat(1e6) })
  .map(({ of: [op, draw], shape, seed }) =>
    row(op, named(shape, seed), [moving(shape, someAbove(draw ?? awayFromZero(0)))]),
  );

const quarters = someAbove(offGrid(0.25, 0.1, 16));
const multiple = (low: number, high: number) => fc.integer({ min: low * 4, max: high * 4 }).map((each) => each / 4);

/** Activations with attributes such that every kink is a multiple of a quarter, where nothing is drawn. */
const activations: readonly (readonly [Named, Readonly<Record<string, fc.Arbitrary<number | string>>>])[] = [
  [activation.LeakyRelu, { alpha: fc.double({ min: 0.01, max: 0.9, noNaN: true }) }],
  [activation.Elu, { alpha: fc.double({ min: 0.1, max: 3, noNaN: true }) }],
  [
    activation.Selu,
    { alpha: fc.double({ min: 0.5, max: 2, noNaN: true }), gamma: fc.double({ min: 0.5, max: 2, noNaN: true }) },
  ],
  [activation.Celu, { alpha: fc.double({ min: 0.2, max: 3, noNaN: true }) }],
  [activation.ThresholdedRelu, { alpha: multiple(-1, 0) }],
  [activation.Gelu, { approximate: fc.constantFrom("none", "tanh") }],
  [core.HardSigmoid, { alpha: fc.constantFrom(0.5, 1, 2), beta: fc.constantFrom(0, 0.5, 0.75) }],
  [activation.HardSwish, {}],
  [activation.Softplus, {}],
  [activation.Softsign, {}],
  [activation.Mish, {}],
  [activation.Erf, {}],
];

export const randomActivation: fc.Arbitrary<OpCase> = fc
  .record({ of: fc.constantFrom(...activations), shape: shapes, seed: fc.nat(1e6) })
  .chain(({ of: [op, choices], shape, seed }) =>
    fc.record(choices).map((attributes) => {
      // A hard sigmoid rises between its kinks only: its first element stands at one of few places there.
      const rising: Draw = (random, size) => [0.1, ...offGrid(0.25, 0.1, 6)(random, size - 1)].slice(0, size);
      const draw = op === core.HardSigmoid ? rising : quarters;
      return row(op, named(shape, attributes, seed), [moving(shape, draw)], { attributes: attributes as Attributes });
    }),
  );

export const randomLimits: fc.Arbitrary<OpCase> = fc
  .record({
    shape: shapes,
    low: multiple(-1, -0.25),
    high: multiple(0, 1),
    kind: fc.constantFrom("clip", "prelu"),
    seed: fc.nat(1e6),
  })
  .chain(({ shape, low, high, kind, seed }) =>
    fc.array(fc.boolean(), { minLength: 3, maxLength: 3 }).map((kept) => {
      if (kind === "prelu") {
        const slopes = shape.map((length, axis) => (kept[axis] ? length : 1));
        return row(activation.PRelu, named(shape, slopes, seed), [moving(shape, awayFromZero()), moving(slopes)]);
      }
      const limits = [moving([], () => [low]), moving([], () => [high])];
      return row(activation.Clip, named(shape, low, high, seed), [moving(shape, offGrid(0.25, 0.1)), ...limits]);
    }),
  );

const binaries: readonly (readonly [Named, Draw | undefined, Draw | undefined])[] = [
  [core.Add, undefined, undefined],
  [core.Sub, undefined, undefined],
  [core.Mul, undefined, undefined],
  [core.Div, undefined, awayFromZero(0.5)],
  [core.Pow, uniform(0.3, 2), undefined],
  [functions.Max, offGrid(0.5, 0), offGrid(0.5, 0.2)],
  [functions.Min, offGrid(0.5, 0), offGrid(0.5, 0.2)],
];

export const randomBinary: fc.Arbitrary<OpCase> = fc
  .record({ of: fc.constantFrom(...binaries), operands: broadcasting, seed: fc.nat(1e6) })
  .map(({ of: [op, left, right], operands: [a, b], seed }) =>
    row(op, named(a, b, seed), [moving(a, left), moving(b, right)]),
  );

export const randomChoice: fc.Arbitrary<OpCase> = fc
  .record({ operands: broadcasting, seed: fc.nat(1e6), kind: fc.constantFrom("where", "mod") })
  .map(({ operands: [a, b], seed, kind }) => {
    if (kind === "mod")
      return row(functions.Mod, named(a, seed), [moving(a, offGrid(0.5, 0.2)), moving([], () => [1.5])], {
        attributes: { fmod: 1 },
      });
    return row(core.Where, named(a, b, seed), [{ ...still(a, boolean), dtype: "bool" }, moving(a), moving(b)]);
  });
