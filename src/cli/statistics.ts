/** Mean and standard deviation of pixels on the command line, for models that do not carry them. */
import type { Command } from "commander";
import { StriateError } from "../errors.ts";
import type { Preprocessing } from "../models/preprocessing.ts";
import { numberList, positiveList } from "./arguments.ts";

export interface StatisticsOptions {
  readonly mean?: readonly number[];
  readonly std?: readonly number[];
}

/** Adds the options to a command. */
export const withStatisticsOptions = (command: Command): Command =>
  command
    .option(
      "--mean <numbers>",
      "of pixels scaled to 0 … 1, for each channel, in place of what the model says",
      numberList,
    )
    .option("--std <numbers>", "their standard deviation: (pixel - mean) / std is the input", positiveList);

/** What the pixels of ImageNet have, and networks for coloured pictures mostly take. */
const imageNet = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] } as const;

/** For a model of so many channels that says nothing: ImageNet's for three, else undefined. */
export const usualStatistics = (channels: number | string | undefined) => (channels === 3 ? imageNet : undefined);

/**
 * Statistics with those of the command line in place of their own; one number stands for every channel.
 * @throws StriateError when there are neither one nor as many as channels
 */
export function withStatistics<Known extends Pick<Preprocessing, "mean" | "std">>(
  known: Known,
  channels: number,
  given: StatisticsOptions,
): Known {
  const each = (name: "mean" | "std"): readonly number[] => {
    const numbers = given[name] ?? known[name];
    if (numbers.length === channels) return numbers;
    if (numbers.length === 1) return Array.from({ length: channels }, () => numbers[0]!);
    throw new StriateError({
      subject: `--${name}`,
      found: `${numbers.length} numbers`,
      expected: channels === 1 ? "one" : `one, or ${channels}: one for each channel`,
    });
  };
  return given.mean || given.std ? { ...known, mean: each("mean"), std: each("std") } : known;
}
