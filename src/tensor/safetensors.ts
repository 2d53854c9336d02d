/** The safetensors format: https://huggingface.co/docs/safetensors */
import { StriateError } from "../errors.ts";
import { type DType, dtypes } from "./dtype.ts";
import { fromBfloat16, fromFloat16, fromHalfBytes } from "./half.ts";
import { type HeaderObject, type HeaderValue, parseHeader } from "./header.ts";
import { formatShape, sizeOf } from "./shape.ts";
import { Tensor } from "./tensor.ts";

const names: Readonly<Record<DType, string>> = {
  float32: "F32",
  float64: "F64",
  int8: "I8",
  int16: "I16",
  int32: "I32",
  int64: "I64",
  uint8: "U8",
  uint16: "U16",
  uint32: "U32",
  uint64: "U64",
  bool: "BOOL",
};

/** Half precision, which is read as float32. */
const halves: Readonly<Record<string, (bits: number) => number>> = { F16: fromFloat16, BF16: fromBfloat16 };

const metadataName = "__metadata__";

/**
 * Tensors by name as one file: the header's length (8 bytes), the header as JSON, then the data in the given order.
 * @throws StriateError for names that files cannot have
 */
export function encodeSafetensors(tensors: ReadonlyMap<string, Tensor>): Uint8Array {
  const header: [string, { dtype: string; shape: readonly number[]; data_offsets: [number, number] }][] = [];
  let end = 0;
  const widest = Math.max(...Object.values(dtypes).map(({ bytes }) => bytes));
  for (const [name, { dtype, shape, byteLength }] of tensors) {
    if (name === metadataName || name === "__proto__")
      throw new StriateError({ subject: "safetensors", found: `a tensor named ${name}`, expected: "another name" });
    header.push([name, { dtype: names[dtype], shape, data_offsets: [end, end + byteLength] }]);
    end += byteLength;
  }
  const text = new TextEncoder().encode(JSON.stringify(Object.fromEntries(header)));
  const headerLength = Math.ceil(text.length / widest) * widest;
  const bytes = new Uint8Array(8 + headerLength + end).fill(0x20, 8, 8 + headerLength);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(headerLength), true);
  bytes.set(text, 8);
  let offset = 8 + headerLength;
  for (const { data } of tensors.values()) {
    bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), offset);
    offset += data.byteLength;
  }
  return bytes;
}

/** The longest header that is read: the limit of the format's own implementation. */
const longestHeader = 100_000_000;

/**
 * The tensors of a safetensors file, by name. The bytes are not trusted: every name comes once, numbers are whole and in
 * digits, the data is laid out without holes or overlaps, and every tensor's length is what its type and shape say.
 * Half precision (F16, BF16) is read as float32.
 * @param subject what to call the file in errors
 * @throws StriateError naming the tensor and field at fault
 *
 * @example
 * import { decodeSafetensors, encodeSafetensors, tensor } from "striate";
 *
 * const bytes = encodeSafetensors(new Map([["conv1.bias", tensor([0.5, 1])]]));
 * console.assert(decodeSafetensors(bytes).get("conv1.bias")!.size === 2);
 */
export function decodeSafetensors(bytes: Uint8Array, subject = "safetensors"): Map<string, Tensor> {
  const { header, start } = readHeader(bytes, subject);
  checkMetadata(header, subject);
  const entries = [...header]
    .filter(([name]) => name !== metadataName)
    .map(([name, value]) => checkEntry(name, value, subject))
    .sort((left, right) => left.from - right.from || left.to - right.to);
  let end = 0;
  const tensors = new Map<string, Tensor>();
  for (const { name, place, dtype, shape, from, to } of entries) {
    const length = sizeOf(shape) * (halves[dtype] ? 2 : dtypes[dtypeOf(dtype)!].bytes);
    if (!Number.isSafeInteger(length))
      throw new StriateError({ subject: `${place}, shape`, found: `[${shape}]`, expected: "fewer than 2^53 bytes" });
    if (from !== end || to - from !== length || start + to > bytes.length)
      throw new StriateError({
        subject: `${place}, data_offsets`,
        found: `[${from}, ${to}]`,
        expected: `[${end}, ${end + length}] for ${dtype} ${formatShape(shape)}, within ${bytes.length - start} bytes of data`,
      });
    end = to;
    tensors.set(name, tensorOf(dtype, shape, bytes.subarray(start + from, start + to), place));
  }
  if (start + end !== bytes.length)
    throw new StriateError({ subject, found: `${bytes.length - start} bytes of data`, expected: `${end}` });
  return tensors;
}

