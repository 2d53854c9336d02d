/** DATA on the command line, brought into the form that a model takes. */
import { Dataset } from "../data/dataset.ts";
import { type OpenOptions, openData } from "../data/open.ts";
import { StriateError } from "../errors.ts";
import type { Dimension } from "../graph/value.ts";
import type { Model } from "../models/model.ts";

/** How pictures in folders are brought to an input of this shape, where its sizes are known. */
export function fittingTo(input: readonly Dimension[]): OpenOptions {
  const [channels, height, width] = input;
  return {
    channels: input.length === 3 && (channels === 1 || channels === 3) ? channels : undefined,
    size: typeof height === "number" && typeof width === "number" ? { height, width } : undefined,
  };
}

/** The data that a model is measured on: the part kept for testing, or all where there is none. */
export async function openTestData(spec: string, model: Model, seed: number): Promise<Dataset> {
  const fitting = model.preprocessing ? { preprocessing: model.preprocessing } : fittingTo(model.inputShape);
  const { train, test } = await openData(spec, { seed, ...fitting });
  return asModelSees(test ?? train, model);
}

/** A dataset with the model's preprocessing, where its pictures have that size, and with its order of the classes. */
export function asModelSees(data: Dataset, { name, preprocessing = data.preprocessing, classes }: Model): Dataset {
  const { channels, height, width } = data.preprocessing;
  const isSameSize =
    channels === preprocessing.channels && height === preprocessing.height && width === preprocessing.width;
  const fitted = isSameSize ? new Dataset({ ...data, preprocessing }) : data;
  if (!classes || classes.join("\n") === data.classes.join("\n")) return fitted;
  const unknown = data.classes.find((each) => !classes.includes(each));
  if (unknown !== undefined)
    throw new StriateError({
      subject: data.name,
      found: `class "${unknown}"`,
      expected: `one of ${classes.join(", ")}, as ${name} knows`,
      mend: "Name the folders as its classes are called",
    });
  return new Dataset({ ...fitted, classes, labels: data.labels.map((label) => classes.indexOf(data.classes[label]!)) });
}
