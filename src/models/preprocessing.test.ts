import { describe, expect, test } from "vitest";
import { imageWriter, inputShape, type Preprocessing, parsePreprocessing } from "./preprocessing.ts";

const grey: Preprocessing = { channels: 1, height: 2, width: 3, padding: 1, mean: [0.5], std: [0.25] };

describe("parsePreprocessing", () => {
  test("gives back what was written as JSON", () => {
    const dark: Preprocessing = { ...grey, background: "dark" };
    expect(parsePreprocessing(JSON.parse(JSON.stringify(dark)), "model.json")).toEqual(dark);
    expect(parsePreprocessing(grey, "model.json")).toEqual(grey);
  });

  test.each([
    [{ ...grey, channels: 2 }, "m: found preprocessing.channels 2; expected 1 or 3."],
    [{ ...grey, height: 0 }, "m: found preprocessing.height 0; expected a whole number from 1 to 65535."],
    [{ ...grey, padding: 0.5 }, "m: found preprocessing.padding 0.5; expected a whole number from 0 to 65535."],
    [{ ...grey, mean: ["a"] }, 'm: found preprocessing.mean.0 "a"; expected a number.'],
    [{ ...grey, mean: 0.5 }, "m: found preprocessing.mean 0.5; expected a list of numbers."],
    [{ ...grey, std: [0] }, "m: found preprocessing.std.0 0; expected a number above 0."],
    [{ ...grey, std: [Number.POSITIVE_INFINITY] }, "m: found preprocessing.std.0 Infinity; expected a finite number."],
    [
      { ...grey, mean: [0.1, 0.2, 0.3] },
      'm: found preprocessing {"channels":1,"height":2,"width":3,"padding":1,"mean":[0.1,0.2,0.3],"std":[0.25]}; ' +
        "expected as many means and stds as channels.",
    ],
    [{ ...grey, extra: 1 }, 'm: found preprocessing.extra "extra"; expected no such field.'],
    [{ channels: 1 }, "m: found preprocessing.height undefined; expected it there."],
    [{ ...grey, background: "light" }, 'm: found preprocessing.background "light"; expected "dark" or nothing.'],
    [null, "m: found preprocessing null; expected an object."],
  ])("names the field at fault: case %#", (value, message) => {
    expect(() => parsePreprocessing(value, "m")).toThrow(expect.objectContaining({ name: "StriateError", message }));
  });
});

describe("imageWriter", () => {
  test("pads with black, scales and normalises, a channel at a time", () => {
    const colour: Preprocessing = { ...grey, channels: 3, mean: [0, 0.5, 1], std: [1, 0.5, 2] };
    const shape = inputShape(colour);
    expect(shape).toEqual([3, 4, 5]);
    const target = new Float32Array(3 * 20 + 1).fill(9);
    const source = Uint8Array.from({ length: 19 }, (_, index) => (index === 0 ? 77 : 255));
    imageWriter(colour, "bytes")(source, 1, target, 1);
    expect(target[0]).toBe(9);
    for (const [channel, black, white] of [
      [0, 0, 1],
      [1, -1, 1],
      [2, -0.5, 0],
    ] as const) {
      const plane = Array.from(target.subarray(1 + channel * 20, 21 + channel * 20));
      const [edge, middle] = [Array(5).fill(black), [black, white, white, white, black]];
      expect(plane).toEqual([...edge, ...middle, ...middle, ...edge]);
    }
  });

  test("floats of 0 to 1 give what the same pixels as bytes give", () => {
    const bytes = Uint8Array.of(0, 1, 100, 128, 254, 255);
    const [fromBytes, fromUnit] = [new Float32Array(20), new Float32Array(20)];
    imageWriter(grey, "bytes")(bytes, 0, fromBytes, 0);
    imageWriter(grey, "unit")(
      Float32Array.from(bytes, (byte) => byte / 255),
      0,
      fromUnit,
      0,
    );
    for (const [index, value] of fromBytes.entries()) expect(fromUnit[index]).toBeCloseTo(value, 6);
  });
});
