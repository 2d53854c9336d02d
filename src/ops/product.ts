/** The product of two matrices in float64: what matrix products and convolutions are computed by. */
import type { NumberArray } from "../tensor/dtype.ts";

/** A matrix among numbers: where it starts, and how far apart its rows and its columns are. */
export interface Matrix {
  readonly numbers: NumberArray;
  readonly at: number;
  readonly strides: readonly [number, number];
}

/** Rows one after the other, each with its elements side by side. */
function packed({ numbers, at, strides }: Matrix, rows: number, columns: number): Float64Array {
  const [down, across] = strides;
  if (numbers instanceof Float64Array && across === 1 && down === columns)
    return numbers.subarray(at, at + rows * columns);
  const data = new Float64Array(rows * columns);
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++)
      data[row * columns + column] = numbers[at + row * down + column * across]!;
  return data;
}

/**
 * The product of an m x k and a k x n matrix, row-major. Four rows by two columns are summed at a time, so that a number
 * that is read is multiplied more than once.
 */
export function product(left: Matrix, right: Matrix, sizes: readonly [number, number, number]): Float64Array {
  const [rows, inner, columns] = sizes;
  const a = packed(left, rows, inner);
  const b = packed({ ...right, strides: [right.strides[1], right.strides[0]] }, columns, inner);
  const sums = new Float64Array(rows * columns);
  for (let row = 0; row < rows; row += 4)
    for (let column = 0; column < columns; column += 2) {
      if (row + 4 <= rows && column + 2 <= columns)
        tile(a, row * inner, b, column * inner, inner, sums, row, column, columns);
      else
        for (let y = row; y < Math.min(row + 4, rows); y++)
          for (let x = column; x < Math.min(column + 2, columns); x++) {
            let sum = 0;
            for (let k = 0; k < inner; k++) sum += a[y * inner + k]! * b[x * inner + k]!;
            sums[y * columns + x] = sum;
          }
    }
  return sums;
}

function tile(
  a: Float64Array,
  from: number,
  b: Float64Array,
  at: number,
  inner: number,
  sums: Float64Array,
  row: number,
  column: number,
  columns: number,
): void {
  let [s00, s01, s10, s11] = [0, 0, 0, 0];
  let [s20, s21, s30, s31] = [0, 0, 0, 0];
  const end = from + inner;
  const [down, across] = [inner, at - from];
  for (let place = from; place < end; place++) {
    const b0 = b[place + across]!;
    const b1 = b[place + across + down]!;
    const a0 = a[place]!;
    const a1 = a[place + down]!;
    const a2 = a[place + 2 * down]!;
    const a3 = a[place + 3 * down]!;
    s00 += a0 * b0;
    s01 += a0 * b1;
    s10 += a1 * b0;
    s11 += a1 * b1;
    s20 += a2 * b0;
    s21 += a2 * b1;
    s30 += a3 * b0;
    s31 += a3 * b1;
  }
  const to = row * columns + column;
  sums[to] = s00;
  sums[to + 1] = s01;
  sums[to + columns] = s10;
  sums[to + columns + 1] = s11;
  sums[to + 2 * columns] = s20;
  sums[to + 2 * columns + 1] = s21;
  sums[to + 3 * columns] = s30;
  sums[to + 3 * columns + 1] = s31;
}
