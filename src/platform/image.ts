/**
 * Pictures in Node, by sharp (libvips). The browser's twin is image.browser.ts.
 */
import type { Sharp, SharpOptions } from "sharp";
import { StriateError } from "../errors.ts";
import {
  checkPicture,
  checkPixels,
  isIdentity,
  maximumPixels,
  type Picture,
  pictureFormat,
  planResize,
  type ResizeOptions,
} from "./image-format.ts";

export type { Fit, Picture, ResizeOptions } from "./image-format.ts";

type MakeSharp = (input: Uint8Array, options?: SharpOptions) => Sharp;

/** sharp holds native code: it is loaded when the first picture is, and a failure to load it is said plainly. */
async function loadSharp(): Promise<MakeSharp> {
  try {
    return (await import("sharp")).default;
  } catch (cause) {
    throw new StriateError({
      subject: "sharp",
      found: "the picture library cannot be loaded",
      mend: "Install again with optional dependencies on this machine: npm install --include=optional sharp",
      cause,
    });
  }
}

/**
 * A picture from the bytes of a PNG, JPEG or WebP file: turned upright as its EXIF orientation says, 16 bits a channel
 * brought to 8, colours brought to sRGB, transparency laid on white as on a page; of an animation, the first picture.
 * Grey files give one channel, all others three.
 *
 * @param subject the file's name, for messages
 * @throws StriateError naming the file when it is of another format, damaged or cut off, or has more than 100 million pixels.
 */
export async function decodeImage(bytes: Uint8Array, subject: string): Promise<Picture> {
  const format = pictureFormat(bytes, subject);
  const sharp = await loadSharp();
  try {
    const source = sharp(bytes, { failOn: "error", limitInputPixels: false });
    const facts = await source.metadata();
    checkPixels(facts.width, facts.height, subject);
    const isGrey = facts.space === "b-w" || facts.space === "grey16";
    const { data, info } = await sharp(bytes, { failOn: "error", limitInputPixels: maximumPixels, autoOrient: true })
      .flatten({ background: "white" })
      .toColourspace(isGrey ? "b-w" : "srgb")
      .raw({ depth: "uchar" })
      .toBuffer({ resolveWithObject: true });
    return await fromRaw(data, info, isGrey ? 1 : 3);
  } catch (cause) {
    if (cause instanceof StriateError) throw cause;
    throw new StriateError({
      subject,
      found: `a damaged ${format} picture (${firstLine(cause)})`,
      expected: "a whole one",
      mend: "Fetch or save it again",
      cause,
    });
  }
}

/**
 * A picture scaled to another size (Lanczos, three lobes; averaging as it shrinks). Where the size is already right the
 * picture itself is returned.
 *
 * @throws StriateError when the size is not whole numbers of at least 1.
 */
export async function resizeImage(picture: Picture, options: ResizeOptions): Promise<Picture> {
  const plan = planResize(picture, options);
  if (isIdentity(picture, plan)) return picture;
  const pipeline = await fromPicture(picture);
  const { data, info } = await pipeline
    .extract({ left: plan.left, top: plan.top, width: plan.width, height: plan.height })
    .resize({ width: plan.targetWidth, height: plan.targetHeight, fit: "fill", kernel: "lanczos3" })
    .raw({ depth: "uchar" })
    .toBuffer({ resolveWithObject: true });
  return fromRaw(data, info, picture.channels);
}

/** A picture as the bytes of a PNG file, to the bit the same when decoded again. */
export async function encodePng(picture: Picture): Promise<Uint8Array> {
  checkPicture(picture, "encodePng");
  const buffer = await (await fromPicture(picture)).png().toBuffer();
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.length);
}

async function fromPicture({ width, height, channels, data }: Picture): Promise<Sharp> {
  const sharp = await loadSharp();
  return sharp(data, { raw: { width, height, channels } }).toColourspace(channels === 1 ? "b-w" : "srgb");
}

function fromRaw(
  data: Uint8Array,
  { width, height, channels }: { width: number; height: number; channels: number },
  expected: 1 | 3,
): Picture {
  if (channels !== expected)
    throw new StriateError({ subject: "sharp", found: `${channels} channels`, expected: String(expected) });
  return {
    width,
    height,
    channels: expected,
    data: new Uint8Array(data.buffer, data.byteOffset, data.length),
  };
}

const firstLine = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).split("\n")[0]!.replace(/[\s:]+$/, "");
