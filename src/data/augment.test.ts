import { describe, expect, test } from "vitest";
import { Random } from "../tensor/random.ts";
import { tensor } from "../tensor/tensor.ts";
import { augmentationNames, augmentationOf, randomCrop, randomFlip } from "./augment.ts";

const numbered = (channels: number, height: number, width: number, dtype: "uint8" | "float32" = "uint8") =>
  tensor(
    Array.from({ length: channels * height * width }, (_, index) => index + 1),
    [channels, height, width],
    dtype,
  );

/** Every result of many draws, as text, once. */
const results = (draw: (random: Random) => { toArray(): number[] }, times = 400) =>
  new Set(Array.from({ length: times }, (_, index) => draw(new Random(1, index)).toArray().join()));

describe("randomCrop", () => {
  test("gives every window of the padded picture, and nothing else", () => {
    const [height, width] = [2, 3];
    const image = numbered(2, height, width);
    const pixel = (channel: number, row: number, column: number) =>
      row < 0 || row >= height || column < 0 || column >= width ? 0 : (channel * height + row) * width + column + 1;
    const places = (length: number) => Array.from({ length }, (_, index) => index);
    const window = (top: number, left: number) =>
      places(2).flatMap((channel) =>
        places(height).flatMap((row) => places(width).map((column) => pixel(channel, row + top, column + left))),
      );
    const expected = [-1, 0, 1].flatMap((top) => [-1, 0, 1].map((left) => window(top, left).join()));
    expect(results((random) => randomCrop({ padding: 1 })(image, random))).toEqual(new Set(expected));
    expect(results((random) => randomCrop({ padding: 0 })(image, random))).toEqual(new Set([image.toArray().join()]));
  });

  test("may leave nothing of a picture smaller than its padding, and keeps the type", () => {
    const image = numbered(1, 2, 2, "float32");
    const drawn = results((random) => randomCrop({ padding: 3 })(image, random));
    expect(drawn.has("0,0,0,0") && drawn.has("1,2,3,4") && drawn.has("0,0,0,1")).toBe(true);
    expect(drawn.size).toBe(3 * 3 + 1);
    expect(randomCrop({ padding: 1 })(image, new Random(1)).dtype).toBe("float32");
  });

  test("pads by an eighth of the size unless told", () => {
    const image = numbered(1, 8, 16);
    expect(results((random) => randomCrop()(image, random)).size).toBe(3 * 5);
  });

  test.each([-1, 0.5, Number.NaN])("refuses a padding of %s", (padding) => {
    expect(() => randomCrop({ padding })).toThrow(
      `randomCrop: found padding ${padding}; expected a whole number of at least 0.`,
    );
  });
});

describe("randomFlip", () => {
  test("mirrors every row of every channel, in half of the cases", () => {
    const image = numbered(2, 1, 3);
    const mirrored = "3,2,1,6,5,4";
    const drawn = Array.from({ length: 400 }, (_, index) => randomFlip()(image, new Random(2, index)).toArray().join());
    const flips = drawn.filter((each) => each === mirrored).length;
    expect(flips + drawn.filter((each) => each === "1,2,3,4,5,6").length).toBe(400);
    expect(Math.abs(flips - 200)).toBeLessThan(50);
    expect(results((random) => randomFlip({ probability: 1 })(image, random))).toEqual(new Set([mirrored]));
    expect(results((random) => randomFlip({ probability: 0 })(image, random))).toEqual(new Set(["1,2,3,4,5,6"]));
  });

  test("refuses a probability beyond 1", () => {
    expect(() => randomFlip({ probability: 2 })).toThrow("randomFlip: found probability 2; expected between 0 and 1.");
  });
});

test("augmentations have names, and their defaults", () => {
  const image = numbered(3, 8, 8);
  for (const name of augmentationNames)
    expect(results((random) => augmentationOf(name)(image, random)).size, name).toBeGreaterThan(1);
});
