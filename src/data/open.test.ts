import { cp, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { StriateError } from "../errors.ts";
import { encodePng } from "../platform/image.ts";
import { folderDataset } from "./folder.ts";
import { openData } from "./open.ts";

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "striate-open-"));
});
afterAll(() => rm(root, { recursive: true, force: true }));

async function put(path: string, content: Uint8Array | string): Promise<void> {
  await mkdir(dirname(join(root, path)), { recursive: true });
  await writeFile(join(root, path), content);
}

const png = (width: number, height: number, ...colour: number[]): Promise<Uint8Array> =>
  encodePng({
    width,
    height,
    channels: colour.length as 1 | 3,
    data: Uint8Array.from({ length: width * height * colour.length }, (_, index) => colour[index % colour.length]!),
  });

const sentence = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => "no error",
    (error) => (error instanceof StriateError ? error.message : `not a StriateError: ${error}`),
  );

async function putShapes(folder: string): Promise<string> {
  await put(`${folder}/square/b.png`, await png(2, 2, 20));
  await put(`${folder}/square/a.PNG`, await png(2, 2, 10));
  await put(`${folder}/disc/c.png`, await png(4, 2, 30));
  await put(`${folder}/square/Thumbs.db`, "x");
  await put(`${folder}/.cache/x.png`, "x");
  await put(`${folder}/readme.txt`, "x");
  return join(root, folder);
}

