import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isEitherOrder, type Region, stridesIn } from "./memory.ts";
import { arrange } from "./places.ts";

const regions = fc.array(
  fc
    .record({ bytes: fc.integer({ min: 1, max: 1000 }), first: fc.nat(20), length: fc.nat(20) })
    .map(({ bytes, first, length }): Region => ({ home: "arena", bytes, first, last: first + length, offset: -1 })),
  { maxLength: 40 },
);

describe("the arena", () => {
  test("gives tensors that live at the same time places of their own, in lines of 64 bytes", () => {
    fc.assert(
      fc.property(regions, (all) => {
        const end = arrange(all);
        for (const [index, one] of all.entries()) {
          expect(one.offset % 64).toBe(0);
          expect(one.offset).toBeGreaterThanOrEqual(0);
          expect(one.offset + one.bytes).toBeLessThanOrEqual(end);
          for (const other of all.slice(index + 1)) {
            const isTogether = one.first <= other.last && other.first <= one.last;
            const isApart = one.offset + one.bytes <= other.offset || other.offset + other.bytes <= one.offset;
            expect(!isTogether || isApart).toBe(true);
          }
        }
      }),
      { seed: 1, numRuns: 300 },
    );
  });

  test("gives one place to tensors that follow one another", () => {
    const region = (first: number, last: number): Region => ({ home: "arena", bytes: 640, first, last, offset: 0 });
    expect(arrange([region(0, 1), region(2, 3), region(4, 9)])).toBe(640);
    expect(arrange([region(0, 2), region(2, 3)])).toBe(1280);
  });

  test("places regions in the order that takes the fewest bytes", () => {
    const region = (bytes: number, first: number, last: number): Region => ({
      home: "arena",
      bytes,
      first,
      last,
      offset: 0,
    });
    // By their bytes alone they take 640.
    const all = [region(256, 2, 3), region(256, 5, 5), region(192, 4, 8), region(192, 3, 4)];
    expect(arrange(all)).toBe(448);
  });
});

describe("orders of elements", () => {
  test("have their strides", () => {
    expect(stridesIn("plain", [2, 3, 4, 5])).toEqual([60, 20, 5, 1]);
    expect(stridesIn("channelsLast", [2, 3, 4, 5])).toEqual([60, 1, 15, 3]);
  });

  test("are the same for one channel, for maps of one element, and without maps", () => {
    expect([[2, 1, 4, 4], [2, 3, 1, 1], [2, 3], []].every(isEitherOrder)).toBe(true);
    expect(isEitherOrder([1, 3, 1, 2])).toBe(false);
  });
});
