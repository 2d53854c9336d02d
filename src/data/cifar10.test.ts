import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { cifar10 } from "./cifar10.ts";
import { openData } from "./open.ts";

const parts = ["data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"];
const files = [...parts, "test_batch.bin"];

/** Records: each a label and 3,072 bytes that count up from it. */
const records = (...labels: number[]): Uint8Array =>
  Uint8Array.from(
    labels.flatMap((label) => [label, ...Array.from({ length: 3072 }, (_, index) => (label + index) % 256)]),
  );

let root: string;
const put = async (folder: string, name: string, bytes: Uint8Array): Promise<void> => {
  await mkdir(join(root, folder), { recursive: true });
  await writeFile(join(root, folder, name), bytes);
};
const putAll = async (folder: string): Promise<void> => {
  for (const [index, name] of files.entries()) await put(folder, name, records(index, 9));
};

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "striate-cifar10-"));
});
afterAll(() => rm(root, { recursive: true, force: true }));

describe("cifar10", () => {
  test("reads the five parts in order, and the test part", async () => {
    await putAll("plain");
    await putAll("packed/cifar-10-batches-bin");
    for (const folder of ["plain", "packed"]) {
      const { train, test } = await cifar10(join(root, folder));
      expect(Array.from(train.labels)).toEqual([0, 9, 1, 9, 2, 9, 3, 9, 4, 9]);
      expect(train.images.shape).toEqual([10, 3, 32, 32]);
      expect(Array.from(train.images.numbers.slice(2 * 3072, 2 * 3072 + 3))).toEqual([1, 2, 3]);
      expect([test.count, test.classes[test.labels[0]!], test.classes[9]]).toEqual([2, "dog", "truck"]);
      expect(test.inputShape).toEqual([3, 32, 32]);
    }
    expect((await openData(`cifar10:${join(root, "plain")}`)).test!.count).toBe(2);
  });

  test("says which file is missing, cut off or wrong", async () => {
    const message = (folder: string) => cifar10(join(root, folder)).then(String, (error: Error) => error.message);
    await put("few", "data_batch_1.bin", records(1));
    expect(await message("few")).toBe(
      `${join(root, "few")}: found no data_batch_2.bin in it; expected data_batch_1.bin to data_batch_5.bin and ` +
        "test_batch.bin, CIFAR-10's binary version.",
    );
    expect(await message("none")).toBe(`${join(root, "none/data_batch_1.bin")}: no such file. Check the path.`);
    await putAll("cut");
    await put("cut", "data_batch_4.bin", records(1).subarray(1));
    expect(await message("cut")).toContain(
      `${join(root, "cut/data_batch_4.bin")}: found 3072 bytes; expected a multiple`,
    );
    await putAll("wrong");
    await put("wrong", "test_batch.bin", records(1, 10));
    expect(await message("wrong")).toBe(`${join(root, "wrong/test_batch.bin")}: found label 10 at 1; expected 0 to 9.`);
  });
});
