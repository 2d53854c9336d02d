import { StriateError } from "../errors.ts";
import { allocate, type DType, dtypes, isBigInt, type NumberArray, type TypedArray } from "./dtype.ts";
import { formatShape, type Shape, sizeOf } from "./shape.ts";

/** A dense array on the host: element type, shape (row-major) and data. Treated as immutable once made. */
export class Tensor {
  readonly dtype: DType;
  readonly shape: Shape;
  readonly data: TypedArray;

  /** @throws StriateError when the data is not of the element type's array, or not as many as the shape says. */
  constructor(dtype: DType, shape: Shape, data: TypedArray) {
    if (!(data instanceof dtypes[dtype].array))
      throw new StriateError({
        subject: "Tensor",
        found: `data in a ${data.constructor.name}`,
        expected: `a ${dtypes[dtype].array.name} for ${dtype}`,
      });
    if (shape.some((dimension) => !Number.isSafeInteger(dimension) || dimension < 0))
      throw new StriateError({ subject: "Tensor", found: `shape [${shape}]`, expected: "whole numbers of at least 0" });
    if (data.length !== sizeOf(shape))
      throw new StriateError({
        subject: "Tensor",
        found: `${data.length} elements`,
        expected: `${sizeOf(shape)} for shape ${formatShape(shape)}`,
      });
    this.dtype = dtype;
    this.shape = [...shape];
    this.data = data;
  }

  get size(): number {
    return this.data.length;
  }

  get byteLength(): number {
    return this.data.byteLength;
  }

  /** The data of any element type but the 64-bit integers, which are bigints. */
  get numbers(): NumberArray {
    if (this.data instanceof BigInt64Array || this.data instanceof BigUint64Array)
      throw new StriateError({ subject: "Tensor.numbers", found: this.dtype, expected: "a type of at most 53 bits" });
    return this.data;
  }

  /** Every element as a number; 64-bit integers beyond 2^53 lose digits. */
  toArray(): number[] {
    return Array.from(this.data as Iterable<number | bigint>, Number);
  }

  /** The single element of a tensor of size 1, as a number. */
  item(): number {
    if (this.size !== 1)
      throw new StriateError({ subject: "Tensor.item", found: formatShape(this.shape), expected: "one element" });
    return Number(this.data[0]);
  }

  /** The same data under another shape of the same size. */
  reshape(shape: Shape): Tensor {
    return new Tensor(this.dtype, shape, this.data);
  }

  /** A copy in another element type; floats are truncated towards zero when made integers, -2^63 where they are infinite. */
  cast(dtype: DType): Tensor {
    if (dtype === this.dtype) return this;
    const data = allocate(dtype, this.size);
    for (let index = 0; index < data.length; index++) {
      const value = this.data[index]!;
      if (isBigInt(dtype)) data[index] = typeof value === "bigint" ? value : wholeOf(value);
      else if (dtype === "bool") data[index] = Number(value) === 0 ? 0 : 1;
      else data[index] = Number(value);
    }
    return new Tensor(dtype, this.shape, data);
  }

  /** Elements `from` to `to` (exclusive) along the first axis, sharing the data. */
  slice(from: number, to: number): Tensor {
    const row = this.size / Math.max(1, this.shape[0] ?? 1);
    return new Tensor(this.dtype, [to - from, ...this.shape.slice(1)], this.data.subarray(from * row, to * row));
  }
}

/** A float as a 64-bit integer; what is no number or infinite is -2^63, as processors have it. */
const wholeOf = (value: number): bigint => (Number.isFinite(value) ? BigInt(Math.trunc(value)) : -(2n ** 63n));

/**
 * A tensor from numbers, with the shape given or a vector's.
 *
 * @example
 * import { tensor } from "striate";
 *
 * const image = tensor([0, 1, 1, 0], [2, 2]);
 * console.assert(image.dtype === "float32" && image.size === 4);
 */
export function tensor(values: ArrayLike<number>, shape: Shape = [values.length], dtype: DType = "float32"): Tensor {
  const data = allocate(dtype, values.length);
  for (let index = 0; index < values.length; index++)
    data[index] = isBigInt(dtype) ? BigInt(values[index]!) : values[index]!;
  return new Tensor(dtype, shape, data);
}

/** A tensor of one element and no axes. */
export const scalar = (value: number, dtype: DType = "float32"): Tensor => tensor([value], [], dtype);

/** A tensor filled with one value. */
export function full(shape: Shape, value: number, dtype: DType = "float32"): Tensor {
  const data = allocate(dtype, sizeOf(shape));
  if (value !== 0) (data as { fill(value: number | bigint): void }).fill(isBigInt(dtype) ? BigInt(value) : value);
  return new Tensor(dtype, shape, data);
}

export const zeros = (shape: Shape, dtype: DType = "float32"): Tensor => full(shape, 0, dtype);

/** Tensors of one shape, one after the other along a new first axis. */
export function stack(tensors: readonly Tensor[]): Tensor {
  const first = tensors[0];
  if (first === undefined) throw new StriateError({ subject: "stack", found: "no tensors", expected: "at least one" });
  const data = allocate(first.dtype, first.size * tensors.length);
  tensors.forEach((each, index) => {
    if (each.dtype !== first.dtype || formatShape(each.shape) !== formatShape(first.shape))
      throw new StriateError({
        subject: "stack",
        found: `${each.dtype} ${formatShape(each.shape)} at ${index}`,
        expected: `${first.dtype} ${formatShape(first.shape)}, as the first`,
      });
    (data as Float32Array).set(each.data as Float32Array, index * first.size);
  });
  return new Tensor(first.dtype, [tensors.length, ...first.shape], data);
}
