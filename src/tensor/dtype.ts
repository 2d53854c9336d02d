/** The element types of tensors. Booleans are stored as bytes, 0 or 1. */
export const dtypes = {
  float32: { bytes: 4, array: Float32Array, float: true },
  float64: { bytes: 8, array: Float64Array, float: true },
  int8: { bytes: 1, array: Int8Array, float: false },
  int16: { bytes: 2, array: Int16Array, float: false },
  int32: { bytes: 4, array: Int32Array, float: false },
  int64: { bytes: 8, array: BigInt64Array, float: false },
  uint8: { bytes: 1, array: Uint8Array, float: false },
  uint16: { bytes: 2, array: Uint16Array, float: false },
  uint32: { bytes: 4, array: Uint32Array, float: false },
  uint64: { bytes: 8, array: BigUint64Array, float: false },
  bool: { bytes: 1, array: Uint8Array, float: false },
} as const;

export type DType = keyof typeof dtypes;
export type TypedArray = InstanceType<(typeof dtypes)[DType]["array"]>;
export type NumberArray = Exclude<TypedArray, BigInt64Array | BigUint64Array>;

export const isFloat = (dtype: DType): boolean => dtypes[dtype].float;
export const isBigInt = (dtype: DType): dtype is "int64" | "uint64" => dtype === "int64" || dtype === "uint64";

/** A zero-filled array of the type that stores `dtype`. */
export function allocate(dtype: DType, length: number): TypedArray {
  return new dtypes[dtype].array(length);
}
