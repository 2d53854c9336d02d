/** What the two homes of pictures, Node's (image.ts) and the browser's (image.browser.ts), have in common. */
import { StriateError } from "../errors.ts";

/** A decoded picture: 8 bits a channel, interleaved, row by row from the top. */
export interface Picture {
  readonly width: number;
  readonly height: number;
  /** 1: grey. 3: red, green, blue (sRGB). */
  readonly channels: 1 | 3;
  /** Element `(row * width + column) * channels + channel`, 0 to 255. */
  readonly data: Uint8Array;
}

/**
 * How a picture fills a size of another shape: `inside` keeps its proportions and may come out smaller than asked in
 * one direction, `cover` keeps them and cuts off what is over on both sides, `fill` stretches.
 */
export type Fit = "inside" | "cover" | "fill";

export interface ResizeOptions {
  readonly width: number;
  readonly height: number;
  /** `inside` unless given. */
  readonly fit?: Fit;
}

/** The most pixels of a picture that is decoded: a small file can hold an enormous one. */
export const maximumPixels = 100_000_000;

export const pictureFormats = ["PNG", "JPEG", "WebP"] as const;
export type PictureFormat = (typeof pictureFormats)[number];

const ascii = (bytes: Uint8Array, from: number, to: number): string => String.fromCharCode(...bytes.subarray(from, to));

/**
 * The format of a picture file, by its first bytes and not by its name.
 *
 * @throws StriateError naming `subject` when it is none of PNG, JPEG and WebP.
 */
export function pictureFormat(bytes: Uint8Array, subject: string): PictureFormat {
  if (ascii(bytes, 1, 4) === "PNG" && bytes[0] === 0x89) return "PNG";
  if (bytes[0] === 0xff && bytes[1] === 0xd8 && bytes[2] === 0xff) return "JPEG";
  if (ascii(bytes, 0, 4) === "RIFF" && ascii(bytes, 8, 12) === "WEBP") return "WebP";
  throw new StriateError({
    subject,
    found: bytes.length === 0 ? "an empty file" : `${otherFormat(bytes)}`,
    expected: "a PNG, JPEG or WebP picture",
  });
}

function otherFormat(bytes: Uint8Array): string {
  if (ascii(bytes, 0, 4) === "GIF8") return "a GIF";
  if (ascii(bytes, 0, 2) === "BM") return "a BMP";
  if (["II*\0", "MM\0*"].includes(ascii(bytes, 0, 4))) return "a TIFF";
  if (ascii(bytes, 4, 8) === "ftyp") return "an AVIF, HEIC or video file";
  if (ascii(bytes, 0, 4) === "%PDF") return "a PDF";
  if (/^\s*<(\?xml|svg|!doctype|html)/i.test(ascii(bytes, 0, 200))) return "text (SVG or HTML)";
  const start = Array.from(bytes.subarray(0, 4), (byte) => byte.toString(16).padStart(2, "0")).join(" ");
  return `a file that begins with the bytes ${start}`;
}

/** @throws StriateError when a picture has more pixels than are decoded. */
export function checkPixels(width: number, height: number, subject: string): void {
  if (width * height > maximumPixels)
    throw new StriateError({
      subject,
      found: `${width} x ${height} pixels`,
      expected: `at most ${maximumPixels / 1e6} million`,
      mend: "Scale it down first",
    });
}

/** @throws StriateError when a picture's data are not as many as its size says. */
export function checkPicture(picture: Picture, subject: string): void {
  const { width, height, channels, data } = picture;
  if (!isLength(width) || !isLength(height) || data.length !== width * height * channels)
    throw new StriateError({
      subject,
      found: `a picture of ${width} x ${height} x ${channels} with ${data.length} bytes`,
      expected: "sides of at least 1 and width x height x channels bytes",
    });
}

const isLength = (length: number): boolean => Number.isSafeInteger(length) && length >= 1;

/** The part of a picture that is kept, and the size it is scaled to. */
export interface ResizePlan {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
  readonly targetWidth: number;
  readonly targetHeight: number;
}

/** @throws StriateError when the size asked for is not whole, or larger than pictures may be. */
export function planResize(picture: Picture, { width, height, fit = "inside" }: ResizeOptions): ResizePlan {
  checkPicture(picture, "resizeImage");
  if (!isLength(width) || !isLength(height))
    throw new StriateError({
      subject: "resizeImage",
      found: `a size of ${width} x ${height}`,
      expected: "whole numbers of at least 1",
    });
  checkPixels(width, height, "resizeImage");
  const all = { left: 0, top: 0, width: picture.width, height: picture.height };
  const [across, down] = [width / picture.width, height / picture.height];
  const scaled = (length: number, scale: number, limit: number) =>
    Math.min(limit, Math.max(1, Math.round(length * scale)));
  if (fit === "fill") return { ...all, targetWidth: width, targetHeight: height };
  if (fit === "inside") {
    const scale = Math.min(across, down);
    const targetWidth = scaled(picture.width, scale, width);
    return { ...all, targetWidth, targetHeight: scaled(picture.height, scale, height) };
  }
  const scale = Math.max(across, down);
  const keptWidth = scaled(width, 1 / scale, picture.width);
  const keptHeight = scaled(height, 1 / scale, picture.height);
  return {
    left: Math.floor((picture.width - keptWidth) / 2),
    top: Math.floor((picture.height - keptHeight) / 2),
    width: keptWidth,
    height: keptHeight,
    targetWidth: width,
    targetHeight: height,
  };
}

/** Whether a plan changes nothing, so that the picture itself is the answer, to the bit. */
export const isIdentity = (picture: Picture, plan: ResizePlan): boolean =>
  plan.width === picture.width &&
  plan.height === picture.height &&
  plan.targetWidth === picture.width &&
  plan.targetHeight === picture.height;