const dtypeOf = (name: string): DType | undefined =>
  (Object.keys(names) as DType[]).find((each) => names[each] === name);

function tensorOf(type: string, shape: readonly number[], bytes: Uint8Array, place: string): Tensor {
  const half = halves[type];
  if (half) return new Tensor("float32", shape, fromHalfBytes(bytes, half));
  const dtype = dtypeOf(type)!;
  if (dtype === "bool" && bytes.some((byte) => byte > 1))
    throw new StriateError({ subject: place, found: "a truth value that is neither 0 nor 1", expected: "0 or 1" });
  return new Tensor(dtype, shape, new dtypes[dtype].array(new Uint8Array(bytes).buffer));
}

function readHeader(bytes: Uint8Array, subject: string): { header: HeaderObject; start: number } {
  const expected = "a safetensors file";
  const mend = "Fetch it again, or give another";
  if (bytes.length < 8) throw new StriateError({ subject, found: `${bytes.length} bytes`, expected, mend });
  const length = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true);
  if (length > BigInt(Math.min(bytes.length - 8, longestHeader)))
    throw new StriateError({ subject, found: `a header of ${length} bytes in ${bytes.length}`, expected, mend });
  const start = 8 + Number(length);
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes.subarray(8, start));
  } catch (cause) {
    throw new StriateError({ subject, found: "a header that is not UTF-8", expected, cause });
  }
  return { header: parseHeader(text, subject), start };
}

const fields = ["dtype", "shape", "data_offsets"];

const isNumbers = (value: HeaderValue | undefined): value is readonly number[] =>
  Array.isArray(value) && value.every((each) => typeof each === "number");

function checkEntry(name: string, value: HeaderValue, subject: string) {
  const place = `${subject}, tensor ${JSON.stringify(name)}`;
  const refuse = (field: string, found: string, expected: string) =>
    new StriateError({ subject: field === "" ? place : `${place}, ${field}`, found, expected });
  if (!(value instanceof Map)) throw refuse("", "no object", `an object of ${fields.join(", ")}`);
  const entry: HeaderObject = value;
  for (const field of entry.keys())
    if (!fields.includes(field)) throw refuse(JSON.stringify(field), "an unknown field", fields.join(", "));
  const [dtype, shape, offsets] = fields.map((field) => entry.get(field));
  if (typeof dtype !== "string" || (!dtypeOf(dtype) && !Object.hasOwn(halves, dtype)))
    throw refuse(
      "dtype",
      JSON.stringify(dtype) ?? "nothing",
      [...Object.values(names), ...Object.keys(halves)].join(", "),
    );
  if (!isNumbers(shape)) throw refuse("shape", shape === undefined ? "nothing" : "no numbers", "a list of numbers");
  if (!isNumbers(offsets) || offsets.length !== 2)
    throw refuse("data_offsets", offsets === undefined ? "nothing" : "no pair of numbers", "[start, end]");
  return { name, place, dtype, shape, from: offsets[0]!, to: offsets[1]! };
}

function checkMetadata(header: HeaderObject, subject: string): ReadonlyMap<string, string> {
  const metadata = header.get(metadataName) ?? new Map<string, string>();
  const isTexts = metadata instanceof Map && [...metadata.values()].every((each) => typeof each === "string");
  if (!isTexts)
    throw new StriateError({ subject: `${subject}, ${metadataName}`, found: "no texts", expected: "texts by name" });
  return metadata;
}

/**
 * The texts that a safetensors file keeps beside its tensors.
 * @throws StriateError when they are not texts by name
 */
export function safetensorsMetadata(bytes: Uint8Array, subject: string): Readonly<Record<string, string>> {
  return Object.fromEntries(checkMetadata(readHeader(bytes, subject).header, subject));
}
