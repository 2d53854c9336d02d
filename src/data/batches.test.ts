import { describe, expect, test } from "vitest";
import type { Preprocessing } from "../models/preprocessing.ts";
import { Tensor } from "../tensor/tensor.ts";
import type { Augmentation } from "./augment.ts";
import { type BatchOptions, batchCount, batches, epochOrder } from "./batches.ts";
import { Dataset } from "./dataset.ts";

const preprocessing: Preprocessing = { channels: 1, height: 1, width: 1, padding: 1, mean: [0.5], std: [0.5] };
const make = (count: number): Dataset =>
  new Dataset({
    name: "dots",
    classes: ["a", "b", "c"],
    images: new Tensor(
      "uint8",
      [count, 1, 1, 1],
      Uint8Array.from({ length: count }, (_, index) => index * 5),
    ),
    labels: Uint8Array.from({ length: count }, (_, index) => index % 3),
    preprocessing,
  });

describe("batches", () => {
  test("are preprocessed images and int64 labels, in order unless shuffled", () => {
    const [first, second, ...more] = batches(make(5), { size: 3 });
    expect(more).toEqual([]);
    expect([first!.images.dtype, first!.images.shape]).toEqual(["float32", [3, 1, 3, 3]]);
    expect(second!.images.shape).toEqual([2, 1, 3, 3]);
    expect(first!.labels).toEqual(new Tensor("int64", [3], BigInt64Array.of(0n, 1n, 2n)));
    expect(Array.from(second!.indices)).toEqual([3, 4]);
    const edge = [-1, -1, -1, -1];
    expect(second!.images.toArray()).toEqual(
      [15, 20].flatMap((byte) => [...edge, Math.fround((byte / 255 - 0.5) / 0.5), ...edge]),
    );
  });

  test("give every image once, in an order that is a function of seed and epoch", () => {
    const data = make(50);
    const order = (seed: number, epoch: number) =>
      Array.from(batches(data, { size: 7, seed, epoch, shuffle: true })).flatMap(({ indices }) => Array.from(indices));
    const drawn = order(1, 0);
    expect(drawn.toSorted((left, right) => left - right)).toEqual(Array.from({ length: 50 }, (_, index) => index));
    expect(drawn).toEqual(Array.from(epochOrder(50, 1, 0)));
    expect(order(1, 0)).toEqual(drawn);
    expect(order(1, 1)).not.toEqual(drawn);
    expect(order(2, 0)).not.toEqual(drawn);
    for (const { images, labels, indices } of batches(data, { size: 7, seed: 3, shuffle: true }))
      indices.forEach((index, position) => {
        expect(images.numbers[position * 9 + 4]).toBe(Math.fround(((index * 5) / 255 - 0.5) / 0.5));
        expect(Number(labels.data[position])).toBe(index % 3);
      });
  });

  test("can be walked again, giving the same in fresh tensors", () => {
    const walk = batches(make(4), { size: 2, shuffle: true });
    const [one, two] = [Array.from(walk), Array.from(walk)];
    expect(one).toEqual(two);
    expect(one[0]!.images.data.buffer).not.toBe(two[0]!.images.data.buffer);
  });

  test("keep, drop or pad the last partial batch, as counted", () => {
    for (const lastPartial of ["keep", "drop", "pad"] as const)
      for (const count of [6, 7, 8]) {
        const options = { size: 3, lastPartial };
        const sizes = Array.from(batches(make(count), options), ({ indices }) => indices.length);
        expect(sizes.length).toBe(batchCount(count, options));
        const images = { keep: count, drop: 6, pad: Math.ceil(count / 3) * 3 };
        expect(sizes.reduce((sum, size) => sum + size)).toBe(images[lastPartial]);
      }
  });

  test("are padded with the images that the epoch began with", () => {
    const options = { size: 4, seed: 5, shuffle: true, lastPartial: "pad" } as const;
    const order = Array.from(epochOrder(6, 5, 0));
    expect(Array.from(batches(make(6), options), ({ indices }) => Array.from(indices))).toEqual([
      order.slice(0, 4),
      [...order.slice(4), ...order.slice(0, 2)],
    ]);
    const [only] = batches(make(2), { ...options, shuffle: false, size: 5 });
    expect(Array.from(only!.indices)).toEqual([0, 1, 0, 1, 0]);
  });

  test("are augmented by a function of seed, epoch and image, whatever the batch", () => {
    const lighten: Augmentation = ({ shape, size }, random) =>
      new Tensor(
        "uint8",
        shape,
        Uint8Array.from({ length: size }, () => random.integer(0, 255)),
      );
    const data = make(6);
    const pixels = (options: Partial<BatchOptions>) => {
      const found: number[] = [];
      for (const { images, indices } of batches(data, { size: 6, seed: 1, epoch: 1, augment: [lighten], ...options }))
        indices.forEach((index, position) => {
          found[index] = images.numbers[position * 9 + 4]!;
        });
      return found;
    };
    const first = pixels({});
    expect(new Set(first).size).toBe(6);
    expect(pixels({ size: 4, shuffle: true })).toEqual(first);
    expect(pixels({ epoch: 2 })).not.toEqual(first);
    expect(pixels({ seed: 2 })).not.toEqual(first);
    const invert: Augmentation = (image) =>
      new Tensor(
        "uint8",
        image.shape,
        Uint8Array.from(image.numbers, (byte) => 255 - byte),
      );
    expect(pixels({ augment: [lighten, invert] })).toEqual(first.map((value) => -value + 0));
    expect(data.images).toEqual(make(6).images);
    const wider: Augmentation = () => new Tensor("uint8", [1, 1, 2], new Uint8Array(2));
    expect(() => pixels({ augment: [wider] })).toThrow(
      "augment: found uint8 1x1x2; expected uint8 1x1x1, as the picture was.",
    );
  });

  test("take float images of 0 to 1 too", () => {
    const bytes = make(5);
    const images = new Tensor(
      "float32",
      [5, 1, 1, 1],
      Float32Array.from(bytes.images.numbers, (byte) => byte / 255),
    );
    const [fromFloats] = batches(new Dataset({ ...bytes, images }), { size: 5 });
    const [fromBytes] = batches(bytes, { size: 5 });
    fromBytes!.images.toArray().forEach((value, index) => {
      expect(fromFloats!.images.numbers[index]).toBeCloseTo(value, 6);
    });
  });

  test("refuse at once what cannot be", () => {
    expect(() => batches(make(2), { size: 0 })).toThrow(
      "batches: found size 0; expected a whole number of at least 1.",
    );
    expect(() => batches(make(2), { size: 3, lastPartial: "drop" })).toThrow(
      "batches: found 2 images of dots for batches of 3, the last partial one dropped; " +
        "expected at least one full batch. Choose a size of at most 2.",
    );
    expect(() => batches(make(2), { size: 1, shuffle: true, epoch: -1 })).toThrow(
      "batches: found epoch -1; expected a whole number of at least 0.",
    );
  });
});
