import { StriateError } from "../errors.ts";

export type Shape = readonly number[];

/** The number of elements of a shape: the product of its dimensions, 1 for a scalar. */
export const sizeOf = (shape: Shape): number => shape.reduce((size, dimension) => size * dimension, 1);

/** Row-major strides, in elements: how far apart neighbours along each axis lie. */
export function stridesOf(shape: Shape): number[] {
  const strides = new Array<number>(shape.length);
  let stride = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    strides[axis] = stride;
    stride *= shape[axis]!;
  }
  return strides;
}

/** A shape as people write it: `64x1x28x28`, or `scalar`. */
export const formatShape = (shape: readonly (number | string)[]): string =>
  shape.length === 0 ? "scalar" : shape.join("x");

export const sameShape = (left: readonly (number | string)[], right: readonly (number | string)[]): boolean =>
  left.length === right.length && left.every((dimension, axis) => dimension === right[axis]);

/** An axis that may count from the end (-1 is the last), made to count from the start. */
export function normaliseAxis(axis: number, rank: number, subject: string): number {
  if (!Number.isInteger(axis) || axis < -rank || axis >= rank)
    throw new StriateError({ subject, found: `axis ${axis}`, expected: `an axis between ${-rank} and ${rank - 1}` });
  return axis < 0 ? axis + rank : axis;
}

/**
 * For every element of `shape` in row-major order, the offset of the element that `strides` leads to. Broadcasting is a
 * stride of 0, transposing a permutation of the strides.
 */
export function offsets(shape: Shape, strides: readonly number[], start = 0): Int32Array {
  const result = new Int32Array(sizeOf(shape));
  const last = shape.length - 1;
  const [length, stride] = [shape[last] ?? 1, strides[last] ?? 0];
  const index = new Array<number>(shape.length).fill(0);
  let offset = start;
  for (let row = 0; row < result.length; row += length) {
    for (let place = 0; place < length; place++) result[row + place] = offset + place * stride;
    for (let axis = last - 1; axis >= 0; axis--) {
      offset += strides[axis]!;
      if (++index[axis]! < shape[axis]!) break;
      offset -= strides[axis]! * shape[axis]!;
      index[axis] = 0;
    }
  }
  return result;
}

/** The strides with which a tensor of shape `from` is read as one of shape `to`, repeating along axes of length 1. */
export function broadcastStrides(from: Shape, to: Shape): number[] {
  const strides = stridesOf(from);
  const lead = to.length - from.length;
  return to.map((_, axis) => (axis < lead || from[axis - lead] === 1 ? 0 : strides[axis - lead]!));
}