describe("folder:DIR", () => {
  test("has classes and pictures sorted by name, the size of the first, its own statistics", async () => {
    const { train, test } = await openData(`folder:${await putShapes("shapes")}`);
    expect(test).toBeUndefined();
    expect(train.classes).toEqual(["disc", "square"]);
    expect(Array.from(train.labels)).toEqual([0, 1, 1]);
    expect(train.images.shape).toEqual([3, 1, 2, 4]);
    expect(train.images.toArray()).toEqual([
      ...[30, 30, 30, 30, 30, 30, 30, 30],
      ...[0, 10, 10, 0, 0, 10, 10, 0],
      ...[0, 20, 20, 0, 0, 20, 20, 0],
    ]);
    const mean = 15 / 255;
    expect(train.preprocessing).toEqual({
      channels: 1,
      height: 2,
      width: 4,
      padding: 0,
      mean: [Math.round(mean * 1e4) / 1e4],
      std: [Math.round((Math.sqrt((4 * 900 + 2 * 100 + 2 * 400) / 12 - 225) / 255) * 1e4) / 1e4],
    });
  });

  test("takes a size and channels, and all become coloured when one is", async () => {
    const folder = await putShapes("mixed");
    const small = await folderDataset(folder, { size: { height: 1, width: 1 }, channels: 3 });
    expect(small.images.shape).toEqual([3, 3, 1, 1]);
    await put("mixed/square/z.png", await png(4, 2, 255, 0, 0));
    const coloured = await folderDataset(folder);
    expect(coloured.images.shape).toEqual([4, 3, 2, 4]);
    expect(coloured.images.slice(3, 4).toArray()).toEqual([...Array(8).fill(255), ...Array(16).fill(0)]);
    expect(coloured.images.slice(1, 2).toArray()).toEqual(Array(3).fill([0, 10, 10, 0, 0, 10, 10, 0]).flat());
    expect((await folderDataset(folder, { channels: 1 })).images.slice(3, 4).toArray()).toEqual(Array(8).fill(76));
  });

  test("with train and test inside gives both, prepared alike", async () => {
    const folder = await putShapes("both/train");
    await cp(folder, join(root, "both/test"), { recursive: true });
    await put("both/test/square/d.png", await png(8, 8, 255, 255, 0));
    const { train, test } = await openData(`folder:${join(root, "both")}`);
    expect(test!.images.shape).toEqual([4, 1, 2, 4]);
    expect(test!.preprocessing).toEqual(train.preprocessing);
    await rm(join(root, "both/test/disc"), { recursive: true });
    await put("both/test/ring/c.png", await png(4, 2, 30));
    expect(await sentence(openData(`folder:${join(root, "both")}`))).toBe(
      `${join(root, "both")}: found classes disc in train and ring in ${join(root, "both/test")}; ` +
        "expected the same folders in both.",
    );
  });

  test("takes mean and deviation, and tells how far it is", async () => {
    const folder = await putShapes("told");
    const statistics = { mean: [0.5], std: [0.25] };
    const told: [number, number][] = [];
    const data = await folderDataset(folder, { statistics, progress: (done, count) => told.push([done, count]) });
    expect(data.preprocessing).toEqual({ channels: 1, height: 2, width: 4, padding: 0, ...statistics });
    expect(told).toEqual([[3, 3]]);
  });

  test("is bounded in memory", async () => {
    const folder = await putShapes("large");
    expect(await sentence(folderDataset(folder, { maximumBytes: 23 }))).toBe(
      `${folder}: found 3 pictures of 1x2x4, 24 bytes of memory; expected at most 23 bytes. Give a smaller common size.`,
    );
    await put("large/square/z.png", await png(4, 2, 255, 0, 0));
    expect(await sentence(folderDataset(folder, { maximumBytes: 40 }))).toBe(
      `${folder}: found 4 pictures of 3x2x4, 96 bytes of memory; expected at most 40 bytes. Give a smaller common size.`,
    );
  });

  test("says what is wrong with the folder", async () => {
    await put("loose/a.png", await png(2, 2, 1));
    const loose = join(root, "loose");
    const expected = "expected one folder a class, with its pictures inside.";
    expect(await sentence(openData(`folder:${loose}`))).toBe(`${loose}: found 1 picture and no folders; ${expected}`);
    await put("empty/a/notes.txt", "x");
    expect(await sentence(openData(`folder:${join(root, "empty")}`))).toBe(
      `${join(root, "empty/a")}: found no pictures; expected at least one PNG, JPEG or WebP file. ` +
        "Remove the folder if it is not a class.",
    );
    const file = join(loose, "a.png");
    expect(await sentence(openData(`folder:${file}`))).toBe(`${file}: found a file; expected a folder.`);
    const missing = join(root, "missing");
    expect(await sentence(openData(`folder:${missing}`))).toBe(`${missing}: no such folder. Check the path.`);
    const broken = join(await putShapes("broken"), "square/b.png");
    await writeFile(broken, (await png(2, 2, 1)).subarray(0, 40));
    expect(await sentence(openData(`folder:${join(root, "broken")}`))).toContain(
      `${broken}: found a damaged PNG picture`,
    );
  });
});

describe("openData", () => {
  test("says which kinds there are, and which was probably meant", async () => {
    expect(await sentence(openData("minst:data"))).toMatch(
      /^data: found minst:data; expected one of mnist:DIR, cifar10:DIR, folder:DIR.*\. Did you mean mnist:DIR\?$/,
    );
    expect(await sentence(openData("photographs:data"))).toMatch(
      /^data: found photographs:data; expected one of .*\.$/,
    );
    expect(await sentence(openData("toString:x"))).toContain("data: found toString:x; expected one of");
    expect(await sentence(openData("mnist"))).toBe("data: found mnist without a folder; expected mnist:DIR.");
    expect(await sentence(openData("folder:"))).toBe("data: found folder: without a folder; expected folder:DIR.");
  });

  test("given a bare folder, says how to write it", async () => {
    expect(await sentence(openData(root))).toContain(
      `data: found ${root}, a folder without its kind; expected one of mnist:DIR, cifar10:DIR, folder:DIR`,
    );
    expect(await sentence(openData(root))).toContain(`Write folder:${root} or mnist:${root}.`);
  });

  test("mnist:DIR passes on what is wrong there", async () => {
    expect(await sentence(openData(`mnist:${root}`))).toContain(`${root}: found no train-images-idx3-ubyte in it`);
  });
});
