/** Reductions, products and rearrangements drawn at random: for properties that hold for all of them. */
import fc from "fast-check";
import type { Value } from "../../../src/graph/value.ts";
import * as arrange from "../../../src/ops/core/arrange.ts";
import { Expand } from "../../../src/ops/core/broadcast.ts";
import { Gather, GatherND, ScatterND } from "../../../src/ops/core/gather.ts";
import { GatherElements, ScatterElements } from "../../../src/ops/core/index.ts";
import * as order from "../../../src/ops/core/order.ts";
import * as reduce from "../../../src/ops/core/reduce.ts";
import * as shaping from "../../../src/ops/core/shape.ts";
import { Gemm, MatMul } from "../../../src/ops/matmul.ts";
import { Resize } from "../../../src/ops/resize.ts";
import { LogSoftmax, Softmax } from "../../../src/ops/softmax.ts";
import { fixedVector, moving, type OpCase, type OperandSpec, row } from "../case.ts";
import { awayFromZero, type Draw, distinct, exactly, integer } from "../draw.ts";
import { named, shapes } from "./random-elementwise.ts";

/** A shape, one of its axes counted from either end, and a number that makes the case different from others. */
const along = fc
  .record({ shape: shapes, axis: fc.nat(2), fromEnd: fc.boolean(), seed: fc.nat(1e6) })
  .map(({ shape, axis, fromEnd, seed }) => {
    const at = axis % shape.length;
    return { shape, at, axis: fromEnd ? at - shape.length : at, seed };
  });

/** A permutation of so many things. */
const orderOf = (count: number) =>
  fc.shuffledSubarray(
    Array.from({ length: count }, (_, index) => index),
    { minLength: count, maxLength: count },
  );

const fixedScalar = (value: number): OperandSpec => ({ ...fixedVector(value), shape: [], draw: exactly(value) });
const indices = (draw: Draw, ...shape: readonly number[]): OperandSpec => ({ shape, dtype: "int64", draw });

const reductions: readonly (readonly [{ readonly name: string }, Draw | undefined])[] = [
  [reduce.ReduceSum, undefined],
  [reduce.ReduceMean, undefined],
  [reduce.ReduceMax, distinct],
  [reduce.ReduceMin, distinct],
  [reduce.ReduceProd, awayFromZero(0.5)],
];

export const randomReduction: fc.Arbitrary<OpCase> = shapes.chain((shape) =>
  fc
    .record({
      of: fc.constantFrom(...reductions),
      axes: fc.subarray(shape.map((_, axis) => axis)),
      fromEnd: fc.boolean(),
      keepdims: fc.constantFrom(0, 1),
      noop_with_empty_axes: fc.constantFrom(0, 1),
      seed: fc.nat(1e6),
    })
    .map(({ of: [op, draw], axes, fromEnd, seed, ...attributes }) => {
      const given = axes.map((axis) => (fromEnd ? axis - shape.length : axis));
      return row(op, named(shape, given, attributes, seed), [moving(shape, draw), fixedVector(...given)], {
        attributes,
      });
    }),
);

export const randomAlong: fc.Arbitrary<OpCase> = fc
  .record({
    where: along,
    kind: fc.constantFrom("softmax", "logarithm", "sums", "largest"),
    exclusive: fc.constantFrom(0, 1),
    reverse: fc.constantFrom(0, 1),
    count: fc.integer({ min: 1, max: 3 }),
  })
  .map(({ where: { shape: short, at, axis, seed }, kind, exclusive, reverse, count }) => {
    // A softmax of one number does not change, nor has the sum before one any number to depend on.
    const shape = short.with(at, short[at]! + 1);
    if (kind === "softmax" || kind === "logarithm")
      return row(kind === "softmax" ? Softmax : LogSoftmax, named(shape, axis, seed), [moving(shape)], {
        attributes: { axis },
      });
    if (kind === "sums")
      return row(order.CumSum, named(shape, axis, exclusive, reverse, seed), [moving(shape), fixedScalar(axis)], {
        attributes: { exclusive, reverse },
      });
    const k = Math.min(count, shape[at]!);
    const attributes = { axis, largest: reverse };
    return row(order.TopK, named(shape, k, attributes, seed), [moving(shape, distinct), fixedVector(k)], {
      attributes,
    });
  });

