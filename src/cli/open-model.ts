/** MODEL on the command line: a name from the catalog, an .onnx file or a run folder. */

import { StriateError } from "../errors.ts";
import { type CatalogEntry, catalog, catalogEntry } from "../models/catalog.ts";
import { load, Model } from "../models/model.ts";
import type { Preprocessing } from "../models/preprocessing.ts";
import { exists, isFolder, joinPath } from "../platform/files.ts";
import { formatShape } from "../tensor/shape.ts";
import { note } from "./notes.ts";
import { runFiles } from "./run-folder.ts";
import { type StatisticsOptions, usualStatistics, withStatistics } from "./statistics.ts";

/** Where a model is, before it is read or built. */
export type ModelPlace =
  | { readonly kind: "catalog"; readonly entry: CatalogEntry }
  | { readonly kind: "file"; readonly path: string };

/** @throws StriateError for a folder without a model, and for what is neither a file nor a name */
export async function findModel(spec: string): Promise<ModelPlace> {
  const entry = catalog.get(spec);
  if (entry) return { kind: "catalog", entry };
  if (await isFolder(spec)) {
    const path = joinPath(spec, runFiles.model);
    if (await exists(path)) return { kind: "file", path };
    throw new StriateError({
      subject: spec,
      found: `a folder without ${runFiles.model}`,
      expected: "a run folder, as striate train --out makes it, or an .onnx file",
    });
  }
  if (/[/\\]/.test(spec) || spec.endsWith(".onnx") || (await exists(spec))) return { kind: "file", path: spec };
  return { kind: "catalog", entry: catalogEntry(spec) };
}

export interface OpenModelOptions {
  readonly seed: number;
  /** For a network of the catalog: the shape of its input and its number of classes; its own unless given. */
  readonly input?: readonly [number, number, number];
  readonly classes?: number;
  /** The folder in which the file may keep weights in other files. */
  readonly externalData?: string;
  /** Say nothing of random weights, where nothing depends on them. */
  readonly quiet?: boolean;
}

/** The model that MODEL names. One of the catalog has random weights, drawn by the seed, which is said. */
export async function openModel(spec: string, options: OpenModelOptions): Promise<Model> {
  const place = await findModel(spec);
  if (place.kind === "file") return load(place.path, options);
  const { entry } = place;
  const { seed, input = entry.input, classes = entry.classes } = options;
  const model = Model.build(entry.layer({ classes }), { name: entry.name, input, seed });
  if (!options.quiet) note(`${entry.name} is the network before training: its weights are random (seed ${seed}).`);
  return model;
}

/**
 * How pictures become this model's input: as it or the options say, else scaled to its size, with ImageNet's mean and
 * deviation where it takes colours.
 */
export function preprocessingOf(model: Model, given: StatisticsOptions): Preprocessing {
  if (model.preprocessing) return withStatistics(model.preprocessing, model.preprocessing.channels, given);
  const [channels, height, width] = model.inputShape;
  const isSized = model.inputShape.length === 3 && typeof height === "number" && typeof width === "number";
  if (!isSized || (channels !== 1 && channels !== 3))
    throw new StriateError({
      subject: model.name,
      found: `an input of ${formatShape(model.inputShape)} and no word on how pictures become it`,
      expected: "1 or 3 channels of a fixed height and width",
    });
  const usual = usualStatistics(channels);
  if (!given.mean && !given.std)
    note(
      `${model.name} does not say which mean and standard deviation its input has: ` +
        `${usual ? "ImageNet's are taken" : "0 and 1 are taken"}. Give others with --mean and --std.`,
    );
  const plain: Preprocessing = { channels, height, width, padding: 0, ...(usual ?? { mean: [0], std: [1] }) };
  return withStatistics(plain, channels, given);
}
