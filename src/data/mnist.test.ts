import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { StriateError } from "../errors.ts";
import { encodePng } from "../platform/image.ts";
import { batches } from "./batches.ts";
import { mnist } from "./mnist.ts";
import { pictureTensor } from "./picture.ts";

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "striate-mnist-"));
});
afterAll(() => rm(root, { recursive: true, force: true }));

const images = (count: number, height = 2, width = 3): Uint8Array =>
  Uint8Array.from([
    ...[0, 0, 8, 3, 0, 0, 0, count, 0, 0, 0, height, 0, 0, 0, width],
    ...Array.from({ length: count * height * width }, (_, index) => index),
  ]);
const labels = (...values: number[]): Uint8Array => Uint8Array.of(0, 0, 8, 1, 0, 0, 0, values.length, ...values);

const usual = {
  "train-images-idx3-ubyte": images(3),
  "train-labels-idx1-ubyte": labels(5, 0, 9),
  "t10k-images-idx3-ubyte": images(2),
  "t10k-labels-idx1-ubyte": labels(7, 7),
};

let made = 0;
async function folderOf(files: Record<string, Uint8Array | undefined>): Promise<string> {
  const folder = join(root, String(made++));
  await mkdir(folder);
  for (const [name, bytes] of Object.entries(files))
    if (bytes !== undefined) await writeFile(join(folder, name), bytes);
  return folder;
}

const sentence = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => "no error",
    (error) => (error instanceof StriateError ? error.message : `not a StriateError: ${error}`),
  );

describe("mnist", () => {
  test("reads both sets under the usual names, gzipped, and with a dot", async () => {
    const entries = Object.entries(usual);
    for (const folder of [
      await folderOf(usual),
      await folderOf(Object.fromEntries(entries.map(([name, bytes]) => [`${name}.gz`, gzipSync(bytes)]))),
      await folderOf(Object.fromEntries(entries.map(([name, bytes]) => [name.replace("-idx", ".idx"), bytes]))),
    ]) {
      const { train, test } = await mnist(folder);
      expect([train.name, train.count, train.inputShape]).toEqual(["mnist train", 3, [1, 6, 7]]);
      expect(train.images.shape).toEqual([3, 1, 2, 3]);
      expect(train.images.toArray()[17]).toBe(17);
      expect([Array.from(train.labels), Array.from(test.labels)]).toEqual([
        [5, 0, 9],
        [7, 7],
      ]);
      expect(train.preprocessing).toEqual({
        channels: 1,
        height: 2,
        width: 3,
        padding: 2,
        mean: [0.1307],
        std: [0.3081],
        background: "dark",
      });
    }
  });

  test("takes the file where a folder of that name is there too", async () => {
    const folder = await folderOf({ ...usual, "train-images-idx3-ubyte": undefined });
    await mkdir(join(folder, "train-images-idx3-ubyte"));
    const path = join(folder, "train-images-idx3-ubyte");
    expect(await sentence(mnist(folder))).toBe(`${path}: found a folder; expected a file.`);
    await writeFile(join(folder, "train-images.idx3-ubyte"), images(3));
    expect((await mnist(folder)).train.count).toBe(3);
  });

  test("says what is missing", async () => {
    const folder = await folderOf({ ...usual, "t10k-labels-idx1-ubyte": undefined });
    expect(await sentence(mnist(folder))).toBe(
      `${folder}: found no t10k-labels-idx1-ubyte in it; expected t10k-labels-idx1-ubyte or ` +
        "t10k-labels-idx1-ubyte.gz. All four MNIST files belong there.",
    );
    const mend = "expected a folder with the four MNIST files. Check the path.";
    expect(await sentence(mnist(join(root, "none")))).toBe(`${join(root, "none")}: found no such folder; ${mend}`);
    const file = join(folder, "t10k-images-idx3-ubyte");
    expect(await sentence(mnist(file))).toBe(`${file}: found a file; ${mend}`);
  });

  test("says when images and labels differ in number, naming both files", async () => {
    const folder = await folderOf({ ...usual, "train-labels-idx1-ubyte": labels(1, 2) });
    expect(await sentence(mnist(folder))).toBe(
      `${folder}: found 3 images in ${join(folder, "train-images-idx3-ubyte")} and 2 labels in ` +
        `${join(folder, "train-labels-idx1-ubyte")}; expected as many labels as images. Fetch both again, from one source.`,
    );
  });

  test("says when a label is no class, unless the classes are given", async () => {
    const folder = await folderOf({ ...usual, "train-labels-idx1-ubyte": labels(1, 2, 10) });
    expect(await sentence(mnist(folder))).toBe(
      `${join(folder, "train-labels-idx1-ubyte")}: found label 10 at 2; expected 0 to 9.`,
    );
    const classes = Array.from("abcdefghijk");
    expect((await mnist(folder, { classes })).train.classes).toEqual(classes);
  });

  test("says when a file holds something else", async () => {
    const swapped = await folderOf({ ...usual, "train-images-idx3-ubyte": labels(1, 2, 3) });
    expect(await sentence(mnist(swapped))).toBe(
      `${join(swapped, "train-images-idx3-ubyte")}: found 3 uint8; expected uint8 images, count x height x width.`,
    );
    const truncated = await folderOf({
      ...usual,
      "train-images-idx3-ubyte": undefined,
      "train-images-idx3-ubyte.gz": gzipSync(images(3)).subarray(0, 30),
    });
    expect(await sentence(mnist(truncated))).toBe(
      `${join(truncated, "train-images-idx3-ubyte.gz")}: found truncated gzip; expected the whole file. Fetch it again.`,
    );
    const empty = await folderOf({
      ...usual,
      "t10k-images-idx3-ubyte": images(0),
      "t10k-labels-idx1-ubyte": labels(),
    });
    expect(await sentence(mnist(empty))).toBe(
      `${join(empty, "t10k-images-idx3-ubyte")}: found no images; expected at least one.`,
    );
    const sizes = await folderOf({ ...usual, "t10k-images-idx3-ubyte": images(2, 3, 3) });
    expect(await sentence(mnist(sizes))).toBe(
      `${sizes}: found training images of 2x3 and test images of 3x3; expected one size.`,
    );
  });
});