const length = fc.integer({ min: 1, max: 4 });

export const randomProduct: fc.Arbitrary<OpCase> = fc
  .record({
    sizes: fc.tuple(length, length, length),
    left: fc.array(fc.constantFrom(1, 2), { maxLength: 2 }),
    right: fc.array(fc.constantFrom(1, 2), { maxLength: 2 }),
    transA: fc.constantFrom(0, 1),
    transB: fc.constantFrom(0, 1),
    scales: fc.tuple(fc.constantFrom(1, 0.5, -2), fc.constantFrom(1, 0.25, -1)),
    added: fc.constantFrom("nothing", "matrix", "row", "column", "number"),
    whole: fc.boolean(),
    seed: fc.nat(1e6),
  })
  .map(({ sizes: [m, k, n], left, right, transA, transB, scales: [alpha, beta], added, whole, seed }) => {
    if (whole) {
      const [a, b] = [
        [...left, m, k],
        [...right, k, n],
      ];
      return row(MatMul, named(a, b, seed), [moving(a), moving(b)]);
    }
    const [a, b] = [transA ? [k, m] : [m, k], transB ? [n, k] : [k, n]];
    const c = { nothing: undefined, matrix: [m, n], row: [n], column: [m, 1], number: [] as number[] }[added];
    const attributes = { transA, transB, alpha, beta };
    const operands = [moving(a), moving(b), ...(c ? [moving(c)] : [])];
    return row(Gemm, named(a, b, c ?? "", attributes, seed), operands, { attributes });
  });

export const randomGather: fc.Arbitrary<OpCase> = fc
  .record({
    where: along,
    taken: fc.array(length, { maxLength: 2 }),
    kind: fc.constantFrom("slices", "elements", "tuples", "put elements", "add elements", "put tuples", "add tuples"),
  })
  .chain(({ where: { shape, at, axis, seed }, taken, kind }) => {
    const any = integer(-shape[at]!, shape[at]! - 1);
    const name = named(shape, axis, taken, seed);
    const depth = 1 + (seed % shape.length);
    const rows = taken[0] ?? 2;
    const tuples = indices(
      (random) => Array.from({ length: rows * depth }, (_, index) => random.integer(0, shape[index % depth]! - 1)),
      rows,
      depth,
    );
    return orderOf(shape[0]!).map((places) => {
      const x = moving(shape);
      switch (kind) {
        case "slices":
          return row(Gather, name, [x, indices(any, ...taken)], { attributes: { axis } });
        case "elements":
          return row(GatherElements, name, [x, indices(any, ...shape.with(at, rows))], { attributes: { axis } });
        case "tuples":
          return row(GatherND, name, [x, tuples]);
        case "add elements": {
          const places = shape.with(at, rows);
          const attributes = { axis, reduction: "add" };
          return row(ScatterElements, name, [x, indices(any, ...places), moving(places)], { attributes });
        }
        case "put elements":
          return row(ScatterElements, name, [x, indices(exactly(...places), shape[0]!), moving([shape[0]!])], {
            // Each element is put in one place only: what stands where two are put is not said.
            operands: ([whole, at, updates]) => [flat(whole!, shape), at, updates],
          });
        case "add tuples":
          return row(ScatterND, name, [x, tuples, moving([rows, ...shape.slice(depth)])], {
            attributes: { reduction: "add" },
          });
        default: {
          const some = places.slice(0, Math.max(1, places.length - 1));
          const updates = moving([some.length, ...shape.slice(1)]);
          return row(ScatterND, name, [x, indices(exactly(...some), some.length, 1), updates]);
        }
      }
    });
  });

/** The first elements of a tensor, as many as its first axis is long. */
const flat = (x: Value, shape: readonly number[]): Value =>
  arrange.slice(shaping.reshape(x, [-1]), { axis: 0, start: 0, end: shape[0]! });

