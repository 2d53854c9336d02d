import { StriateError } from "../errors.ts";
import { exists, isFolder, joinPath, readFile } from "../platform/files.ts";
import { Tensor } from "../tensor/tensor.ts";
import { Dataset } from "./dataset.ts";

/** In the order of their labels. */
const classes = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"] as const;

const side = 32;
const channels = 3;

/** A label and the pixels: red, green and blue planes, row by row. */
const recordBytes = 1 + channels * side * side;

/** Mean and standard deviation of the training set's pixels, scaled to 0 … 1. */
const preprocessing = {
  channels,
  height: side,
  width: side,
  padding: 0,
  mean: [0.4914, 0.4822, 0.4465],
  std: [0.247, 0.2435, 0.2616],
} as const;

/**
 * CIFAR-10, 50,000 coloured pictures of 32x32 to train on and 10,000 to test with, from a folder that holds the files of
 * its binary version (`data_batch_1.bin` to `data_batch_5.bin` and `test_batch.bin`), or the folder
 * `cifar-10-batches-bin` with them. Images are uint8, [count, 3, 32, 32].
 *
 * Source: A. Krizhevsky, "Learning multiple layers of features from tiny images", 2009;
 * https://www.cs.toronto.edu/~kriz/cifar.html, "Binary version".
 *
 * @throws StriateError naming the file when one is missing, cut off, or has a label beyond 9.
 *
 * @example
 * import { cifar10 } from "striate";
 *
 * const { train, test } = await cifar10("data/cifar10");
 * console.log(train.count, test.classes[0], test.inputShape);
 */
export async function cifar10(folder: string): Promise<{ train: Dataset; test: Dataset }> {
  const inner = joinPath(folder, "cifar-10-batches-bin");
  const place = (await isFolder(inner)) ? inner : folder;
  const read = async (name: string, files: readonly string[]): Promise<Dataset> => {
    const parts: Uint8Array[] = [];
    for (const file of files) parts.push(await readRecords(place, file));
    return asDataset(name, parts);
  };
  const train = await read(
    "cifar10 train",
    ["1", "2", "3", "4", "5"].map((part) => `data_batch_${part}.bin`),
  );
  return { train, test: await read("cifar10 test", ["test_batch.bin"]) };
}

async function readRecords(folder: string, file: string): Promise<Uint8Array> {
  const path = joinPath(folder, file);
  if ((await isFolder(folder)) && !(await exists(path)))
    throw new StriateError({
      subject: folder,
      found: `no ${file} in it`,
      expected: "data_batch_1.bin to data_batch_5.bin and test_batch.bin, CIFAR-10's binary version",
    });
  const bytes = await readFile(path);
  if (bytes.length === 0 || bytes.length % recordBytes !== 0)
    throw new StriateError({
      subject: path,
      found: `${bytes.length} bytes`,
      expected: `a multiple of ${recordBytes} bytes: a label and 3x32x32 pixels for each picture`,
      mend: "Fetch it again",
    });
  for (let record = 0; record < bytes.length; record += recordBytes)
    if (bytes[record]! >= classes.length)
      throw new StriateError({
        subject: path,
        found: `label ${bytes[record]} at ${record / recordBytes}`,
        expected: `0 to ${classes.length - 1}`,
      });
  return bytes;
}

function asDataset(name: string, parts: readonly Uint8Array[]): Dataset {
  const count = parts.reduce((sum, { length }) => sum + length, 0) / recordBytes;
  const pixels = new Uint8Array(count * (recordBytes - 1));
  const labels = new Uint8Array(count);
  let index = 0;
  for (const bytes of parts)
    for (let record = 0; record < bytes.length; record += recordBytes) {
      labels[index] = bytes[record]!;
      pixels.set(bytes.subarray(record + 1, record + recordBytes), index * (recordBytes - 1));
      index++;
    }
  return new Dataset({
    name,
    classes,
    images: new Tensor("uint8", [count, channels, side, side], pixels),
    labels,
    preprocessing,
  });
}
