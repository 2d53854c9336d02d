/** Generated images of one orientation each: the skeleton that lines and their out-of-domain relatives share. */
import { StriateError } from "../errors.ts";
import type { Preprocessing } from "../models/preprocessing.ts";
import { normalQuantile, type Random } from "../tensor/random.ts";
import { Tensor } from "../tensor/tensor.ts";
import { Dataset } from "./dataset.ts";

/** Height and width of a generated image, pixels. */
export const orientedSize = 64;

const pixelsPerImage = orientedSize * orientedSize;

/** The classes' names, in the order of their labels. */
export const orientations = ["vertical", "horizontal"] as const;

/** Images [count, 1, 64, 64], float32, mid-grey 0, about -1 (dark) to 1 (light), and their labels. */
export interface OrientedImages {
  readonly images: Tensor;
  /** 0: vertical, 1: horizontal. */
  readonly labels: Int32Array;
}

/** Draws horizontal structure on a mid-grey image (64x64, row-major, all 0). */
export type DrawHorizontal = (image: Float32Array, random: Random) => void;

/**
 * Images of which the even ones are vertical (class 0) and the odd ones horizontal: each is drawn horizontal, transposed
 * where it is to be vertical, and given white noise whose deviation is drawn uniformly from [0.02, 0.10] for the image.
 *
 * @param streamOf the random numbers of an image by its index, so that each image depends on nothing but those
 */
export function orientedImages(
  count: number,
  draw: DrawHorizontal,
  streamOf: (index: number) => Random,
): OrientedImages {
  if (!Number.isSafeInteger(count) || count < 1)
    throw new StriateError({ subject: "images", found: `count ${count}`, expected: "a whole number of at least 1" });
  const data = new Float32Array(count * pixelsPerImage);
  const labels = Int32Array.from({ length: count }, (_, index) => index % 2);
  for (let index = 0; index < count; index++) {
    const image = data.subarray(index * pixelsPerImage, (index + 1) * pixelsPerImage);
    const random = streamOf(index);
    draw(image, random);
    if (labels[index] === 0) transpose(image);
    addNoise(image, random.uniform(0.02, 0.1), random);
  }
  return { images: new Tensor("float32", [count, 1, orientedSize, orientedSize], data), labels };
}

function transpose(image: Float32Array): void {
  for (let row = 1; row < orientedSize; row++)
    for (let column = 0; column < row; column++) {
      const [below, above] = [row * orientedSize + column, column * orientedSize + row];
      const kept = image[below]!;
      image[below] = image[above]!;
      image[above] = kept;
    }
}

/** The normal distribution's quantiles in the middles of 65,536 equal parts of probability; made when first needed. */
let levels: Float32Array | undefined;

/** Adds white noise: normal, in 65,536 equally likely levels, two of them from each 32 random bits. */
export function addNoise(values: Float32Array, deviation: number, random: Random): void {
  levels ??= Float32Array.from({ length: 0x10000 }, (_, index) => normalQuantile((index + 0.5) / 0x10000));
  for (let index = 0; index < values.length; index += 2) {
    const bits = random.bits();
    values[index] = values[index]! + deviation * levels[bits >>> 16]!;
    if (index + 1 < values.length) values[index + 1] = values[index + 1]! + deviation * levels[bits & 0xffff]!;
  }
}

/** Fills rows `top` to `top + height` and columns `left` to `left + width`, as far as they are in the image. */
export function fillRectangle(
  image: Float32Array,
  { top, left, height, width }: Readonly<Record<"top" | "left" | "height" | "width", number>>,
  value: number,
): void {
  const [from, to] = [Math.max(0, left), Math.min(orientedSize, left + width)];
  for (let row = Math.max(0, top); row < Math.min(orientedSize, top + height); row++)
    if (to > from) image.fill(value, row * orientedSize + from, row * orientedSize + to);
}

/** A contrast: uniform on [low, high), light or dark with equal chance. */
export const signedContrast = (random: Random, low: number, high: number): number =>
  random.uniform(low, high) * (random.uniform() < 0.5 ? 1 : -1);

/**
 * How a picture file becomes such an image: grey, 64x64, and a byte b to (b - 127.5) / 110, so that 0 is mid-grey and
 * noise of the largest contrast still fits into a byte.
 */
export const orientedPreprocessing: Preprocessing = {
  channels: 1,
  height: orientedSize,
  width: orientedSize,
  padding: 0,
  mean: [0.5],
  std: [110 / 255],
};

/** The images as they are: their numbers reach a network unchanged. */
const unchanged: Preprocessing = { ...orientedPreprocessing, mean: [0], std: [1] };

/** The images as a dataset that shares their numbers and gives them to a network unchanged. */
export const asDataset = (name: string, { images, labels }: OrientedImages): Dataset =>
  new Dataset({ name, classes: orientations, images, labels, preprocessing: unchanged });

/** The images as a dataset of pixels 0 … 1 (noise may pass them a little), which preprocessing brings back. */
export function asPictures(name: string, { images, labels }: OrientedImages): Dataset {
  const [mean, std] = [orientedPreprocessing.mean[0]!, orientedPreprocessing.std[0]!];
  const values = images.numbers;
  const pixels = new Float32Array(values.length);
  for (let index = 0; index < pixels.length; index++) pixels[index] = mean + std * values[index]!;
  const pictures = new Tensor("float32", images.shape, pixels);
  const preprocessing = orientedPreprocessing;
  return new Dataset({ name, classes: orientations, images: pictures, labels, preprocessing });
}
