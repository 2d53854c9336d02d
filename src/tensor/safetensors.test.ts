import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { StriateError } from "../errors.ts";
import { type DType, dtypes } from "./dtype.ts";
import { decodeSafetensors, encodeSafetensors, safetensorsMetadata } from "./safetensors.ts";
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
      ["constructor", tensor([1, 2], [2], "int64")],
      ["7", tensor([1], [1], "uint8")],
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

  test("reads half precision as float32, and metadata as texts", () => {
    const entry = (dtype: string, from: number) => ({ dtype, shape: [2], data_offsets: [from, from + 4] });
    const bytes = file({ __metadata__: { by: "us" }, a: entry("F16", 0), b: entry("BF16", 4) }, 8);
    bytes.set([0x00, 0x3c, 0x01, 0x80, 0xc0, 0x3f, 0x80, 0xff], bytes.length - 8);
    const read = decodeSafetensors(bytes, "f");
    expect(read.get("a")!.toArray()).toEqual([1, -(2 ** -24)]);
    expect(read.get("b")!.toArray()).toEqual([1.5, Number.NEGATIVE_INFINITY]);
    expect(safetensorsMetadata(bytes, "f")).toEqual({ by: "us" });
  });

  const text = (entry: string, dataBytes = 8) => file(`{"a":${entry}}`, dataBytes);
  const fields = (shape: string, offsets: string, more = "") =>
    text(`{"dtype":"F32","shape":${shape},"data_offsets":${offsets}${more}}`);
  const bytesOf = (...parts: (string | readonly number[])[]) => {
    const bytes = parts.flatMap((part) => (typeof part === "string" ? [...new TextEncoder().encode(part)] : part));
    const made = new Uint8Array([...new Uint8Array(8), ...bytes]);
    new DataView(made.buffer).setBigUint64(0, BigInt(bytes.length), true);
    return made;
  };

  const whole = "expected a whole number from 0 to 2^53 - 1, in digits alone";
  const faults: [string, Uint8Array, string][] = [
    [
      "an empty file",
      new Uint8Array(),
      "f: found 0 bytes; expected a safetensors file. Fetch it again, or give another.",
    ],
    [
      "too few bytes",
      new Uint8Array(7),
      "f: found 7 bytes; expected a safetensors file. Fetch it again, or give another.",
    ],
    [
      "a header longer than the file",
      file({}, 0).fill(255, 0, 8),
      "f: found a header of 18446744073709551615 bytes in 10; expected a safetensors file. Fetch it again, or give another.",
    ],
    ["a header of 0 bytes", new Uint8Array(8), "f: found a header that begins with nothing"],
    ["a header cut off", file("{", 0), "f: found nothing; expected a name in double quotes."],
    ["a header that is a list", file([], 0), 'f: found a header that begins with "[]"; expected "{".'],
    ["a header after a space", file(" {}", 0), 'f: found a header that begins with " {}"'],
    ["a header after a byte order mark", bytesOf([0xef, 0xbb, 0xbf], "{}"), "f: found a header that begins with"],
    ["a header that is not UTF-8", bytesOf('{"', [0xff], '":{}}'), "f: found a header that is not UTF-8"],
    ["a name that is half a character", file('{"\\ud800":{}}', 0), "f: found half of a surrogate pair"],
    ["a name with a line break in it", file('{"a\n":{}}', 0), "f: found a text that is not JSON's"],
    ["a name without its end", file('{"a', 0), "f: found a text without its end; expected a closing quote."],
    ["something after the header", file("{} x", 0), 'f: found "x" after the header; expected spaces alone.'],
    ["a trailing comma", file('{"__metadata__":{},}', 0), 'f: found "}"; expected a name in double quotes.'],
    ["a comment", file("{/**/}", 0), 'f: found "/**/}"; expected a name in double quotes.'],
    ["a header nested deeply", text("[".repeat(9)), "found more than 8 objects and lists in each other"],
    [
      "two tensors of one name",
      file('{"a":{},"a":{}}', 0),
      'f, "a": found the same name twice; expected every field once.',
    ],
    ["one name in two spellings", file('{"a":{},"\\u0061":{}}', 0), 'f, "a": found the same name twice'],
    ["a field twice", fields("[2]", "[0,8]", ',"shape":[2]'), 'f, "a", "shape": found the same name twice'],
    [
      "metadata twice",
      file('{"__metadata__":{},"__metadata__":{}}', 0),
      'f, "__metadata__": found the same name twice',
    ],
    ["a text of metadata twice", file('{"__metadata__":{"k":"","k":""}}', 0), 'f, "__metadata__", "k": found the same'],
    ["metadata that are numbers", file('{"__metadata__":{"k":1}}', 0), "f, __metadata__: found no texts"],
    [
      "a tensor named __proto__",
      file('{"__proto__":{}}', 0),
      "f: found a field named __proto__; expected another name.",
    ],
    ["a field named __proto__", text('{"__proto__":1}'), 'f, "a": found a field named __proto__'],
    ["an unknown field", fields("[2]", "[0,8]", ',"order":1'), 'f, tensor "a", "order": found an unknown field'],
    ["a tensor that is a number", text("5"), 'f, tensor "a": found no object; expected an object of dtype, shape'],
    ["a tensor that is null", text("null"), 'f, "a": found "null}"'],
    ["no type", text('{"shape":[2],"data_offsets":[0,8]}'), 'f, tensor "a", dtype: found nothing; expected F32, F64'],
    ["no shape", text('{"dtype":"F32","data_offsets":[0,8]}'), 'f, tensor "a", shape: found nothing'],
    ["no offsets", text('{"dtype":"F32","shape":[2]}'), 'f, tensor "a", data_offsets: found nothing'],
    [
      "an unknown type",
      file({ a: { ...pair(0, 8), dtype: "F8" } }, 8),
      'f, tensor "a", dtype: found "F8"; expected F32',
    ],
    ["a type every object has", file({ a: { ...pair(0, 8), dtype: "constructor" } }, 8), 'dtype: found "constructor"'],
    ["a negative dimension", fields("[-2]", "[0,8]"), `f, "a", "shape"[0]: found -2; ${whole}.`],
    ["a dimension with a point", fields("[2.0]", "[0,8]"), `f, "a", "shape"[0]: found 2.0; ${whole}.`],
    ["a dimension with an exponent", fields("[2e0]", "[0,8]"), `f, "a", "shape"[0]: found 2e0; ${whole}.`],
    ["a dimension with a zero before it", fields("[02]", "[0,8]"), `f, "a", "shape"[0]: found 02; ${whole}.`],
    ["a dimension that is infinite", fields("[Infinity]", "[0,8]"), `f, "a", "shape"[0]: found Infinity; ${whole}.`],
    ["a dimension beyond 2^53", fields("[9007199254740992]", "[0,8]"), 'f, "a", "shape"[0]: found 9007199254740992'],
    ["an offset with a point", fields("[2]", "[0,8.0]"), `f, "a", "data_offsets"[1]: found 8.0; ${whole}.`],
    ["an offset beyond 2^64", fields("[2]", "[0,18446744073709551624]"), 'f, "a", "data_offsets"[1]: found 184467'],
    ["a dimension that is a text", fields('["2"]', "[0,8]"), 'f, tensor "a", shape: found no numbers'],
    ["three offsets", fields("[2]", "[0,8,8]"), 'f, tensor "a", data_offsets: found no pair of numbers'],
    [
      "a shape whose product is beyond 2^53",
      fields("[4294967296,4294967296]", "[0,0]"),
      'f, tensor "a", shape: found [4294967296,4294967296]; expected fewer than 2^53 bytes.',
    ],
    [
      "a tensor of another length",
      file({ a: pair(0, 12) }, 12),
      'f, tensor "a", data_offsets: found [0, 12]; expected [0, 8] for F32 2, within 12 bytes of data.',
    ],
    ["a tensor beyond the end", file({ a: pair(0, 8) }, 4), 'f, tensor "a", data_offsets: found [0, 8]; expected'],
    ["offsets the wrong way round", fields("[2]", "[8,0]"), 'f, tensor "a", data_offsets: found [8, 0]'],
    ["tensors that overlap", file({ a: pair(0, 8), b: pair(4, 12) }, 12), 'f, tensor "b", data_offsets: found [4, 12]'],
    [
      "two tensors of the same data",
      file({ a: pair(0, 8), b: pair(0, 8) }, 8),
      'f, tensor "b", data_offsets: found [0, 8]',
    ],
    ["a hole", file({ a: pair(0, 8), b: pair(12, 20) }, 20), 'f, tensor "b", data_offsets: found [12, 20]'],
    [
      "a hole at the start",
      file({ a: pair(4, 12) }, 12),
      'f, tensor "a", data_offsets: found [4, 12]; expected [0, 8]',
    ],
    ["data that belongs to none", file({ a: pair(0, 8) }, 12), "f: found 12 bytes of data; expected 8."],
    [
      "a truth value of 2",
      file({ a: { dtype: "BOOL", shape: [1], data_offsets: [0, 1] } }, 1).fill(2, -1),
      'f, tensor "a": found a truth value that is neither 0 nor 1; expected 0 or 1.',
    ],
  ];
  test.each(faults)("refuses %s", (_, bytes, sentence) => {
    const attempt = () => decodeSafetensors(bytes, "f");
    expect(attempt).toThrow(StriateError);
    expect(attempt).toThrow(sentence);
  });

  test.each(["__proto__", "__metadata__"])("does not write a tensor named %s", (name) => {
    expect(() => encodeSafetensors(new Map([[name, tensor([1])]]))).toThrow(`found a tensor named ${name}`);
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
