import { StriateError } from "../errors.ts";
import type { Preprocessing } from "../models/preprocessing.ts";
import { type FolderEntry, formatBytes, listFolder, readFile } from "../platform/files.ts";
import { decodeImage, type Picture } from "../platform/image.ts";
import { Tensor } from "../tensor/tensor.ts";
import { Dataset } from "./dataset.ts";
import { fitPicture, planes, withChannels } from "./picture.ts";

export interface FolderOptions {
  /** The common size of the pictures; that of the first unless given. */
  readonly size?: { readonly height: number; readonly width: number };
  /** 1 makes all grey, 3 all coloured; unless given, 1 where no picture has colour. */
  readonly channels?: 1 | 3;
  /** How the pictures become a network's input; unless given, by `statistics`, without padding. */
  readonly preprocessing?: Preprocessing;
  /** Mean and deviation for each channel; the pictures' own unless given. */
  readonly statistics?: Pick<Preprocessing, "mean" | "std">;
  /** Told how many of the pictures have been read. */
  readonly progress?: (done: number, count: number) => void;
  /** The most memory that the pixels may take, in bytes; 2 GiB unless given. */
  readonly maximumBytes?: number;
}

const pictureName = /\.(png|jpe?g|webp)$/i;

/** How many pictures are read and decoded at a time. */
const together = 8;

interface Sample {
  readonly path: string;
  readonly label: number;
}

/**
 * A dataset from a folder that holds one folder a class, with PNG, JPEG or WebP pictures inside: classes and pictures
 * sorted by name, all scaled to fit one size with their proportions kept, centred on black. Hidden files and files that
 * are no pictures by their names are passed over.
 *
 * @throws StriateError naming the folder or file when there are no class folders, a class has no pictures, a picture is
 * damaged, or all would take more memory than `maximumBytes`.
 */
export async function folderDataset(folder: string, options: FolderOptions = {}): Promise<Dataset> {
  const { classes, samples } = await findSamples(folder);
  const first = await decodePicture(samples[0]!.path);
  const { preprocessing } = options;
  const { height, width } = preprocessing ?? options.size ?? first;
  const wanted = preprocessing?.channels ?? options.channels;
  const checkMemory = (channels: 1 | 3) =>
    checkBytes(folder, [samples.length, channels, height, width], options.maximumBytes ?? 2 ** 31);
  checkMemory(wanted ?? first.channels);

  const area = height * width;
  let channels = wanted ?? first.channels;
  let pixels = new Uint8Array(samples.length * channels * area);
  for (let start = 0; start < samples.length; start += together) {
    const chunk = samples.slice(start, start + together).map(async ({ path }) => {
      const picture = await decodePicture(path);
      return fitPicture(picture, { channels: wanted ?? picture.channels, height, width });
    });
    const pictures = await Promise.all(chunk);
    if (channels === 1 && pictures.some((picture) => picture.channels === 3)) {
      channels = 3;
      checkMemory(channels);
      pixels = coloured(pixels, area);
    }
    for (const [index, picture] of pictures.entries())
      pixels.set(planes(withChannels(picture, channels)), (start + index) * channels * area);
    options.progress?.(start + pictures.length, samples.length);
  }
  const images = new Tensor("uint8", [samples.length, channels, height, width], pixels);
  return new Dataset({
    name: folder,
    classes,
    images,
    labels: samples.map(({ label }) => label),
    preprocessing: preprocessing ?? {
      channels,
      height,
      width,
      padding: 0,
      ...(options.statistics ?? pixelStatistics(images)),
    },
  });
}

const decodePicture = async (path: string): Promise<Picture> => decodeImage(await readFile(path), path);

const isVisible = (entry: FolderEntry): boolean => !entry.name.startsWith(".");
const isPicture = (entry: FolderEntry): boolean => isVisible(entry) && !entry.isFolder && pictureName.test(entry.name);

async function findSamples(folder: string): Promise<{ classes: string[]; samples: Sample[] }> {
  const entries = await listFolder(folder);
  const classFolders = entries.filter((entry) => entry.isFolder && isVisible(entry));
  if (classFolders.length === 0) {
    const loose = entries.filter(isPicture).length;
    throw new StriateError({
      subject: folder,
      found: loose > 0 ? `${loose} ${loose === 1 ? "picture" : "pictures"} and no folders` : "no folders",
      expected: "one folder a class, with its pictures inside",
    });
  }
  const samples: Sample[] = [];
  for (const [label, classFolder] of classFolders.entries()) {
    const pictures = (await listFolder(classFolder.path)).filter(isPicture);
    if (pictures.length === 0)
      throw new StriateError({
        subject: classFolder.path,
        found: "no pictures",
        expected: "at least one PNG, JPEG or WebP file",
        mend: "Remove the folder if it is not a class",
      });
    for (const { path } of pictures) samples.push({ path, label });
  }
  return { classes: classFolders.map(({ name }) => name), samples };
}

function checkBytes(folder: string, [count, channels, height, width]: readonly number[], maximumBytes: number): void {
  const bytes = count! * channels! * height! * width!;
  if (bytes > maximumBytes)
    throw new StriateError({
      subject: folder,
      found: `${count} pictures of ${channels}x${height}x${width}, ${formatBytes(bytes)} of memory`,
      expected: `at most ${formatBytes(maximumBytes)}`,
      mend: "Give a smaller common size",
    });
}

/** Grey images of so many pixels, each three times: as red, green and blue. */
function coloured(grey: Uint8Array, area: number): Uint8Array<ArrayBuffer> {
  const data = new Uint8Array(grey.length * 3);
  for (let plane = 0; plane * area < data.length; plane++) {
    const start = Math.floor(plane / 3) * area;
    data.set(grey.subarray(start, start + area), plane * area);
  }
  return data;
}

/** Mean and standard deviation of each channel's pixels, scaled to 0 … 1, to four decimals; a constant channel's is 1. */
function pixelStatistics(images: Tensor): { mean: number[]; std: number[] } {
  const [count, channels, height, width] = images.shape as readonly [number, number, number, number];
  const area = height * width;
  const pixels = images.numbers;
  const statistics = Array.from({ length: channels }, (_, channel) => {
    const histogram = new Float64Array(256);
    for (let image = 0; image < count; image++) {
      const start = (image * channels + channel) * area;
      for (let offset = start; offset < start + area; offset++) histogram[pixels[offset]!]! += 1;
    }
    const total = count * area;
    const mean = histogram.reduce((sum, times, byte) => sum + (times * byte) / 255, 0) / total;
    const variance = histogram.reduce((sum, times, byte) => sum + times * (byte / 255 - mean) ** 2, 0) / total;
    return { mean, std: Math.sqrt(variance) };
  });
  const rounded = (value: number) => Math.round(value * 1e4) / 1e4;
  return {
    mean: statistics.map(({ mean }) => rounded(mean)),
    std: statistics.map(({ std }) => rounded(std) || 1),
  };
}
