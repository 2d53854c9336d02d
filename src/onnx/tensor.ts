/** Tensors in ONNX's format, from untrusted bytes. */
import { StriateError } from "../errors.ts";
import { onnxDTypes } from "../ops/core/elementwise.ts";
import { allocate, type DType, dtypes, isBigInt, isFloat } from "../tensor/dtype.ts";
import { fromBfloat16, fromFloat16, fromHalfBytes } from "../tensor/half.ts";
import { sizeOf } from "../tensor/shape.ts";
import { Tensor } from "../tensor/tensor.ts";
import type { TensorProto } from "./generated/onnx_pb.ts";

/** Half precision, by ONNX's numbers for the types: read as float32, which holds all of it. */
const halfTypes: Readonly<Record<number, ((bits: number) => number) | undefined>> = {
  10: fromFloat16,
  16: fromBfloat16,
};

/** Whether a tensor's data is in another file. */
export const isExternal = (proto: TensorProto): boolean => proto.dataLocation !== 0 || proto.externalData.length > 0;

/** What the message of a tensor says of it, its data aside: `bytes` are those of an element in the file. */
export function tensorForm(proto: TensorProto, place: string) {
  const half = halfTypes[proto.dataType];
  const dtype = half
    ? "float32"
    : (Object.entries(onnxDTypes).find(([, code]) => code === proto.dataType)?.[0] as DType | undefined);
  if (!dtype)
    throw new StriateError({
      subject: place,
      found: `element type ${proto.dataType}`,
      expected: `one of ${Object.keys(onnxDTypes).join(", ")}`,
    });
  if (proto.dims.some((dimension) => dimension < 0n || dimension > BigInt(2 ** 31)))
    throw new StriateError({ subject: place, found: `shape [${proto.dims}]`, expected: "dimensions from 0 to 2^31" });
  const shape = proto.dims.map(Number);
  return { dtype, half, shape, size: sizeOf(shape), bytes: half ? 2 : dtypes[dtype].bytes };
}

/** @throws StriateError when the type is unknown, the data is elsewhere, or there is more or less of it than the shape says */
export function decodeTensor(proto: TensorProto, subject: string): Tensor {
  const place = `${subject}, tensor "${proto.name}"`;
  if (isExternal(proto))
    throw new StriateError({
      subject: place,
      found: "data in another file",
      expected: "data in this file",
      mend: "Allow the folder that it is in (externalData), or export the model with its weights inside",
    });
  const { dtype, half, shape, size, bytes } = tensorForm(proto, place);
  const wrongSize = (found: number, unit: string, expected: number) =>
    new StriateError({
      subject: place,
      found: `${found} ${unit} of data`,
      expected: `${expected} for shape [${shape}]`,
    });
  const { floatData, int32Data, int64Data, doubleData, uint64Data, rawData } = proto;
  const used = [floatData, int32Data, int64Data, doubleData, uint64Data, rawData].filter(({ length }) => length > 0);
  if (used.length > 1) throw new StriateError({ subject: place, found: "data in two fields", expected: "data in one" });
  if (rawData.length > 0 || size === 0) {
    if (rawData.length !== size * bytes) throw wrongSize(rawData.length, "bytes", size * bytes);
    if (half) return new Tensor("float32", shape, fromHalfBytes(rawData, half));
    const data = new dtypes[dtype].array(new Uint8Array(rawData).buffer);
    if (dtype === "bool" && rawData.some((byte) => byte > 1)) throw beyond(2, dtype, place);
    return new Tensor(dtype, shape, data);
  }
  const listed = half ? int32Data : listedData(proto, dtype);
  if (listed.length !== size) throw wrongSize(listed.length, "elements", size);
  const data = allocate(dtype, size);
  for (let index = 0; index < size; index++) {
    const value = listed[index]!;
    if (half && ((value as number) < 0 || (value as number) > 0xffff)) throw beyond(value, "16 bits", place);
    data[index] = half ? half(value as number) : isBigInt(dtype) ? BigInt(value) : Number(value);
    const isExact = isFloat(dtype) || BigInt(data[index]!) === BigInt(value);
    if (!isExact || (dtype === "bool" && data[index]! > 1)) throw beyond(value, dtype, place);
  }
  return new Tensor(dtype, shape, data);
}

const beyond = (value: number | bigint, range: string, place: string): StriateError =>
  new StriateError({ subject: place, found: `an element ${value}`, expected: `one that ${range} holds` });

/** The field in which a tensor of this type lists its elements when they are not raw bytes. */
function listedData(proto: TensorProto, dtype: DType): readonly (number | bigint)[] {
  switch (dtype) {
    case "float32":
      return proto.floatData;
    case "float64":
      return proto.doubleData;
    case "int64":
      return proto.int64Data;
    case "uint32":
    case "uint64":
      return proto.uint64Data;
    default:
      return proto.int32Data;
  }
}
