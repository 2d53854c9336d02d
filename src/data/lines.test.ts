import { describe, expect, test } from "vitest";
import { imageWriter } from "../models/preprocessing.ts";
import { Random } from "../tensor/random.ts";
import { batches } from "./batches.ts";
import { linesData, linesImages } from "./lines.ts";
import { openData } from "./open.ts";
import { addNoise, asDataset, orientedPreprocessing } from "./oriented.ts";

const size = 64;
const rowOf = (image: ArrayLike<number>, row: number) => Array.from({ length: size }, (_, n) => image[row * size + n]!);
const columnOf = (image: ArrayLike<number>, n: number) => Array.from({ length: size }, (_, m) => image[m * size + n]!);

/** The mean of squared differences between neighbours along the columns n and along the rows m. */
function roughness(image: ArrayLike<number>): { along: number; across: number } {
  let [along, across] = [0, 0];
  for (let m = 0; m < size - 1; m++)
    for (let n = 0; n < size - 1; n++) {
      along += (image[m * size + n + 1]! - image[m * size + n]!) ** 2;
      across += (image[(m + 1) * size + n]! - image[m * size + n]!) ** 2;
    }
  return { along, across };
}

describe("images of lines", () => {
  const { images, labels } = linesImages({ seed: 1, split: "test", count: 200 });
  const image = (index: number) => images.slice(index, index + 1).numbers;

  test("are vertical and horizontal in turn, and smooth along their lines", () => {
    expect(images.shape).toEqual([200, 1, 64, 64]);
    for (let index = 0; index < 200; index++) {
      const { along, across } = roughness(image(index));
      expect(labels[index]).toBe(index % 2);
      expect(labels[index] === 1 ? along < across : across < along, `image ${index}`).toBe(true);
    }
  });

  test("have their ground at 0, noise of 0.02 to 0.1, and lines of contrast 0.3 to 1 away from the long edges", () => {
    for (let index = 0; index < 200; index++) {
      const edges = [0, 1, 2, 3, 60, 61, 62, 63];
      const ground = edges.flatMap((each) => (labels[index] ? rowOf : columnOf)(image(index), each));
      const deviation = Math.sqrt(ground.reduce((sum, value) => sum + value * value, 0) / ground.length);
      expect(deviation).toBeGreaterThan(0.017);
      expect(deviation).toBeLessThan(0.112);
      const largest = Math.max(...Array.from(image(index), Math.abs));
      expect(largest).toBeGreaterThan(0.3);
      expect(largest).toBeLessThan(1.5);
    }
  });

  test("depend on seed, split and index alone", () => {
    expect(linesImages({ seed: 1, split: "test", count: 3 }).images.data).toEqual(images.slice(0, 3).data);
    const first = (seed: number, split: string) => linesImages({ seed, split, count: 1 }).images.toArray().slice(0, 9);
    expect(first(2, "test")).not.toEqual(first(1, "test"));
    expect(first(1, "train")).not.toEqual(first(1, "test"));
  });

  test("are refused in other than whole numbers above 0", () => {
    expect(() => linesImages({ split: "test", count: -1 })).toThrow(
      "images: found count -1; expected a whole number of at least 1.",
    );
  });
});

describe("linesData", () => {
  const options = { seed: 3, split: "train", count: 6 };

  test("gives a network the images, mid-grey 0, whether as pictures or as they are", () => {
    const plain = linesImages(options);
    const [asTheyAre] = [...batches(asDataset("lines", plain), { size: 6 })];
    expect(asTheyAre!.images.data).toEqual(plain.images.data);
    const data = linesData(options);
    expect(data.classes).toEqual(["vertical", "horizontal"]);
    const [batch] = [...batches(data, { size: 6 })];
    const values = batch!.images.numbers;
    plain.images.numbers.forEach((value, index) => {
      if (Math.abs(value - values[index]!) > 1e-6) expect.fail(`${values[index]} for ${value} at ${index}`);
    });
  });

  test("agrees with pictures whose bytes are 127.5 + 110 x", () => {
    const target = new Float32Array(size * size);
    imageWriter(orientedPreprocessing, "bytes")(new Uint8Array(size * size).fill(183), 0, target, 0);
    expect(target[0]).toBeCloseTo((183 - 127.5) / 110, 6);
  });

  test("is the data called lines", async () => {
    const { train, test: held } = await openData("lines", { seed: 3 });
    expect([train.count, held!.count]).toEqual([8000, 10_000]);
    expect(train.take(6).images.data).toEqual(linesData(options).images.data);
    await expect(openData("lines:folder")).rejects.toThrow("data: found lines:folder; expected lines alone.");
  });
});

test("noise is normal, of the deviation asked for, and reaches the last of an odd number of values", () => {
  const values = new Float32Array(100_001);
  addNoise(values, 2, new Random(1, "noise"));
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const moment = (power: number) => values.reduce((sum, value) => sum + (value / 2) ** power, 0) / values.length;
  expect(Math.abs(mean)).toBeLessThan(0.03);
  expect(Math.abs(moment(2) - 1)).toBeLessThan(0.02);
  expect(Math.abs(moment(4) - 3)).toBeLessThan(0.15);
  expect(values.at(-1)).not.toBe(0);
});