export const randomArrangement: fc.Arbitrary<OpCase> = fc
  .record({
    where: along,
    kind: fc.constantFrom("join", "range", "border", "turn", "repeat", "flatten", "squeeze", "triangle", "reshape"),
    before: fc.integer({ min: 0, max: 3 }),
    after: fc.integer({ min: 0, max: 3 }),
    step: fc.constantFrom(-2, -1, 1, 2, 3),
    mode: fc.constantFrom("constant", "reflect", "edge", "wrap", "crop"),
  })
  .chain(({ where: { shape, at, axis, seed }, kind, before, after, step, mode }) => {
    const name = named(shape, axis, before, after, step, mode, seed);
    return orderOf(shape.length).map((perm) => {
      const x = moving(shape);
      switch (kind) {
        case "join": {
          const others = [before, after].map((count) => moving(shape.with(at, count + 1)));
          return row(arrange.Concat, name, [x, ...others], { attributes: { axis } });
        }
        case "range": {
          const long = shape.with(at, shape[at]! + before + after);
          const [low, high] = [before, before + shape[at]!];
          const [start, end] = step > 0 ? [low, high] : [high - 1, low === 0 ? -1000 : low - 1];
          const ranges = [start, end, axis, step].map((each) => fixedVector(each));
          return row(arrange.Slice, name, [moving(long), ...ranges]);
        }
        case "border": {
          const cut = mode === "crop";
          const [first, last] = cut ? [-Math.min(before, 1), -Math.min(after, 1)] : [before, after];
          const long = shape.with(at, shape[at]! + 3);
          const pads = [first, last].flatMap((each) => long.map((_, index) => (index === at ? each : 0)));
          const value = mode === "constant" ? [moving([])] : [];
          return row(arrange.Pad, name, [moving(long), fixedVector(...pads), ...value], {
            attributes: { mode: cut ? "constant" : mode },
          });
        }
        case "turn":
          return row(shaping.Transpose, named(shape, perm, seed), [x], { attributes: { perm } });
        case "repeat": {
          const short = shape.map((size, index) => (perm[index]! % 2 === 0 ? 1 : size));
          return row(Expand, named(short, shape, seed), [moving(short), fixedVector(before + 1, ...shape)]);
        }
        case "flatten":
          return row(shaping.Flatten, name, [x], { attributes: { axis } });
        case "squeeze": {
          if (step > 0) return row(shaping.Unsqueeze, name, [x, fixedVector(axis)]);
          return row(shaping.Squeeze, name, [moving(shape.with(at, 1)), fixedVector(axis)]);
        }
        case "triangle":
          return row(order.Trilu, name, [moving([2, ...shape, 3]), fixedScalar(step > 0 ? before - 1 : before)], {
            attributes: { upper: step > 0 ? 1 : 0 },
          });
        default:
          return row(shaping.Reshape, name, [x, fixedVector(...shape.slice(0, at).map(() => 0), -1)]);
      }
    });
  });

export const randomResize: fc.Arbitrary<OpCase> = fc
  .record({
    from: fc.array(length, { minLength: 1, maxLength: 3 }),
    to: fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 3, maxLength: 3 }),
    scales: fc.array(fc.constantFrom(0.5, 0.6, 1, 1.3, 2, 2.5, 3), { minLength: 3, maxLength: 3 }),
    bySize: fc.boolean(),
    mode: fc.constantFrom("nearest", "linear", "cubic"),
    coordinate_transformation_mode: fc.constantFrom(
      "half_pixel",
      "half_pixel_symmetric",
      "pytorch_half_pixel",
      "align_corners",
      "asymmetric",
    ),
    nearest_mode: fc.constantFrom("round_prefer_floor", "round_prefer_ceil", "floor", "ceil"),
    cubic_coeff_a: fc.constantFrom(-0.75, -0.5),
    exclude_outside: fc.constantFrom(0, 1),
    seed: fc.nat(1e6),
  })
  .map(({ from, to, scales, bySize, seed, ...attributes }) => {
    const axes = from.map((_, axis) => axis + 2);
    // Long enough for the smallest scale to leave something.
    const x = moving([1, 2, ...from.map((each) => each + 1)]);
    const given = bySize
      ? fixedVector(...to.slice(0, from.length))
      : { shape: [from.length], draw: exactly(...scales.slice(0, from.length)), constant: true };
    const numbers = bySize ? to : scales;
    return row(Resize, named(from, numbers.slice(0, from.length), attributes, seed), [x, given], {
      attributes: { ...attributes, axes },
      operands: ([input, by]) => (bySize ? [input, undefined, undefined, by] : [input, undefined, by]),
    });
  });
