import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Preprocessing } from "../models/preprocessing.ts";
import { encodePng, type Picture } from "../platform/image.ts";
import { Tensor } from "../tensor/tensor.ts";
import { batches } from "./batches.ts";
import { Dataset } from "./dataset.ts";
import { fitPicture, pictureTensor, planes, withChannels } from "./picture.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "striate-picture-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const digits: Preprocessing = {
  channels: 1,
  height: 28,
  width: 28,
  padding: 2,
  mean: [0.1307],
  std: [0.3081],
  background: "dark",
};
const plain: Preprocessing = { channels: 1, height: 4, width: 4, padding: 0, mean: [0], std: [1] };

/** A light blot on dark, no two rows alike. */
const digit: Picture = {
  width: 28,
  height: 28,
  channels: 1,
  data: Uint8Array.from({ length: 784 }, (_, index) => {
    const [row, column] = [Math.floor(index / 28), index % 28];
    return row > 4 && row < 23 && column > 8 && column < 20 ? 40 + row * 7 + column : 0;
  }),
};
const negative = (picture: Picture): Picture => ({ ...picture, data: picture.data.map((byte) => 255 - byte) });
const even = (width: number, height: number, ...colour: number[]): Picture => ({
  width,
  height,
  channels: colour.length as 1 | 3,
  data: Uint8Array.from({ length: width * height * colour.length }, (_, index) => colour[index % colour.length]!),
});

describe("pictureTensor", () => {
  test("of a picture that has the size gives exactly the dataset's numbers, from bytes, a path, grey or colour", async () => {
    const images = new Tensor("uint8", [1, 1, 28, 28], planes(digit));
    const data = new Dataset({ name: "one", classes: ["a"], images, labels: [0], preprocessing: digits });
    const [batch] = batches(data, { size: 1 });
    const png = await encodePng(digit);
    const path = join(folder, "digit.png");
    await writeFile(path, png);
    for (const source of [png, path, await encodePng(withChannels(digit, 3))])
      expect(await pictureTensor(source, digits)).toEqual({ tensor: batch!.images, inverted: false });
  });

  test("inverts dark on light where the network knows light on dark only, and says so", async () => {
    const [light, dark] = [await encodePng(negative(digit)), await encodePng(digit)];
    const { tensor } = await pictureTensor(dark, digits);
    expect(await pictureTensor(light, digits)).toEqual({ tensor, inverted: true });
    const { background: _, ...anyBackground } = digits;
    expect((await pictureTensor(light, anyBackground)).inverted).toBe(false);
  });

  test("scales to fit, centred on black with its proportions kept", async () => {
    const { tensor } = await pictureTensor(await encodePng(even(100, 50, 255)), plain);
    expect(tensor.shape).toEqual([1, 1, 4, 4]);
    expect(tensor.toArray()).toEqual([...Array(4).fill(0), ...Array(8).fill(1), ...Array(4).fill(0)]);
  });

  test("makes colour of grey and keeps the channels apart", async () => {
    const colour: Preprocessing = { ...plain, height: 1, width: 1, channels: 3, mean: [0, 0, 0], std: [1, 1, 1] };
    const red = await pictureTensor(await encodePng(even(3, 3, 255, 0, 51)), colour);
    expect(red.tensor.toArray()).toEqual([1, 0, Math.fround(0.2)]);
    const grey = await pictureTensor(await encodePng(even(3, 3, 51)), colour);
    expect(grey.tensor.toArray()).toEqual(Array(3).fill(Math.fround(0.2)));
  });

  test("names the file at fault", async () => {
    await expect(pictureTensor(folder, plain)).rejects.toThrow(`${folder}: found a folder; expected a file.`);
    const missing = join(folder, "no.png");
    await expect(pictureTensor(missing, plain)).rejects.toThrow(`${missing}: no such file. Check the path.`);
    const text = join(folder, "text.png");
    await writeFile(text, "<html>");
    await expect(pictureTensor(text, plain)).rejects.toThrow(
      `${text}: found text (SVG or HTML); expected a PNG, JPEG or WebP picture.`,
    );
    await expect(pictureTensor(new Uint8Array(0), plain)).rejects.toThrow(
      "picture: found an empty file; expected a PNG, JPEG or WebP picture.",
    );
  });
});

test("grey from colour is Rec. 601's luma, and equal channels are themselves", () => {
  const colours = [255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255];
  const picture: Picture = { width: 4, height: 1, channels: 3, data: Uint8Array.from(colours) };
  expect(Array.from(withChannels(picture, 1).data)).toEqual([76, 150, 29, 255]);
  const greys: Picture = {
    width: 256,
    height: 1,
    channels: 1,
    data: Uint8Array.from({ length: 256 }, (_, byte) => byte),
  };
  expect(withChannels(withChannels(greys, 3), 1)).toEqual(greys);
});

test("fitPicture places what is narrower in the middle", async () => {
  const fitted = await fitPicture(even(1, 3, 9), { channels: 1, height: 3, width: 4 });
  expect(Array.from(fitted.data)).toEqual([0, 9, 0, 0, 0, 9, 0, 0, 0, 9, 0, 0]);
});
