import { StriateError } from "../errors.ts";
import { imageWriter } from "../models/preprocessing.ts";
import type { TypedArray } from "../tensor/dtype.ts";
import { Random } from "../tensor/random.ts";
import { formatShape } from "../tensor/shape.ts";
import { Tensor } from "../tensor/tensor.ts";
import type { Augmentation } from "./augment.ts";
import type { Dataset } from "./dataset.ts";

export interface BatchOptions {
  /** Images in a batch. */
  readonly size: number;
  /** Which orders are drawn when shuffling; 0 unless given. */
  readonly seed?: number;
  /** Counts from 0: each epoch has its own order; 0 unless given. */
  readonly epoch?: number;
  /** Whether the order is drawn at random; the dataset's own unless given. */
  readonly shuffle?: boolean;
  /**
   * What becomes of a last batch that is not full: `keep` (unless given), `drop`, or `pad` it with the images that the
   * epoch began with.
   */
  readonly lastPartial?: "keep" | "drop" | "pad";
  /** How images are changed at random, one after the other: a function of seed, epoch and the image's index alone. */
  readonly augment?: readonly Augmentation[];
}

export interface Batch {
  /** Preprocessed, float32: [batch, channels, height, width]. */
  readonly images: Tensor;
  /** int64: [batch]. */
  readonly labels: Tensor;
  /** Where in the dataset each image is. */
  readonly indices: Uint32Array;
}

/** The number of batches that `batches` gives. */
export const batchCount = (count: number, { size, lastPartial = "keep" }: BatchOptions): number =>
  lastPartial === "drop" ? Math.floor(count / size) : Math.ceil(count / size);

/**
 * The order of an epoch: 0 to count - 1 permuted, a function of (seed, epoch) alone.
 *
 * @throws StriateError when seed or epoch is not a whole number of at least 0.
 */
export function epochOrder(count: number, seed: number, epoch: number): Uint32Array {
  if (!Number.isSafeInteger(epoch) || epoch < 0)
    throw new StriateError({ subject: "batches", found: `epoch ${epoch}`, expected: "a whole number of at least 0" });
  return new Random(seed, "order", epoch).permutation(count);
}

/**
 * A dataset's images, augmented and preprocessed, batch by batch: every image once. Can be walked through more than
 * once, each time the same. The tensors are fresh ones, the caller's to keep or give away.
 *
 * @throws StriateError when the size is not a whole number of at least 1, no batch would be left, or an augmentation
 * changes a picture's type or shape.
 *
 * @example
 * import { batches, mnist } from "striate";
 *
 * const { test } = await mnist("data/mnist");
 * for (const { images, labels } of batches(test, { size: 100 })) console.log(images.shape, labels.shape);
 */
export function batches(dataset: Dataset, options: BatchOptions): Iterable<Batch> {
  const { size, seed = 0, epoch = 0, shuffle = false, lastPartial, augment = [] } = options;
  if (!Number.isSafeInteger(size) || size < 1)
    throw new StriateError({ subject: "batches", found: `size ${size}`, expected: "a whole number of at least 1" });
  const total = batchCount(dataset.count, options);
  if (total === 0)
    throw new StriateError({
      subject: "batches",
      found: `${dataset.count} images of ${dataset.name} for batches of ${size}, the last partial one dropped`,
      expected: "at least one full batch",
      mend: `Choose a size of at most ${dataset.count}`,
    });
  const drawn = shuffle
    ? epochOrder(dataset.count, seed, epoch)
    : Uint32Array.from({ length: dataset.count }, (_, index) => index);
  const order =
    lastPartial === "pad"
      ? Uint32Array.from({ length: total * size }, (_, place) => drawn[place % drawn.length]!)
      : drawn;
  const [channels, height, width] = dataset.inputShape;
  const length = channels * height * width;
  const { images, labels } = dataset;
  const pixels = images.numbers;
  const pixelsPerImage = images.size / dataset.count;
  const write = imageWriter(dataset.preprocessing, images.dtype === "uint8" ? "bytes" : "unit");
  const labelNumbers = dataset.classes.map((_, label) => BigInt(label));

  const augmented = (index: number): TypedArray => {
    const random = new Random(seed, "augment", epoch, index);
    const image = images.slice(index, index + 1).reshape(images.shape.slice(1));
    const changed = augment.reduce((each, change) => change(each, random), image);
    if (changed.dtype !== image.dtype || formatShape(changed.shape) !== formatShape(image.shape))
      throw new StriateError({
        subject: "augment",
        found: `${changed.dtype} ${formatShape(changed.shape)}`,
        expected: `${image.dtype} ${formatShape(image.shape)}, as the picture was`,
      });
    return changed.data;
  };

  function* walk(): Generator<Batch, void, undefined> {
    for (let batch = 0; batch < total; batch++) {
      const indices = order.slice(batch * size, Math.min((batch + 1) * size, order.length));
      const inputs = new Float32Array(indices.length * length);
      const targets = new BigInt64Array(indices.length);
      for (let position = 0; position < indices.length; position++) {
        const index = indices[position]!;
        if (augment.length === 0) write(pixels, index * pixelsPerImage, inputs, position * length);
        else write(augmented(index), 0, inputs, position * length);
        targets[position] = labelNumbers[labels[index]!]!;
      }
      yield {
        images: new Tensor("float32", [indices.length, channels, height, width], inputs),
        labels: new Tensor("int64", [indices.length], targets),
        indices,
      };
    }
  }
  return { [Symbol.iterator]: walk };
}
