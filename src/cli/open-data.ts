/** DATA on the command line, brought into the form that a model takes. */
import { Dataset } from "../data/dataset.ts";
import { type OpenedData, type OpenOptions, openData } from "../data/open.ts";
import { StriateError } from "../errors.ts";
import type { Dimension } from "../graph/value.ts";
import type { Model } from "../models/model.ts";
import { note } from "./notes.ts";
import { startProgress } from "./progress.ts";
import { type StatisticsOptions, usualStatistics, withStatistics } from "./statistics.ts";
import { grouped } from "./text.ts";

/** How pictures in folders are brought to an input of this shape, where its sizes are known. */
export function fittingTo(input: readonly Dimension[]): OpenOptions {
  const [channels, height, width] = input;
  return {
    channels: input.length === 3 && (channels === 1 || channels === 3) ? channels : undefined,
    size: typeof height === "number" && typeof width === "number" ? { height, width } : undefined,
  };
}

/** How pictures in folders are brought to what a model takes: as it says, or as networks of its channels mostly do. */
export const fittingToModel = ({ preprocessing, inputShape }: Model): OpenOptions =>
  preprocessing ? { preprocessing } : { ...fittingTo(inputShape), statistics: usualStatistics(inputShape[0]) };

/** Opens data, showing how far it has got where there are many pictures to read. */
export async function openShown(spec: string, options: OpenOptions): Promise<OpenedData> {
  const progress = startProgress();
  const title = `reading ${spec}`;
  try {
    return await openData(spec, {
      ...options,
      progress: (done, count) =>
        progress.step({ part: done / count, title, facts: `${grouped(done)} of ${grouped(count)} pictures` }),
    });
  } finally {
    progress.end();
  }
}

/** The data that a model is measured on: the part kept for testing, or all where there is none. */
export async function openTestData(
  spec: string,
  model: Model,
  options: StatisticsOptions & { readonly seed: number },
): Promise<Dataset> {
  const { train, test } = await openShown(spec, { seed: options.seed, ...fittingToModel(model) });
  const data = test ?? train;
  sayAssumed(model, data, options);
  return asModelSees(data, model, options);
}

/** Says what was assumed of a model that does not say how pictures become its input. */
export function sayAssumed({ name, preprocessing }: Model, data: Dataset, { mean, std }: StatisticsOptions): void {
  if (preprocessing || mean || std) return;
  const whose = data.preprocessing.mean === usualStatistics(3)?.mean ? "ImageNet's" : `those of ${data.name}`;
  note(
    `${name} does not say which mean and standard deviation its input has: ${whose} are taken. ` +
      "Give others with --mean and --std.",
  );
}

/**
 * A dataset with the model's preprocessing, where its pictures have that size, or with the statistics given; and with the
 * model's order of the classes.
 */
export function asModelSees(data: Dataset, model: Model, statistics: StatisticsOptions = {}): Dataset {
  const { preprocessing = data.preprocessing, classes } = model;
  const { channels, height, width } = data.preprocessing;
  const isSameSize =
    channels === preprocessing.channels && height === preprocessing.height && width === preprocessing.width;
  const seen = withStatistics(isSameSize ? preprocessing : data.preprocessing, channels, statistics);
  const fitted = new Dataset({ ...data, preprocessing: seen });
  if (classes) return fitted.withClasses(classes);
  checkCount(data, model);
  return fitted;
}

/** @throws StriateError where a model without names for its classes puts out another number of them than there are */
function checkCount({ name, classes }: Dataset, model: Model): void {
  const outputs = [...model.graph.outputs.values()][0]!.shape[1];
  if (typeof outputs !== "number" || outputs === classes.length) return;
  throw new StriateError({
    subject: name,
    found: `${classes.length} classes (${classes.slice(0, 3).join(", ")}${classes.length > 3 ? " …" : ""})`,
    expected: `${outputs}, in the order of what ${model.name} puts out`,
    mend: "To train it for other classes, give striate train --new-head",
  });
}
