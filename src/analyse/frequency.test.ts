import { describe, expect, test } from "vitest";
import { Random } from "../tensor/random.ts";
import { fourierTransform, predictFooling, spectrum } from "./frequency.ts";

const random = new Random(1, "matrix");
const matrix = { values: Array.from({ length: 15 }, () => random.normal()), height: 3, width: 5 };

/** The sum that defines the transform. */
function term(v: number, u: number): [real: number, imaginary: number] {
  let [real, imaginary] = [0, 0];
  for (let m = 0; m < matrix.height; m++)
    for (let n = 0; n < matrix.width; n++) {
      const value = matrix.values[m * matrix.width + n]!;
      real += value * Math.cos(2 * Math.PI * (v * m + u * n));
      imaginary -= value * Math.sin(2 * Math.PI * (v * m + u * n));
    }
  return [real, imaginary];
}

describe("fourierTransform", () => {
  test("is the sum that defines it, zeros added", () => {
    const { real, imaginary } = fourierTransform(matrix, { height: 4, width: 16 });
    for (let v = 0; v < 4; v++)
      for (let u = 0; u < 16; u++) {
        const expected = term(v / 4, u / 16);
        expect(real[v * 16 + u]).toBeCloseTo(expected[0], 10);
        expect(imaginary[v * 16 + u]).toBeCloseTo(expected[1], 10);
      }
  });

  test.each([
    [
      { height: 4, width: 4 },
      "fourierTransform.width: found 4 for a matrix of 3x5; expected a power of two of at least 5.",
    ],
    [
      { height: 12, width: 8 },
      "fourierTransform.height: found 12 for a matrix of 3x5; expected a power of two of at least 3.",
    ],
    [{ height: 4, width: 7.5 }, "fourierTransform.width: found 7.5 for"],
  ])("refuses %o", (size, sentence) => {
    expect(() => fourierTransform(matrix, size)).toThrow(sentence);
  });
});

test("spectrum has magnitudes, zero frequency in the middle", () => {
  const centred = spectrum(matrix, { height: 8, width: 16 });
  for (let row = 0; row < 8; row++)
    for (let column = 0; column < 16; column++)
      expect(centred[row * 16 + column]).toBeCloseTo(Math.hypot(...term((row - 4) / 8, (column - 8) / 16)), 5);
});

describe("predictFooling", () => {
  /** A 9x9 kernel that answers to vertical stripes of one frequency. */
  const stripes = (frequency: number) => ({
    values: Array.from({ length: 81 }, (_, index) => {
      const [m, n] = [Math.floor(index / 9) - 4, (index % 9) - 4];
      return Math.cos(2 * Math.PI * frequency * n) * Math.exp(-(n * n + m * m) / 12);
    }),
    height: 9,
    width: 9,
  });
  const flipped = (kernel: ReturnType<typeof stripes>) => ({
    ...kernel,
    values: kernel.values.map((_, index) => kernel.values[(index % 9) * 9 + Math.floor(index / 9)]!),
  });
  const options = { thicknesses: [1, 2, 3, 4], band: [1 / 16, 1 / 4] } as const;

  test("finds the frequency that the kernel for vertical lines answers to", () => {
    const kernels = [stripes(0.15), flipped(stripes(0.15))];
    const { frequency, curve } = predictFooling({ kernels, opposition: [1, -1] }, options);
    expect(Math.abs(frequency - 0.15)).toBeLessThan(0.02);
    expect(curve.length).toBe(257);
    expect(curve[0]!.strength).toBeLessThan(0);
    expect(curve.at(-1)!.frequency).toBe(0.5);
    const swapped = predictFooling({ kernels: kernels.toReversed(), opposition: [-1, 1] }, options);
    expect(swapped.frequency).toBe(frequency);
  });

  test("has the strength that its formula says", () => {
    const kernel = { values: [1, -1], height: 1, width: 2 };
    const { curve } = predictFooling({ kernels: [kernel], opposition: [2] }, { ...options, thicknesses: [3] });
    // |1 - exp(-2 pi i f)| = 2 sin(pi f), and the mean of |1 + z + z^2|^2 over the circle is 3.
    for (const { frequency, strength } of curve)
      expect(strength).toBeCloseTo(2 * Math.sqrt(3) * 2 * Math.sin(Math.PI * frequency), 8);
  });

  test("says what it was given wrong", () => {
    const kernels = [stripes(0.1)];
    expect(() => predictFooling({ kernels, opposition: [] }, options)).toThrow(
      "predictFooling: found 1 kernels and 0 oppositions; expected as many, and at least one.",
    );
    expect(() => predictFooling({ kernels, opposition: [1] }, { ...options, band: [0.6, 0.7] })).toThrow(
      "predictFooling: found a band of 0.6 to 0.7; expected one within 0 to 0.5 cycles a pixel.",
    );
  });
});
