import { nearest, StriateError } from "../errors.ts";
import { isFolder, joinPath } from "../platform/files.ts";
import { cifar10 } from "./cifar10.ts";
import type { Dataset } from "./dataset.ts";
import { type FolderOptions, folderDataset } from "./folder.ts";
import { linesData } from "./lines.ts";
import { mnist } from "./mnist.ts";

/** What a name of data on the command line leads to. */
export interface OpenedData {
  readonly train: Dataset;
  /** Undefined where the source holds one set only: split it, or evaluate on all of it. */
  readonly test?: Dataset;
}

export interface OpenOptions extends FolderOptions {
  /** For data that are generated. */
  readonly seed?: number;
}

/** A kind of data: the word before the colon. */
interface DataKind {
  /** As it is written: `mnist:DIR`. */
  readonly usage: string;
  /** @param place what stands after the colon, if anything does */
  readonly open: (place: string, options: OpenOptions) => Promise<OpenedData>;
}

/** Every kind of data; a new one is a new row. */
const dataKinds: Readonly<Record<string, DataKind>> = {
  mnist: { usage: "mnist:DIR", open: (place) => mnist(place) },
  cifar10: { usage: "cifar10:DIR", open: openCifar10 },
  folder: { usage: "folder:DIR", open: openFolder },
  lines: { usage: "lines", open: openLines },
};

/**
 * The data that a word of the command line names: `mnist:DIR`, `cifar10:DIR` (the binary version, or as a folder),
 * `folder:DIR` (one folder a class; or `train` and `test`, each of that form) or `lines`, drawn by the seed.
 *
 * @throws StriateError when the kind is unknown (naming the nearest), nothing follows the colon, or the data are wrong.
 */
export async function openData(spec: string, options: OpenOptions = {}): Promise<OpenedData> {
  const colon = spec.indexOf(":");
  const kind = colon < 0 ? spec : spec.slice(0, colon);
  const place = colon < 0 ? "" : spec.slice(colon + 1);
  const known = Object.hasOwn(dataKinds, kind) ? dataKinds[kind] : undefined;
  if (known === undefined) throw await unknownKind(spec, kind, colon >= 0);
  if (known.usage.includes(":") && place === "")
    throw new StriateError({ subject: "data", found: `${spec} without a folder`, expected: known.usage });
  if (!known.usage.includes(":") && colon >= 0)
    throw new StriateError({ subject: "data", found: spec, expected: `${known.usage} alone` });
  return known.open(place, options);
}

async function unknownKind(spec: string, kind: string, hasColon: boolean): Promise<StriateError> {
  const usages = Object.values(dataKinds).map(({ usage }) => usage);
  const guess = nearest(kind, Object.keys(dataKinds));
  const isPath = !hasColon && (await isFolder(spec));
  return new StriateError({
    subject: "data",
    found: isPath ? `${spec}, a folder without its kind` : spec,
    expected: usages.length === 1 ? usages[0]! : `one of ${usages.join(", ")}`,
    mend: isPath
      ? `Write folder:${spec} or mnist:${spec}`
      : guess === undefined
        ? undefined
        : `Did you mean ${dataKinds[guess]!.usage}?`,
  });
}

/** As many images as the running example is trained and tested on. */
const linesCounts = { train: 8000, test: 10_000 } as const;

async function openLines(_place: string, { seed }: OpenOptions): Promise<OpenedData> {
  const of = (split: "train" | "test") => linesData({ seed, split, count: linesCounts[split] });
  return { train: of("train"), test: of("test") };
}

/** The binary version's files, or pictures in `train` and `test`. */
async function openCifar10(place: string, options: OpenOptions): Promise<OpenedData> {
  return (await isFolder(joinPath(place, "train"))) ? openFolder(place, options) : cifar10(place);
}

/** The names under which folders hold what is kept back from training. */
const testNames = ["test", "val", "validation"] as const;

async function openFolder(place: string, options: OpenOptions): Promise<OpenedData> {
  const trainFolder = joinPath(place, "train");
  const candidates = testNames.map((name) => joinPath(place, name));
  const present = await Promise.all(candidates.map(isFolder));
  const testFolder = candidates.find((_, index) => present[index]);
  if (testFolder === undefined || !(await isFolder(trainFolder))) return { train: await folderDataset(place, options) };
  const train = await folderDataset(trainFolder, options);
  const test = await folderDataset(testFolder, { ...options, preprocessing: train.preprocessing });
  if (train.classes.join("\n") !== test.classes.join("\n"))
    throw new StriateError({
      subject: place,
      found: `classes ${onlyIn(train, test)} in train and ${onlyIn(test, train)} in ${testFolder}`,
      expected: "the same folders in both",
    });
  return { train, test };
}

const onlyIn = (one: Dataset, other: Dataset): string =>
  one.classes.filter((name) => !other.classes.includes(name)).join(", ") || "(none more)";
