import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { StriateError } from "../errors.ts";
import { type DType, dtypes } from "./dtype.ts";
import { decodeSafetensors, encodeSafetensors } from "./safetensors.ts";
import { type Tensor, tensor } from "./tensor.ts";

/** A file with this header, as text or as an object, and so many bytes of data. */
function file(header: unknown, dataBytes: number): Uint8Array {
  const text = new TextEncoder().encode(typeof header === "string" ? header : JSON.stringify(header));
  const bytes = new Uint8Array(8 + text.length + dataBytes);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(text.length), true);
  bytes.set(text, 8);
  return bytes;
}

const pair = (from: number, to: number) => ({ dtype: "F32", shape: [2], data_offsets: [from, to] });

describe("safetensors", () => {
  test.each(Object.keys(dtypes) as DType[])("keeps %s", (dtype) => {
    const given = new Map([["layer1.0.weight", tensor([1, 0, 1, 1, 0, 1], [2, 3], dtype)]]);
    expect(decodeSafetensors(encodeSafetensors(given), "f")).toEqual(given);
  });

  test("keeps scalars, tensors of no elements, odd lengths and odd names", () => {
    const given = new Map<string, Tensor>([
      ["flag", tensor([1], [1], "bool")],
      ["scale", tensor([0.5], [], "float64")],
      ["empty", tensor([], [0, 3])],
      ["__proto__", tensor([1, 2], [2], "int64")],
      ["Gewicht ü \"'", tensor([3], [1], "int8")],
    ]);
    const read = decodeSafetensors(encodeSafetensors(given), "f");
    expect([...read.keys()]).toEqual([...given.keys()]);
    expect(read).toEqual(given);
  });

  test("puts the data at a multiple of eight bytes", () => {
    const bytes = encodeSafetensors(new Map([["a", tensor([1])]]));
    expect(Number(new DataView(bytes.buffer).getBigUint64(0, true)) % 8).toBe(0);
  });

  const faults: [string, Uint8Array, string][] = [
    ["too few bytes", new Uint8Array(7), "f: found 7 bytes; expected a safetensors file."],
    [
      "a header longer than the file",
      file({}, 0).fill(255, 0, 8),
      "f: found a header of 18446744073709552000 bytes in",
    ],
    ["a header that is not JSON", file("{", 0), "f: found a header that is not JSON; expected a safetensors file."],
    ["a header that is a list", file([], 0), "f: found a header that is not an object; expected a safetensors file."],
    ["an unknown type", file({ a: { ...pair(0, 8), dtype: "F8" } }, 8), 'f, tensor "a": Invalid type: Expected'],
    ["a negative dimension", file({ a: { ...pair(0, 8), shape: [-2] } }, 8), 'f, tensor "a": Invalid value: Expected'],
    [
      "a tensor of another length",
      file({ a: pair(0, 12) }, 12),
      'f, tensor "a": found data_offsets [0, 12]; expected [0, 8] for float32 [2], within 12 bytes of data.',
    ],
    ["a tensor beyond the end", file({ a: pair(0, 8) }, 4), 'f, tensor "a": found data_offsets [0, 8]; expected'],
    ["tensors that overlap", file({ a: pair(0, 8), b: pair(4, 12) }, 12), 'f, tensor "b": found data_offsets [4, 12]'],
    ["a hole", file({ a: pair(0, 8), b: pair(12, 20) }, 20), 'f, tensor "b": found data_offsets [12, 20]'],
    ["data that belongs to none", file({ a: pair(0, 8) }, 12), "f: found 12 bytes of data; expected 8."],
  ];
  test.each(faults)("refuses %s", (_, bytes, sentence) => {
    expect(() => decodeSafetensors(bytes, "f")).toThrow(sentence);
  });

  test("reads or refuses any bytes, and never fails otherwise", () => {
    const good = encodeSafetensors(
      new Map([
        ["a", tensor([1, 2])],
        ["b", tensor([3], [1], "int64")],
      ]),
    );
    const change = fc.tuple(fc.nat({ max: good.length - 1 }), fc.integer({ min: 0, max: 255 }));
    const property = fc.property(fc.array(change, { minLength: 1, maxLength: 4 }), fc.nat(8), (changes, cut) => {
      const bytes = good.slice(0, good.length - cut);
      for (const [place, value] of changes) if (place < bytes.length) bytes[place] = value;
      try {
        decodeSafetensors(bytes, "f");
      } catch (error) {
        expect(error).toBeInstanceOf(StriateError);
      }
    });
    fc.assert(property, { seed: 1, numRuns: 2000 });
  });
});
