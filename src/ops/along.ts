/** Products with a constant matrix along one axis: what every linear resampling of maps is made of. */
import { constant, type Value } from "../graph/value.ts";
import { Tensor } from "../tensor/tensor.ts";
import { transpose } from "./core/shape.ts";
import { matmul } from "./matmul.ts";

/** A matrix [rows, columns], row after row, in float64. */
export interface AxisMatrix {
  readonly rows: number;
  readonly columns: number;
  readonly data: Float64Array;
}

/** The most numbers that one matrix may have: 128 MB of them, in float64. */
const largestMatrix = 2 ** 24;

/** Whether a matrix is of a size to be worked with. */
export const isMatrixOfSize = (rows: number, columns: number): boolean => rows * columns <= largestMatrix;

export function transposed({ rows, columns, data }: AxisMatrix): AxisMatrix {
  const turned = new Float64Array(data.length);
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++) turned[column * rows + row] = data[row * columns + column]!;
  return { rows: columns, columns: rows, data: turned };
}

/** y[..., r, ...] = sum over c of matrix[r, c] x[..., c, ...], along one axis. */
export function alongAxis(x: Value, axis: number, matrix: AxisMatrix): Value {
  const { rows, columns, data } = transposed(matrix);
  const numbers = x.dtype === "float64" ? data : new Float32Array(data);
  const weights = constant(new Tensor(x.dtype, [rows, columns], numbers as Float32Array<ArrayBuffer>));
  const last = x.shape.length - 1;
  if (axis === last) return matmul(x, weights);
  const swap = x.shape.map((_, each) => (each === axis ? last : each === last ? axis : each));
  return transpose(matmul(transpose(x, swap), weights), swap);
}

/** The same for numbers: those of a tensor of a shape, and the shape with the axis changed. */
export function numbersAlong(
  numbers: ArrayLike<number>,
  shape: readonly number[],
  axis: number,
  { rows, columns, data }: AxisMatrix,
): { numbers: Float64Array; shape: readonly number[] } {
  const inner = shape.slice(axis + 1).reduce((size, length) => size * length, 1);
  const outer = shape.slice(0, axis).reduce((size, length) => size * length, 1);
  const result = new Float64Array(outer * rows * inner);
  for (let block = 0; block < outer; block++)
    for (let row = 0; row < rows; row++)
      for (let column = 0; column < columns; column++) {
        const weight = data[row * columns + column]!;
        if (weight === 0) continue;
        const [to, from] = [(block * rows + row) * inner, (block * columns + column) * inner];
        for (let place = 0; place < inner; place++) result[to + place]! += weight * numbers[from + place]!;
      }
  return { numbers: result, shape: shape.with(axis, rows) };
}
