import { StriateError } from "../errors.ts";
import type { Preprocessing } from "../models/preprocessing.ts";
import { exists, isFolder, joinPath, readFile } from "../platform/files.ts";
import { formatShape } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { Dataset } from "./dataset.ts";
import { parseIdx } from "./idx.ts";

export interface MnistOptions {
  /** The classes' names, `0` to `9` unless given: Fashion-MNIST and its like come in the same files. */
  readonly classes?: readonly string[];
}

/** Mean and standard deviation of the training set's pixels, scaled to 0 … 1. */
const statistics = { mean: [0.1307], std: [0.3081] };

/** LeNet-5 wants its digits in the middle of 32x32. */
const padding = 2;

const digits = Array.from({ length: 10 }, (_, digit) => String(digit));

/**
 * The MNIST digits, 60,000 to train on and 10,000 to test with, from a folder that holds the four files under their
 * usual names: `train-images-idx3-ubyte`, `train-labels-idx1-ubyte`, `t10k-images-idx3-ubyte` and
 * `t10k-labels-idx1-ubyte`, with or without `.gz`, also with a dot for the second hyphen from the end
 * (`train-images.idx3-ubyte`). Images are uint8, [count, 1, 28, 28]; the network's input is 1x32x32, normalised.
 *
 * Source: Y. LeCun, C. Cortes, C. J. C. Burges, "The MNIST database of handwritten digits".
 *
 * @throws StriateError naming the file when one is missing or damaged, images and labels differ in number, or a label
 * is not a class.
 *
 * @example
 * import { mnist } from "striate";
 *
 * const { train, test } = await mnist("data/mnist");
 * console.log(train.count, test.inputShape);
 */
export async function mnist(folder: string, options: MnistOptions = {}): Promise<{ train: Dataset; test: Dataset }> {
  const classes = options.classes ?? digits;
  // One after the other, so that of several things that are wrong the same is always told.
  const train = await readPart(folder, "train", "mnist train", classes);
  const test = await readPart(folder, "t10k", "mnist test", classes);
  if (train.inputShape.join() !== test.inputShape.join())
    throw new StriateError({
      subject: folder,
      found: `training images of ${size(train)} and test images of ${size(test)}`,
      expected: "one size",
    });
  return { train, test };
}

const size = ({ preprocessing: { height, width } }: Dataset): string => `${height}x${width}`;

async function readPart(folder: string, part: string, name: string, classes: readonly string[]): Promise<Dataset> {
  const imageFile = await findFile(folder, `${part}-images`, "idx3-ubyte");
  const labelFile = await findFile(folder, `${part}-labels`, "idx1-ubyte");
  const images = await readIdx(imageFile, 3);
  const labels = await readIdx(labelFile, 1);
  const [count, height, width] = images.shape as readonly [number, number, number];
  if (labels.size !== count)
    throw new StriateError({
      subject: folder,
      found: `${count} images in ${imageFile} and ${labels.size} labels in ${labelFile}`,
      expected: "as many labels as images",
      mend: "Fetch both again, from one source",
    });
  if (images.size === 0) throw new StriateError({ subject: imageFile, found: "no images", expected: "at least one" });
  const values = labels.numbers;
  const wrong = values.findIndex((label) => label >= classes.length);
  if (wrong >= 0)
    throw new StriateError({
      subject: labelFile,
      found: `label ${values[wrong]} at ${wrong}`,
      expected: `0 to ${classes.length - 1}`,
    });
  const preprocessing: Preprocessing = { channels: 1, height, width, padding, ...statistics, background: "dark" };
  return new Dataset({
    name,
    classes,
    images: images.reshape([count, 1, height, width]),
    labels: values,
    preprocessing,
  });
}

/** The first of the names a file goes by that is there. */
async function findFile(folder: string, stem: string, ending: string): Promise<string> {
  const names = ["-", "."].flatMap((join) => [`${stem}${join}${ending}`, `${stem}${join}${ending}.gz`]);
  const paths = names.map((name) => joinPath(folder, name));
  const present = await Promise.all(paths.map(exists));
  const isInside = await Promise.all(paths.map(isFolder));
  const file = paths.find((_, index) => present[index] && !isInside[index]) ?? paths.find((_, index) => present[index]);
  if (file !== undefined) return file;
  const isThere = await isFolder(folder);
  throw new StriateError({
    subject: folder,
    found: isThere ? `no ${stem}-${ending} in it` : (await exists(folder)) ? "a file" : "no such folder",
    expected: isThere ? `${names[0]} or ${names[1]}` : "a folder with the four MNIST files",
    mend: isThere ? "All four MNIST files belong there" : "Check the path",
  });
}

async function readIdx(file: string, rank: 1 | 3): Promise<Tensor> {
  const tensor = await parseIdx(await readFile(file), file);
  if (tensor.dtype !== "uint8" || tensor.shape.length !== rank)
    throw new StriateError({
      subject: file,
      found: `${formatShape(tensor.shape)} ${tensor.dtype}`,
      expected: rank === 3 ? "uint8 images, count x height x width" : "uint8 labels, a list of them",
    });
  return tensor;
}
