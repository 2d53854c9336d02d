import { describe, expect, test } from "vitest";
import { normalQuantile, philox, Random } from "./random.ts";

describe("philox", () => {
  test("gives the known answers of the authors' test vectors (Random123, kat_vectors)", () => {
    const hex = (words: number[]) => words.map((word) => word.toString(16).padStart(8, "0")).join(" ");
    expect(hex(philox([0, 0, 0, 0], [0, 0]))).toBe("6627e8d5 e169c58d bc57ac4c 9b00dbd8");
    const ones = 0xffffffff;
    expect(hex(philox([ones, ones, ones, ones], [ones, ones]))).toBe("408f276d 41c83b0e a20bc7c6 6d5451fd");
    expect(hex(philox([0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344], [0xa4093822, 0x299f31d0]))).toBe(
      "d16cfe09 94fdcceb 5001e420 24126ea1",
    );
  });
});

describe("Random", () => {
  test("draws the same numbers for the same seed and name, others for another", () => {
    const draw = (seed: number, name: string) => Array.from({ length: 5 }, () => new Random(seed, name).uniform());
    expect(draw(1, "a")).toEqual(draw(1, "a"));
    expect(draw(1, "a")).not.toEqual(draw(2, "a"));
    expect(draw(1, "a")).not.toEqual(draw(1, "b"));
    expect(draw(2 ** 32 + 1, "a")).not.toEqual(draw(1, "a"));
  });

  test("draws other numbers for names that one 32-bit hash does not tell apart", () => {
    for (const [one, other] of [
      ["costarring", "liquid"],
      ["declinate", "macallums"],
    ] as const)
      expect(new Random(1, one).bits()).not.toBe(new Random(1, other).bits());
  });

  test("uniform and normal draws have the moments they should", () => {
    const random = new Random(3, "moments");
    const count = 40_000;
    const moments = (draw: () => number) => {
      const values = Array.from({ length: count }, draw);
      const mean = values.reduce((sum, value) => sum + value, 0) / count;
      return [mean, values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / count] as const;
    };
    const [uniformMean, uniformVariance] = moments(() => random.uniform());
    expect(uniformMean).toBeCloseTo(0.5, 1.9);
    expect(uniformVariance).toBeCloseTo(1 / 12, 2);
    const [normalMean, normalVariance] = moments(() => random.normal());
    expect(Math.abs(normalMean)).toBeLessThan(0.02);
    expect(Math.abs(normalVariance - 1)).toBeLessThan(0.03);
  });

  test("the normal quantile agrees with published percentage points", () => {
    for (const [probability, quantile] of [
      [0.5, 0],
      [0.25, -0.6744897501960817],
      [0.001, -3.090232306167813],
      [0.975, 1.959963984540054],
      [1e-20, -9.26234008979841],
    ] as const)
      expect(normalQuantile(probability)).toBeCloseTo(quantile, 12);
  });

  test("a permutation holds every number once", () => {
    const order = new Random(1, "order").permutation(1000);
    expect(new Set(order).size).toBe(1000);
    expect(order[0] === 0 && order[1] === 1 && order[2] === 2).toBe(false);
  });

  test("a negative or fractional seed is refused", () => {
    expect(() => new Random(-1)).toThrow("seed: found -1; expected a whole number from 0 to 2^53 - 1.");
    expect(() => new Random(0.5)).toThrow("seed: found 0.5");
  });
});