const real = fileURLToPath(new URL("../../../shared/data/mnist", import.meta.url));

describe("the real digits", () => {
  const present = existsSync(real);
  test.skipIf(present)(`are not here: ${real} is missing, so the tests that need them are skipped`, () => {});

  test.skipIf(!present)("are read quickly, with the statistics they are normalised by", async () => {
    const start = performance.now();
    const { train, test } = await mnist(real);
    expect(performance.now() - start).toBeLessThan(1000);
    expect([train.count, test.count, train.inputShape]).toEqual([60_000, 10_000, [1, 32, 32]]);
    const pixels = train.images.numbers;
    let sum = 0;
    for (let index = 0; index < pixels.length; index++) sum += pixels[index]!;
    expect(sum / pixels.length / 255).toBeCloseTo(0.1307, 4);
    expect(new Set(test.labels).size).toBe(10);
  });

  test.skipIf(!present)("as PNG files give exactly the dataset's own numbers", async () => {
    const { test } = await mnist(real);
    for (const { images, indices } of batches(test.take(20), { size: 1 })) {
      const data = Uint8Array.from(test.images.slice(indices[0]!, indices[0]! + 1).numbers);
      const png = await encodePng({ width: 28, height: 28, channels: 1, data });
      expect(await pictureTensor(png, test.preprocessing)).toEqual({ tensor: images, inverted: false });
    }
  });

  test.skipIf(!present)("make shuffled batches of 128, every digit in one of them", async () => {
    const { train } = await mnist(real);
    const seen = new Set<number>();
    for (const { indices } of batches(train, { size: 128, shuffle: true }))
      for (const index of indices) seen.add(index);
    expect(seen.size).toBe(60_000);
  });
});
