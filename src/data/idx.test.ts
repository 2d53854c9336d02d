import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { StriateError } from "../errors.ts";
import { decodeIdx, parseIdx } from "./idx.ts";

/** An IDX file: its first four bytes, its dimensions, its elements' bytes. */
function idx(start: number[], dimensions: number[], body: ArrayLike<number>): Uint8Array {
  const bytes = new Uint8Array(4 + 4 * dimensions.length + body.length);
  bytes.set(start);
  const view = new DataView(bytes.buffer);
  dimensions.forEach((dimension, axis) => {
    view.setUint32(4 + 4 * axis, dimension);
  });
  bytes.set(body, 4 + 4 * dimensions.length);
  return bytes;
}

const images = idx([0, 0, 8, 3], [2, 2, 3], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);

describe("parseIdx", () => {
  test("reads bytes, gzipped or not, wherever they lie in their buffer", async () => {
    const embedded = new Uint8Array(images.length + 5);
    embedded.set(images, 5);
    for (const bytes of [images, embedded.subarray(5), new Uint8Array(gzipSync(images))]) {
      const tensor = await parseIdx(bytes, "x");
      expect([tensor.dtype, tensor.shape]).toEqual(["uint8", [2, 2, 3]]);
      expect(tensor.toArray()).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
    }
  });

  test.each([
    [0x09, "int8", [0xff, 0x7f], [-1, 127]],
    [0x0b, "int16", [0xff, 0xfe, 0x01, 0x00], [-2, 256]],
    [0x0c, "int32", [0xff, 0xff, 0xff, 0xfd, 0, 1, 0, 0], [-3, 65_536]],
    [0x0d, "float32", [0x3f, 0x80, 0, 0, 0xc0, 0, 0, 0], [1, -2]],
    [0x0e, "float64", [0x3f, 0xf0, 0, 0, 0, 0, 0, 0, 0xbf, 0xe0, 0, 0, 0, 0, 0, 0], [1, -0.5]],
  ])("reads element type %i, big-endian", (code, dtype, body, values) => {
    const tensor = decodeIdx(idx([0, 0, code, 1], [2], body), "x");
    expect([tensor.dtype, tensor.toArray()]).toEqual([dtype, values]);
  });

  test("an empty dimension means no elements", () => {
    expect(decodeIdx(idx([0, 0, 8, 3], [0, 0xffffffff, 0xffffffff], []), "x").shape[0]).toBe(0);
  });

  test.each([
    ["nothing", [], "x: found 0 bytes; expected an IDX file."],
    [
      "another format",
      [0x89, 0x50, 0x4e, 0x47, 0, 0],
      "x: found first bytes 0x89 0x50; expected two zero bytes, as in every IDX file. " +
        "Check that this is the file you mean, and fetch it again if so.",
    ],
    [
      "an unknown element type",
      [0, 0, 0x0a, 1, 0, 0, 0, 0],
      "x: found IDX element type 0x0a; expected one of 0x08, 0x09, 0x0b, 0x0c, 0x0d, 0x0e.",
    ],
    ["no dimensions", [0, 0, 8, 0, 1], "x: found 0 IDX dimensions; expected 1 to 8."],
    ["too many dimensions", [0, 0, 8, 255, 1], "x: found 255 IDX dimensions; expected 1 to 8."],
    [
      "half a header",
      [0, 0, 8, 3, 0, 0, 0, 1],
      "x: found 8 bytes, the header cut off; expected 16 bytes of header for 3 dimensions. Fetch it again.",
    ],
    [
      "too few elements",
      Array.from(images.subarray(0, images.length - 1)),
      "x: found 11 bytes of elements; expected 12 for the 2x2x3 uint8 that its header declares. " +
        "It is cut off, or its header is damaged: fetch it again.",
    ],
    [
      "too many elements",
      [...images, 0],
      "x: found 13 bytes of elements; expected 12 for the 2x2x3 uint8 that its header declares. Fetch it again.",
    ],
    [
      "dimensions beyond all memory",
      Array.from(idx([0, 0, 0x0e, 3], [0xffffffff, 0xffffffff, 0xffffffff], [1, 2, 3])),
      "x: found 3 bytes of elements; expected 6.34e+29 for the 4294967295x4294967295x4294967295 float64 " +
        "that its header declares. It is cut off, or its header is damaged: fetch it again.",
    ],
  ])("refuses %s", async (_, bytes, message) => {
    await expect(parseIdx(Uint8Array.from(bytes), "x")).rejects.toThrow(
      expect.objectContaining({ name: "StriateError", message }),
    );
  });

  test("says when the gzip is truncated", async () => {
    const packed = new Uint8Array(gzipSync(images));
    await expect(parseIdx(packed.subarray(0, packed.length - 3), "t.gz")).rejects.toThrow(
      "t.gz: found truncated gzip; expected the whole file. Fetch it again.",
    );
  });

  test("whatever the header says, it is read to the byte or refused, and no more memory is taken than bytes are there", () => {
    const byte = fc.integer({ min: 0, max: 255 });
    const element = fc.oneof({ weight: 6, arbitrary: fc.constantFrom(8, 9, 0x0b, 0x0c, 0x0d, 0x0e) }, byte);
    const dimension = fc.oneof(
      { weight: 6, arbitrary: fc.integer({ min: 0, max: 4 }) },
      fc.integer({ min: 0, max: 0xffffffff }),
    );
    const header = fc.record({
      start: fc.tuple(fc.constantFrom(0, 0, 0, 1), fc.constantFrom(0, 0, 0, 8), element),
      rank: fc.option(fc.nat({ max: 9 }), { freq: 1 }),
      dimensions: fc.array(dimension, { maxLength: 4 }),
      body: fc.array(byte, { maxLength: 512 }),
      isExact: fc.boolean(),
    });
    const before = process.memoryUsage().arrayBuffers;
    let accepted = 0;
    fc.assert(
      fc.property(header, ({ start, rank, dimensions, body, isExact }) => {
        const width = [1, 1, 1, 2, 4, 4, 8][start[2] - 8] ?? 1;
        const declared = dimensions.reduce((size, dimension) => size * dimension, width);
        const kept = isExact && declared <= 512 ? new Uint8Array(declared) : body;
        const bytes = idx([...start, rank ?? dimensions.length], dimensions, kept);
        try {
          const tensor = decodeIdx(bytes, "x");
          accepted++;
          expect(tensor.byteLength).toBe(bytes.length - 4 - 4 * bytes[3]!);
        } catch (error) {
          expect(error).toBeInstanceOf(StriateError);
        }
      }),
      { numRuns: 2000, seed: 1 },
    );
    expect(accepted).toBeGreaterThan(100);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(20_000_000);
  });

  test("a whole file with bytes changed is read or refused, never a crash", async () => {
    const packed = new Uint8Array(gzipSync(images));
    const change = fc.record({ position: fc.nat({ max: 60 }), value: fc.nat({ max: 255 }) });
    for (const original of [images, packed])
      await fc.assert(
        fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 4 }), async (changes) => {
          const bytes = original.slice();
          for (const { position, value } of changes) bytes[position % bytes.length] = value;
          const result = await parseIdx(bytes, "x").catch((error: unknown) => error);
          expect(result instanceof StriateError || (result as { size: number }).size <= 12).toBe(true);
        }),
        { numRuns: 500, seed: 2 },
      );
  });
});
