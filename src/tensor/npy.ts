/** NumPy's .npy format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html */
import { StriateError } from "../errors.ts";
import { type DType, dtypes } from "./dtype.ts";
import { fromFloat16, fromHalfBytes } from "./half.ts";
import { offsets, type Shape, sizeOf } from "./shape.ts";
import { Tensor } from "./tensor.ts";

const magic = [0x93, ...new TextEncoder().encode("NUMPY")];
/** NumPy's names for element types: kind and bytes. */
const names: Readonly<Record<DType, string>> = {
  float32: "f4",
  float64: "f8",
  int8: "i1",
  int16: "i2",
  int32: "i4",
  int64: "i8",
  uint8: "u1",
  uint16: "u2",
  uint32: "u4",
  uint64: "u8",
  bool: "b1",
};
const half = "f2";
const fields = ["descr", "fortran_order", "shape"];
/** The longest header that is read: that of a hundred axes is shorter. */
const longestHeader = 1 << 16;
/** Headers end at a multiple of this; NumPy since 1.14 writes multiples of 64. */
const alignment = 16;

/**
 * A tensor as the bytes of a .npy file, version 1.0.
 *
 * @example
 * import { decodeNpy, encodeNpy, tensor } from "striate";
 *
 * const bytes = encodeNpy(tensor([1, 2, 3, 4, 5, 6], [2, 3]));
 * console.assert(decodeNpy(bytes).shape.join() === "2,3");
 */
export function encodeNpy({ dtype, shape, data }: Tensor): Uint8Array {
  const order = dtypes[dtype].bytes === 1 ? "|" : "<";
  const tuple = shape.length === 1 ? `${shape[0]},` : shape.join(", ");
  const text = `{'descr': '${order}${names[dtype]}', 'fortran_order': False, 'shape': (${tuple}), }`;
  const start = Math.ceil((10 + text.length + 1) / 64) * 64;
  const bytes = new Uint8Array(start + data.byteLength).fill(0x20, 10, start);
  bytes.set([...magic, 1, 0]);
  new DataView(bytes.buffer).setUint16(8, start - 10, true);
  bytes.set(new TextEncoder().encode(text), 10);
  bytes[start - 1] = 0x0a;
  bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), start);
  return bytes;
}

/**
 * The tensor of a .npy file: versions 1.0, 2.0 and 3.0, either byte order, rows or columns first; float16 is read as
 * float32. The bytes are not trusted: the header says exactly what it has to, and the data is as long as it says.
 * @param subject what to call the file in errors
 * @throws StriateError naming the field at fault, and for elements that are not numbers: objects, texts, records
 */
export function decodeNpy(bytes: Uint8Array, subject = "npy"): Tensor {
  const { header, start } = readHeader(bytes, subject);
  const { type, littleEndian, isColumnsFirst, shape } = parseHeader(header, subject);
  const elementBytes = Number(type.slice(1));
  const expected = sizeOf(shape) * elementBytes;
  const there = bytes.length - start;
  if (!Number.isSafeInteger(expected) || there !== expected)
    throw new StriateError({
      subject: `${subject}, shape`,
      found: `(${shape}) of ${type} and ${there} bytes of data`,
      expected: Number.isSafeInteger(expected) ? `${expected} bytes` : "fewer than 2^53 bytes",
    });
  const flat = elementsOf(bytes.subarray(start), type, littleEndian, subject);
  const isMatrix = shape.length > 1 && flat.size > 1;
  return isColumnsFirst && isMatrix ? fromColumns(flat, shape) : flat.reshape(shape);
}

function elementsOf(bytes: Uint8Array, type: string, littleEndian: boolean, subject: string): Tensor {
  if (type === half) {
    const data = fromHalfBytes(bytes, fromFloat16, littleEndian);
    return new Tensor("float32", [data.length], data);
  }
  const dtype = (Object.keys(names) as DType[]).find((each) => names[each] === type)!;
  const { bytes: elementBytes, array } = dtypes[dtype];
  const copy = new Uint8Array(bytes);
  if (!littleEndian)
    for (let at = 0; at < copy.length; at += elementBytes) copy.subarray(at, at + elementBytes).reverse();
  if (dtype === "bool" && copy.some((byte) => byte > 1))
    throw new StriateError({ subject, found: "a truth value that is neither 0 nor 1", expected: "0 or 1" });
  const data = new array(copy.buffer);
  return new Tensor(dtype, [data.length], data);
}

/** Elements that lie with the first axis innermost, in row-major order. */
function fromColumns({ dtype, data }: Tensor, shape: Shape): Tensor {
  const strides = shape.map((_, axis) => sizeOf(shape.slice(0, axis)));
  const at = offsets(shape, strides);
  const rows = new dtypes[dtype].array(data.length);
  for (let index = 0; index < rows.length; index++) rows[index] = data[at[index]!]!;
  return new Tensor(dtype, shape, rows);
}

