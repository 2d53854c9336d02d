import sharp from "sharp";
import { describe, expect, test } from "vitest";
import { StriateError } from "../errors.ts";
import * as browser from "./image.browser.ts";
import type { Picture } from "./image.ts";
import * as image from "./image.ts";

const { decodeImage, encodePng, resizeImage } = image;

const raw = (values: number[], width: number, height: number, channels: 1 | 2 | 3 | 4) =>
  sharp(Uint8Array.from(values), { raw: { width, height, channels } });
const raw16 = (values: number[], width: number, channels: 1 | 3) =>
  sharp(Uint16Array.from(values), { raw: { width, height: 1, channels } });
const decode = async (bytes: Uint8Array) => {
  const { width, height, channels, data } = await decodeImage(bytes, "x");
  return { size: [width, height, channels], data: Array.from(data) };
};
const sentence = (bytes: Uint8Array, subject: string): Promise<string> =>
  decodeImage(bytes, subject).then(
    () => "no error",
    (error) => (error instanceof StriateError ? error.message : `not a StriateError: ${error}`),
  );
const noise = (width: number, height: number, channels: 1 | 3): Picture => ({
  width,
  height,
  channels,
  data: Uint8Array.from({ length: width * height * channels }, (_, index) => (index * 7919) % 256),
});

test("both twins have the same exports", () => {
  expect(Object.keys(browser).sort()).toEqual(Object.keys(image).sort());
});

describe("decodeImage", () => {
  test("gives grey files one channel and coloured ones three", async () => {
    expect(await decode(await raw([1, 2, 3, 4], 2, 2, 1).toColourspace("b-w").png().toBuffer())).toEqual({
      size: [2, 2, 1],
      data: [1, 2, 3, 4],
    });
    const colours = [255, 0, 0, 1, 2, 3];
    const expected = { size: [2, 1, 3], data: colours };
    expect(await decode(await raw(colours, 2, 1, 3).png().toBuffer())).toEqual(expected);
    expect(await decode(await raw(colours, 2, 1, 3).png({ palette: true }).toBuffer())).toEqual(expected);
    expect(await decode(await raw(colours, 2, 1, 3).webp({ lossless: true }).toBuffer())).toEqual(expected);
    const jpeg = await raw([10, 20, 30, 40], 2, 2, 1).toColourspace("b-w").jpeg({ quality: 100 }).toBuffer();
    expect((await decode(jpeg)).size).toEqual([2, 2, 1]);
    const cmyk = await raw(colours, 2, 1, 3).toColourspace("cmyk").jpeg().toBuffer();
    expect((await decode(cmyk)).size).toEqual([2, 1, 3]);
  });

  test("lays transparency on white", async () => {
    const pixels = [255, 0, 0, 0, 0, 0, 0, 128, 1, 2, 3, 255];
    for (const format of [raw(pixels, 3, 1, 4).png(), raw(pixels, 3, 1, 4).webp({ lossless: true })])
      expect(await decode(await format.toBuffer())).toEqual({
        size: [3, 1, 3],
        data: [255, 255, 255, 127, 127, 127, 1, 2, 3],
      });
    const grey = await raw([0, 0, 100, 255], 2, 1, 2).toColourspace("b-w").png().toBuffer();
    expect(await decode(grey)).toEqual({ size: [2, 1, 1], data: [255, 100] });
  });

  test("brings 16 bits to 8", async () => {
    const grey = await raw16([0, 257, 25700, 65535], 4, 1).toColourspace("grey16").png().toBuffer();
    expect(await decode(grey)).toEqual({ size: [4, 1, 1], data: [0, 1, 100, 255] });
    const colour = await raw16([0, 257, 65535, 25700, 514, 0], 2, 3).toColourspace("rgb16").png().toBuffer();
    expect(await decode(colour)).toEqual({ size: [2, 1, 3], data: [0, 1, 255, 100, 2, 0] });
  });

  test("turns a photograph upright as its EXIF says", async () => {
    const jpeg = raw([250, 0, 0, 0, 0, 250], 2, 1, 3).jpeg({ quality: 100, chromaSubsampling: "4:4:4" });
    const { size, data } = await decode(await jpeg.withMetadata({ orientation: 6 }).toBuffer());
    expect(size).toEqual([1, 2, 3]);
    expect(data[0]).toBeGreaterThan(200);
    expect(data[5]).toBeGreaterThan(200);
  });

  test("refuses enormous pictures before decoding them", async () => {
    const enormous = await sharp({ create: { width: 20_000, height: 6_000, channels: 3, background: "red" } })
      .png()
      .toBuffer();
    expect(await sentence(enormous, "wall.png")).toBe(
      "wall.png: found 20000 x 6000 pixels; expected at most 100 million. Scale it down first.",
    );
  });

  test("says what a file is when it is not a picture it reads", async () => {
    const text = (words: string) => new TextEncoder().encode(words);
    const expected = "expected a PNG, JPEG or WebP picture.";
    expect(await sentence(text(""), "a")).toBe(`a: found an empty file; ${expected}`);
    expect(await sentence(text("GIF89a"), "a")).toBe(`a: found a GIF; ${expected}`);
    expect(await sentence(text("\n<svg>"), "a")).toBe(`a: found text (SVG or HTML); ${expected}`);
    expect(await sentence(text("hello"), "a")).toBe(
      `a: found a file that begins with the bytes 68 65 6c 6c; ${expected}`,
    );
  });

  test("says when a picture is cut off or damaged", async () => {
    const source = noise(64, 64, 3);
    const pipeline = () => sharp(source.data, { raw: { width: 64, height: 64, channels: 3 } });
    for (const [format, bytes] of [
      ["PNG", await pipeline().png().toBuffer()],
      ["JPEG", await pipeline().jpeg().toBuffer()],
      ["WebP", await pipeline().webp().toBuffer()],
    ] as const)
      for (const share of [0.02, 0.5, 0.9]) {
        const length = Math.max(12, Math.floor(bytes.length * share));
        expect(await sentence(bytes.subarray(0, length), "cut")).toMatch(
          new RegExp(
            `^cut: found a damaged ${format} picture \\(.+\\); expected a whole one. Fetch or save it again.$`,
          ),
        );
      }
    const damaged = Uint8Array.from(await pipeline().png().toBuffer());
    damaged.fill(0, 200, 260);
    expect(await sentence(damaged, "bad.png")).toContain("bad.png: found a damaged PNG picture");
  });
});

