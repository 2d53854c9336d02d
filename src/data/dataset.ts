import { StriateError } from "../errors.ts";
import { inputShape, type Preprocessing } from "../models/preprocessing.ts";
import { Random } from "../tensor/random.ts";
import { formatShape } from "../tensor/shape.ts";
import { Tensor } from "../tensor/tensor.ts";

/** What a dataset is made of. */
export interface DatasetParts {
  /** What messages and reports call it: `mnist train`. */
  readonly name: string;
  /** The classes' names; a label is an index into them. */
  readonly classes: readonly string[];
  /** uint8 pixels of 0 … 255 or float32 ones of 0 … 1: [count, channels, height, width]. */
  readonly images: Tensor;
  /** One for each image, 0 to classes - 1. */
  readonly labels: ArrayLike<number>;
  /** How the images become a network's input. */
  readonly preprocessing: Preprocessing;
}

/**
 * Labelled images in memory: what a classifier is trained and evaluated on. Immutable; parts of it are new datasets.
 *
 * @example
 * import { Dataset, zeros } from "striate";
 *
 * const preprocessing = { channels: 1, height: 2, width: 2, padding: 0, mean: [0], std: [1] } as const;
 * const images = zeros([3, 1, 2, 2], "uint8");
 * const data = new Dataset({ name: "dots", classes: ["a", "b"], images, labels: [0, 1, 0], preprocessing });
 * console.assert(data.take(2).count === 2 && data.inputShape.join() === "1,2,2");
 */
export class Dataset {
  readonly name: string;
  readonly count: number;
  readonly classes: readonly string[];
  readonly images: Tensor;
  readonly labels: Int32Array;
  readonly preprocessing: Preprocessing;

  /** @throws StriateError when images, labels, classes and preprocessing do not belong together. */
  constructor({ name, classes, images, labels, preprocessing }: DatasetParts) {
    this.name = name;
    this.count = images.shape[0] ?? 0;
    this.classes = [...classes];
    this.images = images;
    this.labels = Int32Array.from(labels);
    this.preprocessing = preprocessing;
    this.#check(labels);
  }

  /** @param labels as they were given: whole numbers or not */
  #check(labels: ArrayLike<number>): void {
    const { name: subject, images, classes, preprocessing } = this;
    const { channels, height, width } = preprocessing;
    const expected = `${channels}x${height}x${width}`;
    if (images.shape.length !== 4 || formatShape(images.shape.slice(1)) !== expected)
      throw new StriateError({
        subject,
        found: `images of shape ${formatShape(images.shape)}`,
        expected: `Nx${expected}`,
      });
    if (images.dtype !== "uint8" && images.dtype !== "float32")
      throw new StriateError({ subject, found: `images of ${images.dtype}`, expected: "uint8 or float32" });
    if (labels.length !== this.count)
      throw new StriateError({
        subject,
        found: `${this.count} images and ${labels.length} labels`,
        expected: "as many",
      });
    if (this.count === 0) throw new StriateError({ subject, found: "no images", expected: "at least one" });
    const wrong = this.labels.findIndex(
      (label, index) => label !== labels[index] || label < 0 || label >= classes.length,
    );
    if (wrong >= 0)
      throw new StriateError({
        subject,
        found: `label ${labels[wrong]} at ${wrong}`,
        expected: `0 to ${classes.length - 1}, as there are ${classes.length} classes`,
      });
  }

  /** The shape of one preprocessed image, [channels, height, width], the padding included: a network's input. */
  get inputShape(): [number, number, number] {
    return inputShape(this.preprocessing);
  }

  /**
   * The images at `indices`, in that order, copied; one may be there more than once.
   *
   * @throws StriateError when an index is not one of an image's, or there are none.
   */
  subset(indices: ArrayLike<number>, name = this.name): Dataset {
    const row = this.images.size / this.count;
    const pixels = this.images.numbers;
    const data =
      this.images.dtype === "uint8" ? new Uint8Array(row * indices.length) : new Float32Array(row * indices.length);
    const labels = new Int32Array(indices.length);
    for (let position = 0; position < indices.length; position++) {
      const index = indices[position]!;
      if (!Number.isInteger(index) || index < 0 || index >= this.count)
        throw new StriateError({
          subject: `${this.name}.subset`,
          found: `index ${index}`,
          expected: `whole numbers from 0 to ${this.count - 1}`,
        });
      data.set(pixels.subarray(index * row, (index + 1) * row), position * row);
      labels[position] = this.labels[index]!;
    }
    const images = new Tensor(this.images.dtype, [indices.length, ...this.images.shape.slice(1)], data);
    return new Dataset({ ...this, name, images, labels });
  }

  /**
   * The same images with their labels counted in the order of `classes`, as a model has them. Classes without images may
   * be among them.
   *
   * @throws StriateError when one of the dataset's own classes is not.
   */
  withClasses(classes: readonly string[]): Dataset {
    const places = this.classes.map((name) => classes.indexOf(name));
    const unknown = this.classes[places.indexOf(-1)];
    if (unknown !== undefined)
      throw new StriateError({
        subject: this.name,
        found: `class "${unknown}"`,
        expected: `one of ${classes.join(", ")}`,
        mend: "Name the folders as the model's classes are called",
      });
    return new Dataset({ ...this, classes, labels: this.labels.map((label) => places[label]!) });
  }

  /**
   * The first `count` images, sharing their pixels; all of them where there are no more. Folders are sorted by class:
   * `split` draws from all classes.
   *
   * @throws StriateError when the count is not a whole number of at least 1.
   */
  take(count: number): Dataset {
    if (!Number.isInteger(count) || count < 1)
      throw new StriateError({
        subject: `${this.name}.take`,
        found: `count ${count}`,
        expected: "a whole number of at least 1",
      });
    if (count >= this.count) return this;
    return new Dataset({ ...this, images: this.images.slice(0, count), labels: this.labels.subarray(0, count) });
  }

  /**
   * Two datasets: `held` has the given share of each class (rounded down), drawn by the seed, `rest` all others. Both
   * keep the order.
   *
   * @throws StriateError when the share is not between 0 and 1, or leaves either side without images.
   */
  split(share: number, seed: number): { rest: Dataset; held: Dataset } {
    const room = new Array<number>(this.classes.length).fill(0);
    for (const label of this.labels) room[label]! += 1;
    for (let label = 0; label < room.length; label++) room[label] = Math.floor(room[label]! * share);
    const isHeld = new Uint8Array(this.count);
    for (const index of new Random(seed, "split", this.name).permutation(this.count)) {
      const label = this.labels[index]!;
      if (room[label]! <= 0) continue;
      room[label]! -= 1;
      isHeld[index] = 1;
    }
    const chosen = (flag: number) => Uint32Array.from(this.labels.keys()).filter((index) => isHeld[index] === flag);
    const [rest, held] = [chosen(0), chosen(1)];
    if (!(share > 0 && share < 1) || rest.length === 0 || held.length === 0)
      throw new StriateError({
        subject: `${this.name}.split`,
        found: `a share of ${share} of ${this.count} images in ${this.classes.length} classes`,
        expected: "a share between 0 and 1 that leaves images on both sides",
      });
    return { rest: this.subset(rest), held: this.subset(held, `${this.name} (held out)`) };
  }
}
