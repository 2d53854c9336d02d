/** Augmentation: pictures changed at random before each use, so that no two epochs train on the same ones. */
import { StriateError } from "../errors.ts";
import { allocate } from "../tensor/dtype.ts";
import type { Random } from "../tensor/random.ts";
import { Tensor } from "../tensor/tensor.ts";

/**
 * A picture changed at random, drawn from a stream of its own: from pixels [channels, height, width] as a dataset holds
 * them (bytes of 0 … 255 or floats of 0 … 1, before normalisation) to pixels of the same type and shape.
 */
export type Augmentation = (image: Tensor, random: Random) => Tensor;

/** [channels, height, width] of a picture, and a new one of its size, black. */
function blankLike({ dtype, shape, size }: Tensor) {
  const [channels, height, width] = shape as readonly [number, number, number];
  return { channels, height, width, data: allocate(dtype, size) as Uint8Array<ArrayBuffer> };
}

/**
 * A window of the picture's own size, placed at random on the picture with `padding` black pixels around it: a shift by
 * at most `padding` along each axis. Unless given, the padding is an eighth of the height and of the width: 4 of 32.
 * K. He et al., "Deep residual learning for image recognition", CVPR 2016, section 4.2.
 *
 * @throws StriateError when the padding is not a whole number of at least 0.
 *
 * @example
 * import { fit, linesData, linesNetwork, randomCrop, randomFlip } from "striate";
 *
 * const data = linesData({ seed: 1, split: "train", count: 32 });
 * const augment = [randomCrop({ padding: 4 }), randomFlip()];
 * await fit(linesNetwork(), data, { epochs: 1, augment, seed: 1 }).result;
 */
export function randomCrop({ padding }: { readonly padding?: number } = {}): Augmentation {
  if (padding !== undefined && !(Number.isSafeInteger(padding) && padding >= 0))
    throw new StriateError({
      subject: "randomCrop",
      found: `padding ${padding}`,
      expected: "a whole number of at least 0",
    });
  return (image, random) => {
    const { channels, height, width, data } = blankLike(image);
    const source = image.numbers;
    const shift = (length: number) => {
      const most = padding ?? Math.round(length / 8);
      return random.integer(-most, most);
    };
    const [down, across] = [shift(height), shift(width)];
    const [first, last] = [Math.max(0, -across), Math.min(width, width - across)];
    for (let row = 0; row < channels * height; row++) {
      const from = (row % height) + down;
      if (from < 0 || from >= height || first >= last) continue;
      const start = (row + down) * width + across;
      data.set(source.subarray(start + first, start + last), row * width + first);
    }
    return new Tensor(image.dtype, image.shape, data);
  };
}

/**
 * The picture mirrored, left for right, in `probability` of all cases: half unless given.
 *
 * @throws StriateError when the probability is not between 0 and 1.
 */
export function randomFlip({ probability = 0.5 }: { readonly probability?: number } = {}): Augmentation {
  if (!(probability >= 0 && probability <= 1))
    throw new StriateError({ subject: "randomFlip", found: `probability ${probability}`, expected: "between 0 and 1" });
  return (image, random) => {
    if (random.uniform() >= probability) return image;
    const { channels, height, width, data } = blankLike(image);
    const source = image.numbers;
    for (let row = 0; row < channels * height; row++)
      for (let column = 0; column < width; column++)
        data[row * width + column] = source[(row + 1) * width - 1 - column]!;
    return new Tensor(image.dtype, image.shape, data);
  };
}

const augmentations = { crop: randomCrop, flip: randomFlip } as const;

export type AugmentationName = keyof typeof augmentations;
export const augmentationNames = Object.keys(augmentations) as AugmentationName[];

/** An augmentation by its name, with its defaults. */
export const augmentationOf = (name: AugmentationName): Augmentation => augmentations[name]();