describe("encodePng", () => {
  test("decodes to the same picture, to the bit", async () => {
    for (const picture of [noise(5, 3, 1), noise(4, 7, 3)])
      expect(await decodeImage(await encodePng(picture), "x")).toEqual(picture);
  });

  test("refuses data of another length than the size says", async () => {
    await expect(encodePng({ ...noise(5, 3, 1), width: 6 })).rejects.toThrow(
      "encodePng: found a picture of 6 x 3 x 1 with 15 bytes; expected sides of at least 1 and width x height x channels bytes.",
    );
  });
});

describe("resizeImage", () => {
  const size = ({ width, height, channels }: Picture) => [width, height, channels];

  test("keeps proportions, covers or stretches as told", async () => {
    const wide = noise(8, 4, 3);
    expect(size(await resizeImage(wide, { width: 4, height: 4 }))).toEqual([4, 2, 3]);
    expect(size(await resizeImage(wide, { width: 16, height: 16 }))).toEqual([16, 8, 3]);
    expect(size(await resizeImage(wide, { width: 4, height: 4, fit: "cover" }))).toEqual([4, 4, 3]);
    expect(size(await resizeImage(noise(8, 4, 1), { width: 5, height: 7, fit: "fill" }))).toEqual([5, 7, 1]);
    expect(size(await resizeImage(noise(1000, 1, 1), { width: 10, height: 10 }))).toEqual([10, 1, 1]);
  });

  test("cover keeps the middle", async () => {
    const picture: Picture = { width: 4, height: 2, channels: 1, data: Uint8Array.of(9, 1, 2, 9, 9, 3, 4, 9) };
    const { data } = await resizeImage(picture, { width: 2, height: 2, fit: "cover" });
    expect(Array.from(data)).toEqual([1, 2, 3, 4]);
  });

  test("keeps an even picture even, and returns one of the right size as it is", async () => {
    const even: Picture = { width: 9, height: 9, channels: 1, data: new Uint8Array(81).fill(77) };
    const { data } = await resizeImage(even, { width: 4, height: 4 });
    expect(new Set(data)).toEqual(new Set([77]));
    expect(await resizeImage(even, { width: 9, height: 9 })).toBe(even);
    expect(await resizeImage(even, { width: 9, height: 20 })).toBe(even);
  });

  test("refuses a size that is none", async () => {
    await expect(resizeImage(noise(2, 2, 1), { width: 0, height: 2 })).rejects.toThrow(
      "resizeImage: found a size of 0 x 2; expected whole numbers of at least 1.",
    );
  });
});
