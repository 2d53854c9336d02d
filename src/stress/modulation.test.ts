import { describe, expect, test } from "vitest";
import { spectrum } from "../analyse/frequency.ts";
import { full, tensor } from "../tensor/tensor.ts";
import { modulate } from "./modulation.ts";

describe("modulate", () => {
  test("multiplies by cos(2 pi f n + phase) along columns or rows, for each image and channel", () => {
    const images = tensor(
      Array.from({ length: 2 * 2 * 3 * 4 }, (_, index) => index - 7),
      [2, 2, 3, 4],
    );
    const options = { frequency: [0.1, 0.3], phase: [0, 1], along: ["columns", "rows"] } as const;
    const result = modulate(images, options).toArray();
    let position = 0;
    for (let image = 0; image < 2; image++)
      for (let channel = 0; channel < 2; channel++)
        for (let m = 0; m < 3; m++)
          for (let n = 0; n < 4; n++, position++) {
            const angle = 2 * Math.PI * options.frequency[image]! * (image === 0 ? n : m) + options.phase[image]!;
            expect(result[position]).toBeCloseTo((position - 7) * Math.cos(angle), 5);
          }
    expect(images.toArray()[0]).toBe(-7);
  });

  test("moves the spectrum of a horizontal line along the column frequencies", () => {
    const line = Array.from({ length: 64 * 64 }, (_, index) => (index >= 30 * 64 && index < 33 * 64 ? 1 : 0));
    const moved = modulate(tensor(line, [1, 1, 64, 64]), { frequency: 1 / 8 });
    const centred = spectrum({ values: moved.numbers, height: 64, width: 64 }, { height: 64, width: 64 });
    const middle = Array.from(centred.subarray(32 * 64, 33 * 64));
    expect(middle.indexOf(Math.max(...middle)) === 24 || middle.indexOf(Math.max(...middle)) === 40).toBe(true);
    expect(middle[24]).toBeCloseTo(96, 3);
    expect(middle[40]).toBeCloseTo(96, 3);
    expect(middle[32]).toBeCloseTo(0, 3);
  });

  test("says what it was given wrong", () => {
    expect(() => modulate(full([2, 3], 1), { frequency: 0.1 })).toThrow(
      "modulate: found float32 2x3; expected float32 [batch, channels, height, width].",
    );
    expect(() => modulate(full([2, 1, 1, 1], 1), { frequency: [0.1] })).toThrow(
      "modulate.frequency: found 1 values; expected 2.",
    );
  });
});
