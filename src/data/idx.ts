/**
 * The IDX format of the MNIST files: two zero bytes, the element type, the number of dimensions, each dimension as a
 * big-endian 32-bit number, then the elements in row-major order, big-endian.
 * Source: http://yann.lecun.com/exdb/mnist/, "The IDX file format".
 */
import { StriateError } from "../errors.ts";
import { formatBytes, gunzip, isGzip } from "../platform/files.ts";
import { allocate, type DType, dtypes } from "../tensor/dtype.ts";
import { formatShape, sizeOf } from "../tensor/shape.ts";
import { Tensor } from "../tensor/tensor.ts";

/** How an element type is called in the header, and read from it. */
interface ElementType {
  readonly dtype: DType;
  readonly read: (view: DataView, offset: number) => number;
}

const elementTypes: ReadonlyMap<number, ElementType> = new Map<number, ElementType>([
  [0x08, { dtype: "uint8", read: (view, offset) => view.getUint8(offset) }],
  [0x09, { dtype: "int8", read: (view, offset) => view.getInt8(offset) }],
  [0x0b, { dtype: "int16", read: (view, offset) => view.getInt16(offset) }],
  [0x0c, { dtype: "int32", read: (view, offset) => view.getInt32(offset) }],
  [0x0d, { dtype: "float32", read: (view, offset) => view.getFloat32(offset) }],
  [0x0e, { dtype: "float64", read: (view, offset) => view.getFloat64(offset) }],
]);

const maximumRank = 8;

/** A gzipped file may unpack to no more than this: 1 GiB. */
const maximumUnpackedBytes = 2 ** 30;

interface Header {
  readonly elements: ElementType;
  readonly shape: readonly number[];
  /** Where the elements begin. */
  readonly start: number;
}

const hexadecimal = (byte: number): string => `0x${byte.toString(16).padStart(2, "0")}`;

function readHeader(bytes: Uint8Array, subject: string): Header {
  if (bytes.length < 4) throw new StriateError({ subject, found: formatBytes(bytes.length), expected: "an IDX file" });
  if (bytes[0] !== 0 || bytes[1] !== 0)
    throw new StriateError({
      subject,
      found: `first bytes ${hexadecimal(bytes[0]!)} ${hexadecimal(bytes[1]!)}`,
      expected: "two zero bytes, as in every IDX file",
      mend: "Check that this is the file you mean, and fetch it again if so",
    });
  const elements = elementTypes.get(bytes[2]!);
  if (elements === undefined)
    throw new StriateError({
      subject,
      found: `IDX element type ${hexadecimal(bytes[2]!)}`,
      expected: `one of ${Array.from(elementTypes.keys(), hexadecimal).join(", ")}`,
    });
  const rank = bytes[3]!;
  if (rank < 1 || rank > maximumRank)
    throw new StriateError({ subject, found: `${rank} IDX dimensions`, expected: `1 to ${maximumRank}` });
  const start = 4 + 4 * rank;
  if (bytes.length < start)
    throw new StriateError({
      subject,
      found: `${formatBytes(bytes.length)}, the header cut off`,
      expected: `${start} bytes of header for ${rank} dimensions`,
      mend: "Fetch it again",
    });
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return { elements, shape: Array.from({ length: rank }, (_, axis) => view.getUint32(4 + 4 * axis)), start };
}

/**
 * The tensor in an IDX file's bytes, gzipped or not. The header is held against the bytes that are there before
 * anything is allocated; bytes are not copied.
 *
 * @param subject the file's name, for messages
 * @throws StriateError naming the file when it is not IDX, cut off, longer than it says, or damaged gzip.
 */
export async function parseIdx(bytes: Uint8Array, subject: string): Promise<Tensor> {
  return decodeIdx(
    isGzip(bytes) ? await gunzip(bytes, { maximumBytes: maximumUnpackedBytes, subject }) : bytes,
    subject,
  );
}

/** As `parseIdx`, of bytes that are not gzipped. */
export function decodeIdx(bytes: Uint8Array, subject: string): Tensor {
  const { elements, shape, start } = readHeader(bytes, subject);
  const { dtype } = elements;
  const width = dtypes[dtype].bytes;
  // Beyond 2^53 the product is rounded, but no file is that long, so the comparison holds.
  const declared = shape.includes(0) ? 0 : sizeOf(shape) * width;
  const present = bytes.length - start;
  if (declared !== present)
    throw new StriateError({
      subject,
      found: `${present} bytes of elements`,
      expected: `${Number.isSafeInteger(declared) ? declared : declared.toPrecision(3)} for the ${formatShape(shape)} ${dtype} that its header declares`,
      mend: declared > present ? "It is cut off, or its header is damaged: fetch it again" : "Fetch it again",
    });
  const body = bytes.subarray(start);
  if (dtype === "uint8") return new Tensor(dtype, shape, body as Uint8Array<ArrayBuffer>);
  const data = allocate(dtype, present / width) as Float64Array<ArrayBuffer>;
  const view = new DataView(body.buffer, body.byteOffset, body.length);
  for (let index = 0; index < data.length; index++) data[index] = elements.read(view, index * width);
  return new Tensor(dtype, shape, data);
}
