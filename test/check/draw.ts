/** Ways to draw the elements of a tensor for a check, each a pure function of the stream of random numbers it is given. */
import type { DType } from "../../src/tensor/dtype.ts";
import type { Random } from "../../src/tensor/random.ts";
import { type Shape, sizeOf } from "../../src/tensor/shape.ts";
import { type Tensor, tensor } from "../../src/tensor/tensor.ts";

/** The elements of a tensor of `size` elements. */
export type Draw = (random: Random, size: number) => readonly number[];

const each =
  (draw: (random: Random) => number): Draw =>
  (random, size) =>
    Array.from({ length: size }, () => draw(random));

export const normal: Draw = each((random) => random.normal());
export const uniform = (low: number, high: number): Draw => each((random) => random.uniform(low, high));
export const integer = (low: number, high: number): Draw => each((random) => random.integer(low, high));
export const boolean: Draw = integer(0, 1);

/** Normal, with every element at least `gap` from zero on its own side: for functions with a kink at zero. */
export const awayFromZero = (gap = 0.1): Draw =>
  each((random) => {
    const value = random.normal();
    return value < 0 ? value - gap : value + gap;
  });

/** All different, neighbours in size 0.1 apart, in random order: for functions with a kink where two are equal. */
export const distinct: Draw = (random, size) =>
  Array.from(random.permutation(size), (rank) => 0.1 * (rank - (size - 1) / 2));

/** Multiples of `step` with `offset` added, within `most` steps of zero: for functions whose kinks are all on such a grid. */
export const offGrid = (step: number, offset: number, most = 8): Draw =>
  each((random) => random.integer(-most, most) * step + offset);

/** Exactly these elements. */
export const exactly =
  (...values: readonly number[]): Draw =>
  () =>
    values;

export const drawTensor = (draw: Draw, random: Random, shape: Shape, dtype: DType): Tensor =>
  tensor(draw(random, sizeOf(shape)), shape, dtype);
