import { describe, expect, test } from "vitest";
import type { Preprocessing } from "../models/preprocessing.ts";
import { Tensor } from "../tensor/tensor.ts";
import { Dataset, type DatasetParts } from "./dataset.ts";

const preprocessing: Preprocessing = { channels: 1, height: 1, width: 2, padding: 1, mean: [0], std: [1] };
const make = (labels: number[], changes: Partial<DatasetParts> = {}): Dataset => {
  const pixels = Uint8Array.from({ length: labels.length * 2 }, (_, index) => index);
  const images = new Tensor("uint8", [labels.length, 1, 1, 2], pixels);
  return new Dataset({ name: "dots", classes: ["a", "b"], images, labels, preprocessing, ...changes });
};

describe("Dataset", () => {
  test("knows its count, classes and the network's input", () => {
    const data = make([0, 1, 0]);
    expect([data.count, data.classes, data.inputShape]).toEqual([3, ["a", "b"], [1, 3, 4]]);
    expect(data.labels).toEqual(Int32Array.of(0, 1, 0));
  });

  test("a subset has its images and labels in the order asked", () => {
    const part = make([0, 1, 0, 1]).subset([3, 0, 3]);
    expect(part.images.shape).toEqual([3, 1, 1, 2]);
    expect(part.images.toArray()).toEqual([6, 7, 0, 1, 6, 7]);
    expect(Array.from(part.labels)).toEqual([1, 0, 1]);
    expect(() => make([0, 1]).subset([2])).toThrow("dots.subset: found index 2; expected whole numbers from 0 to 1.");
    expect(() => make([0, 1]).subset([])).toThrow("dots: found no images; expected at least one.");
  });

  test("take gives the first, sharing pixels, and all where there are no more", () => {
    const data = make([0, 1, 0]);
    const part = data.take(2);
    expect(part.count).toBe(2);
    expect(part.images.data.buffer).toBe(data.images.data.buffer);
    expect(data.take(3)).toBe(data);
    expect(data.take(9)).toBe(data);
    expect(() => data.take(0)).toThrow("dots.take: found count 0; expected a whole number of at least 1.");
  });

  test("labels can be counted in another order of the classes, or among more", () => {
    const data = make([0, 1, 0]).withClasses(["b", "c", "a"]);
    expect(data.classes).toEqual(["b", "c", "a"]);
    expect(Array.from(data.labels)).toEqual([2, 0, 2]);
    expect(() => make([0, 1]).withClasses(["a", "c"])).toThrow(
      'dots: found class "b"; expected one of a, c. Name the folders as the model\'s classes are called.',
    );
  });

  test("split holds out the same share of every class, the same for the same seed", () => {
    const labels = Array.from({ length: 100 }, (_, index) => (index < 80 ? 0 : 1));
    const data = make(labels);
    const { rest, held } = data.split(0.1, 1);
    expect([rest.count, held.count]).toEqual([90, 10]);
    expect(Array.from(held.labels).filter((label) => label === 1).length).toBe(2);
    const pixels = [...rest.images.toArray(), ...held.images.toArray()].sort((left, right) => left - right);
    expect(pixels).toEqual(data.images.toArray());
    expect(data.split(0.1, 1).held.images).toEqual(held.images);
    expect(data.split(0.1, 2).held.images).not.toEqual(held.images);
    expect(held.name).toBe("dots (held out)");
    for (const share of [0, 1, 0.001, Number.NaN])
      expect(() => data.split(share, 1)).toThrow(
        `dots.split: found a share of ${share} of 100 images in 2 classes; ` +
          "expected a share between 0 and 1 that leaves images on both sides.",
      );
  });

  test("refuses parts that do not belong together", () => {
    expect(() => make([0, 2])).toThrow("dots: found label 2 at 1; expected 0 to 1, as there are 2 classes.");
    expect(() => make([0, -1])).toThrow("dots: found label -1 at 1");
    expect(() => make([0, 0.5])).toThrow("dots: found label 0.5 at 1");
    const images = new Tensor("uint8", [2, 1, 1, 2], new Uint8Array(4));
    expect(() => make([0], { images })).toThrow("dots: found 2 images and 1 labels; expected as many.");
    expect(() => make([0, 1], { images: images.reshape([2, 2]) })).toThrow(
      "dots: found images of shape 2x2; expected Nx1x1x2.",
    );
    expect(() => make([0, 1], { images: images.cast("int32") })).toThrow(
      "dots: found images of int32; expected uint8 or float32.",
    );
  });
});