/** The header's text, and where the data starts. */
function readHeader(bytes: Uint8Array, subject: string): { header: string; start: number } {
  const expected = "a .npy file";
  if (bytes.length < 12 || magic.some((byte, index) => bytes[index] !== byte))
    throw new StriateError({ subject, found: "bytes that do not begin as one of NumPy's files", expected });
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const [major, minor] = [bytes[6]!, bytes[7]!];
  if (major < 1 || major > 3 || minor !== 0)
    throw new StriateError({ subject: `${subject}, version`, found: `${major}.${minor}`, expected: "1.0, 2.0 or 3.0" });
  const [from, length] = major === 1 ? [10, view.getUint16(8, true)] : [12, view.getUint32(8, true)];
  const start = from + length;
  if (start > bytes.length || length > longestHeader || start % alignment !== 0)
    throw new StriateError({
      subject: `${subject}, header length`,
      found: `${length} in ${bytes.length} bytes`,
      expected: `at most ${Math.min(bytes.length - from, longestHeader)}, ${from} more a multiple of ${alignment}`,
    });
  const text = bytes.subarray(from, start);
  if (text.some((byte, index) => byte > 0x7e || (byte < 0x20 && !(byte === 0x0a && index === length - 1))))
    throw new StriateError({
      subject: `${subject}, header`,
      found: "other than printable ASCII",
      expected: "that alone",
    });
  return { header: new TextDecoder().decode(text), start };
}

const expectedValue: Readonly<Record<string, RegExp>> = {
  descr: /'[^'\\]*'/y,
  fortran_order: /True|False/y,
  shape: /\((?:\d+,|\d+(?:, \d+)+)?\)/y,
};

/** Python's dictionary of exactly three fields, each once, in any order; then spaces and a line's end. */
function parseHeader(header: string, subject: string) {
  let at = 0;
  const refuse = (field: string, expected: string): StriateError => {
    const found = header.slice(at).trim().slice(0, 24);
    return new StriateError({ subject: `${subject}, ${field}`, found: found === "" ? "nothing" : found, expected });
  };
  const take = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    const [text] = pattern.exec(header) ?? [];
    at += text?.length ?? 0;
    return text;
  };
  const values = new Map<string, string>();
  if (!take(/\{/y)) throw refuse("header", "a dictionary");
  while (!take(/\}/y)) {
    const name = /'(\w*)': /y;
    name.lastIndex = at;
    const [written, field = ""] = name.exec(header) ?? [];
    if (!written || !fields.includes(field)) throw refuse("header", `${fields.join(", ")}, and the end`);
    if (values.has(field)) throw refuse(field, "every field once");
    at += written.length;
    const value = take(expectedValue[field]!);
    if (value === undefined) throw refuse(field, examples[field]!);
    values.set(field, value);
    if (!take(/, ?/y) && header[at] !== "}") throw refuse("header", "a comma or the end");
  }
  if (!take(/ *\n$/y)) throw refuse("header", "spaces and a line's end after the dictionary");
  const missing = fields.find((field) => !values.has(field));
  if (missing)
    throw new StriateError({ subject: `${subject}, ${missing}`, found: "nothing", expected: examples[missing] });
  const [order, type] = typeOf(values.get("descr")!.slice(1, -1), subject);
  return {
    type,
    littleEndian: order !== ">",
    isColumnsFirst: values.get("fortran_order") === "True",
    shape: shapeOf(values.get("shape")!, subject),
  };
}

const examples: Readonly<Record<string, string>> = {
  descr: "a type of numbers in quotes, such as '<f4': objects, texts and records are not read",
  fortran_order: "True or False",
  shape: "whole numbers, such as (2, 3) or (5,)",
};

function typeOf(descr: string, subject: string): [order: string, type: string] {
  const [order, type] = [descr.slice(0, 1), descr.slice(1)];
  const isKnown = type === half || Object.values(names).includes(type);
  if (!isKnown || !(type.endsWith("1") ? "|" : "<>").includes(order) || order === "")
    throw new StriateError({
      subject: `${subject}, descr`,
      found: `'${descr}'`,
      expected: `< or > and one of ${[half, ...Object.values(names)].filter((each) => !each.endsWith("1")).join(", ")}; or |i1, |u1, |b1`,
      mend: "Save an array of numbers",
    });
  return [order, type];
}

function shapeOf(tuple: string, subject: string): number[] {
  const written = tuple
    .slice(1, -1)
    .split(/, ?/)
    .filter((each) => each !== "");
  for (const each of written)
    if (!/^(0|[1-9]\d*)$/.test(each) || !Number.isSafeInteger(Number(each)))
      throw new StriateError({
        subject: `${subject}, shape`,
        found: each,
        expected: "a whole number from 0 to 2^53 - 1, without zeros before it",
      });
  return written.map(Number);
}
