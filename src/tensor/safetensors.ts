/** The safetensors format: https://huggingface.co/docs/safetensors */
import * as valibot from "valibot";
import { StriateError } from "../errors.ts";
import { type DType, dtypes } from "./dtype.ts";
import { sizeOf } from "./shape.ts";
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

/** Tensors by name as one file: the header's length (8 bytes), the header as JSON, then the data in the given order. */
export function encodeSafetensors(tensors: ReadonlyMap<string, Tensor>): Uint8Array {
  const header: [string, { dtype: string; shape: readonly number[]; data_offsets: [number, number] }][] = [];
  let end = 0;
  const widest = Math.max(...Object.values(dtypes).map(({ bytes }) => bytes));
  for (const [name, { dtype, shape, byteLength }] of tensors) {
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

const natural = valibot.pipe(valibot.number(), valibot.safeInteger(), valibot.minValue(0));
const entrySchema = valibot.strictObject({
  dtype: valibot.picklist(Object.values(names)),
  shape: valibot.array(natural),
  data_offsets: valibot.strictTuple([natural, natural]),
});

/** The longest header that is read: the limit of the format's own implementation. */
const longestHeader = 100_000_000;

/**
 * The tensors of a safetensors file, by name. The bytes are not trusted: the data must be laid out without holes or
 * overlaps, and every tensor's length must be what its type and shape say.
 * @param subject what to call the file in errors
 * @throws StriateError naming the tensor and field at fault
 */
export function decodeSafetensors(bytes: Uint8Array, subject: string): Map<string, Tensor> {
  const { header, start } = readHeader(bytes, subject);
  const entries = Object.entries(header)
    .filter(([name]) => name !== "__metadata__")
    .map(([name, value]) => ({ name, ...checkEntry(name, value, subject) }))
    .sort(
      (left, right) => left.data_offsets[0] - right.data_offsets[0] || left.data_offsets[1] - right.data_offsets[1],
    );
  let end = 0;
  const tensors = new Map<string, Tensor>();
  for (const { name, dtype, shape, data_offsets } of entries) {
    const place = `${subject}, tensor "${name}"`;
    const [from, to] = data_offsets;
    const length = sizeOf(shape) * dtypes[dtype].bytes;
    if (from !== end || to - from !== length || start + to > bytes.length)
      throw new StriateError({
        subject: place,
        found: `data_offsets [${from}, ${to}]`,
        expected: `[${end}, ${end + length}] for ${dtype} [${shape}], within ${bytes.length - start} bytes of data`,
      });
    end = to;
    const data = new dtypes[dtype].array(new Uint8Array(bytes.subarray(start + from, start + to)).buffer);
    tensors.set(name, new Tensor(dtype, shape, data));
  }
  if (start + end !== bytes.length)
    throw new StriateError({ subject, found: `${bytes.length - start} bytes of data`, expected: `${end}` });
  return tensors;
}

function readHeader(bytes: Uint8Array, subject: string): { header: Record<string, unknown>; start: number } {
  const expected = "a safetensors file";
  if (bytes.length < 8) throw new StriateError({ subject, found: `${bytes.length} bytes`, expected });
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  if (length > Math.min(bytes.length - 8, longestHeader))
    throw new StriateError({ subject, found: `a header of ${length} bytes in ${bytes.length}`, expected });
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes.subarray(8, 8 + length));
    const header: unknown = JSON.parse(text);
    if (typeof header === "object" && header !== null && !Array.isArray(header))
      return { header: header as Record<string, unknown>, start: 8 + length };
  } catch (cause) {
    throw new StriateError({ subject, found: "a header that is not JSON", expected, cause });
  }
  throw new StriateError({ subject, found: "a header that is not an object", expected });
}

function checkEntry(name: string, value: unknown, subject: string) {
  const result = valibot.safeParse(entrySchema, value);
  if (!result.success)
    throw new StriateError({ subject: `${subject}, tensor "${name}"`, found: result.issues[0].message });
  const dtype = (Object.keys(names) as DType[]).find((each) => names[each] === result.output.dtype)!;
  return { ...result.output, dtype };
}

/**
 * The texts that a safetensors file keeps beside its tensors.
 * @throws StriateError when they are not texts by name
 */
export function safetensorsMetadata(bytes: Uint8Array, subject: string): Readonly<Record<string, string>> {
  const metadata = readHeader(bytes, subject).header.__metadata__ ?? {};
  const result = valibot.safeParse(valibot.record(valibot.string(), valibot.string()), metadata);
  if (!result.success)
    throw new StriateError({ subject, found: "metadata that are not texts", expected: "texts by name" });
  return result.output;
}
