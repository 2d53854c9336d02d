/**
 * Pictures in a browser, by its own decoders and a canvas.
 */
import { StriateError } from "../errors.ts";
import {
  checkPicture,
  checkPixels,
  isIdentity,
  type Picture,
  pictureFormat,
  planResize,
  type ResizeOptions,
} from "./image-format.ts";

export type { Fit, Picture, ResizeOptions } from "./image-format.ts";

/**
 * A picture from the bytes of a PNG, JPEG or WebP file: turned upright as its EXIF orientation says, 8 bits a channel,
 * transparency laid on white as on a page; of an animation, the first picture. Pictures without any colour give one
 * channel, all others three.
 *
 * @param subject the file's name, for messages
 * @throws StriateError naming the file when it is of another format, damaged, or has more than 100 million pixels.
 */
export async function decodeImage(bytes: Uint8Array, subject: string): Promise<Picture> {
  const format = pictureFormat(bytes, subject);
  let bitmap: ImageBitmap;
  try {
    const file = new Blob([bytes as Uint8Array<ArrayBuffer>], { type: `image/${format.toLowerCase()}` });
    bitmap = await createImageBitmap(file, { imageOrientation: "from-image" });
  } catch (cause) {
    throw new StriateError({
      subject,
      found: `a damaged ${format} picture`,
      expected: "a whole one",
      mend: "Fetch or save it again",
      cause,
    });
  }
  try {
    const { width, height } = bitmap;
    checkPixels(width, height, subject);
    const { context } = makeCanvas(width, height);
    context.fillStyle = "white";
    context.fillRect(0, 0, width, height);
    context.drawImage(bitmap, 0, 0);
    return withoutAlpha(context.getImageData(0, 0, width, height));
  } finally {
    bitmap.close();
  }
}

/**
 * A picture scaled to another size by the browser's best method. Where the size is already right the picture itself is
 * returned.
 *
 * @throws StriateError when the size is not whole numbers of at least 1.
 */
export async function resizeImage(picture: Picture, options: ResizeOptions): Promise<Picture> {
  const plan = planResize(picture, options);
  if (isIdentity(picture, plan)) return picture;
  const source = drawn(picture).canvas;
  const { context } = makeCanvas(plan.targetWidth, plan.targetHeight);
  context.imageSmoothingEnabled = true;
  context.imageSmoothingQuality = "high";
  const { left, top, width, height, targetWidth, targetHeight } = plan;
  context.drawImage(source, left, top, width, height, 0, 0, targetWidth, targetHeight);
  return withoutAlpha(context.getImageData(0, 0, targetWidth, targetHeight), picture.channels);
}

/** A picture as the bytes of a PNG file, to the bit the same when decoded again. */
export async function encodePng(picture: Picture): Promise<Uint8Array> {
  checkPicture(picture, "encodePng");
  const blob = await drawn(picture).canvas.convertToBlob({ type: "image/png" });
  return new Uint8Array(await blob.arrayBuffer());
}

function makeCanvas(width: number, height: number) {
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  if (context === null)
    throw new StriateError({ subject: "OffscreenCanvas", found: "no 2D context", expected: "a browser that has one" });
  return { canvas, context };
}

function drawn({ width, height, channels, data }: Picture) {
  const { canvas, context } = makeCanvas(width, height);
  const pixels = context.createImageData(width, height);
  for (let pixel = 0; pixel < width * height; pixel++) {
    for (let channel = 0; channel < 3; channel++)
      pixels.data[pixel * 4 + channel] = data[pixel * channels + (channels === 1 ? 0 : channel)]!;
    pixels.data[pixel * 4 + 3] = 255;
  }
  context.putImageData(pixels, 0, 0);
  return { canvas, context };
}

/** Red, green and blue of opaque pixels, or one channel when told or when all three are equal everywhere. */
function withoutAlpha({ width, height, data: pixels }: ImageData, channels?: 1 | 3): Picture {
  const count = width * height;
  const kept = channels ?? (isColourless(pixels) ? 1 : 3);
  const data = new Uint8Array(count * kept);
  for (let pixel = 0; pixel < count; pixel++)
    for (let channel = 0; channel < kept; channel++) data[pixel * kept + channel] = pixels[pixel * 4 + channel]!;
  return { width, height, channels: kept, data };
}

function isColourless(pixels: Uint8ClampedArray): boolean {
  for (let offset = 0; offset < pixels.length; offset += 4)
    if (pixels[offset] !== pixels[offset + 1] || pixels[offset] !== pixels[offset + 2]) return false;
  return true;
}
