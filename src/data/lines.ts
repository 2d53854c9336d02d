/** The running example's images: lines that are all vertical or all horizontal. Chapter, section 1.4.1. */
import { Random } from "../tensor/random.ts";
import type { Dataset } from "./dataset.ts";
import {
  asPictures,
  fillRectangle,
  type OrientedImages,
  orientedImages,
  orientedSize,
  signedContrast,
} from "./oriented.ts";

export interface LinesOptions {
  /** 0 unless given. */
  readonly seed?: number;
  /** Which of the seed's sets: `train`, `validation`, `test` or any other name; no two share an image. */
  readonly split: string;
  readonly count: number;
}

/** How thick lines are, pixels. */
export const lineThickness = { least: 1, most: 4 } as const;

/** Rows between a line and the image's edge: a line cut by the edge would be one only in part. */
const margin = 4;

/**
 * One to eight lines, one over the other: 16 to 64 long, 1 to 4 thick, lighter or darker than the ground by 0.3 to 1.
 */
function drawLines(image: Float32Array, random: Random): void {
  const lines = random.integer(1, 8);
  for (let line = 0; line < lines; line++) {
    const width = random.integer(16, orientedSize);
    const height = random.integer(lineThickness.least, lineThickness.most);
    const top = random.integer(margin, orientedSize - height - margin);
    const left = random.integer(0, orientedSize - width);
    fillRectangle(image, { top, left, height, width }, signedContrast(random, 0.3, 1));
  }
}

/**
 * Images of vertical lines (class 0, the even ones) or horizontal lines (class 1) on noise, mid-grey 0: [count, 1, 64, 64].
 * Each is a function of seed, split and its index alone.
 *
 * @throws StriateError when the count is not a whole number of at least 1
 */
export const linesImages = ({ seed = 0, split, count }: LinesOptions): OrientedImages =>
  orientedImages(count, drawLines, (index) => new Random(seed, "lines", split, index));

/**
 * The running example's images as a dataset: vertical or horizontal lines of varying number, length, thickness, place and
 * contrast, on noise.
 *
 * @throws StriateError when the count is not a whole number of at least 1
 *
 * @example
 * import { linesData } from "striate";
 *
 * const data = linesData({ seed: 1, split: "train", count: 8 });
 * console.assert(data.inputShape.join("x") === "1x64x64" && data.labels[1] === 1);
 */
export const linesData = (options: LinesOptions): Dataset => asPictures(`lines ${options.split}`, linesImages(options));
