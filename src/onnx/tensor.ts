/** Tensors in ONNX's format, from untrusted bytes. */
import { StriateError } from "../errors.ts";
import { onnxDTypes } from "../ops/core/elementwise.ts";
import { allocate, type DType, dtypes, isBigInt } from "../tensor/dtype.ts";
import { sizeOf } from "../tensor/shape.ts";
import { Tensor } from "../tensor/tensor.ts";
import type { TensorProto } from "./generated/onnx_pb.ts";

const externalLocation = 1;

/** @throws StriateError when the type is unknown, the data is elsewhere, or there is more or less of it than the shape says */
export function decodeTensor(proto: TensorProto, subject: string): Tensor {
  const place = `${subject}, tensor "${proto.name}"`;
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
  if (proto.dataLocation === externalLocation || proto.externalData.length > 0)
    throw new StriateError({
      subject: place,
      found: "data in another file",
      expected: "data in this file",
      mend: "Export the model with its weights inside",
    });
  if (proto.dims.some((dimension) => dimension < 0n || dimension > BigInt(2 ** 31)))
    throw new StriateError({ subject: place, found: `shape [${proto.dims}]`, expected: "dimensions from 0 to 2^31" });
  const shape = proto.dims.map(Number);
  const size = sizeOf(shape);
  const wrongSize = (found: number, unit: string, expected: number) =>
    new StriateError({
      subject: place,
      found: `${found} ${unit} of data`,
      expected: `${expected} for shape [${shape}]`,
    });
  if (half) {
    const words = proto.rawData.length > 0 ? halfWords(proto.rawData) : proto.int32Data;
    if (words.length !== size) throw wrongSize(words.length, "elements", size);
    return new Tensor("float32", shape, Float32Array.from(words, half));
  }
  if (proto.rawData.length > 0 || size === 0) {
    const expected = size * dtypes[dtype].bytes;
    if (proto.rawData.length !== expected) throw wrongSize(proto.rawData.length, "bytes", expected);
    return new Tensor(dtype, shape, new dtypes[dtype].array(new Uint8Array(proto.rawData).buffer));
  }
  const listed = listedData(proto, dtype);
  if (listed.length !== size) throw wrongSize(listed.length, "elements", size);
  const data = allocate(dtype, size);
  for (let index = 0; index < size; index++)
    data[index] = isBigInt(dtype) ? BigInt(listed[index]!) : Number(listed[index]!);
  return new Tensor(dtype, shape, data);
}

/** The number that 16 bits say, as 1 bit sign, 5 bits exponent and 10 bits fraction (IEEE 754 binary16). */
function fromFloat16(bits: number): number {
  const [sign, exponent, fraction] = [bits & 0x8000 ? -1 : 1, (bits >> 10) & 31, bits & 1023];
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25));
}

/** The number whose upper 16 bits as a float32 these are. */
const fromBfloat16 = (bits: number): number => new Float32Array(Uint32Array.of(bits << 16).buffer)[0]!;

/** Half precision, by ONNX's numbers for the types: read as float32, which holds all of it. */
const halfTypes: Readonly<Record<number, ((bits: number) => number) | undefined>> = {
  10: fromFloat16,
  16: fromBfloat16,
};

const halfWords = (bytes: Uint8Array): number[] =>
  Array.from({ length: bytes.length / 2 }, (_, index) => bytes[2 * index]! | (bytes[2 * index + 1]! << 8));

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
