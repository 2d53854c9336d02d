/** `striate predict`: which class a picture is of. */
import type { Command } from "commander";
import { pictureTensor } from "../../data/picture.ts";
import { StriateError } from "../../errors.ts";
import type { Model } from "../../models/model.ts";
import { formatShape } from "../../tensor/shape.ts";
import { stack, type Tensor } from "../../tensor/tensor.ts";
import { Predictor } from "../../train/evaluate.ts";
import { wholeNumber } from "../arguments.ts";
import { type CommonOptions, type Finish, modelHelp, newCommand, type Outcome } from "../command.ts";
import { chosenEngine, type RunOptions } from "../engine.ts";
import { openModel, preprocessingOf } from "../open-model.ts";
import { probabilitiesOf } from "../probabilities.ts";
import { type StatisticsOptions, withStatisticsOptions } from "../statistics.ts";
import { bar, columnsOf, percent, truncate } from "../text.ts";

interface PredictOptions extends CommonOptions, RunOptions, StatisticsOptions {
  readonly top: number;
}

interface Guess {
  readonly class: string;
  readonly index: number;
  readonly probability: number;
}

interface Prediction extends Guess {
  readonly file: string;
  /** Whether dark and light were swapped to suit the model. */
  readonly inverted: boolean;
  readonly top: readonly Guess[];
}

export const makeCommand = (finish: Finish): Command =>
  newCommand(
    {
      seedOf: "weights that were never trained",
      examples: ["striate predict runs/digits seven.png", "striate predict runs/digits *.jpg --top 1 --json"],
      runs: true,
    },
    (command) =>
      withStatisticsOptions(command.argument("<model>", modelHelp).argument("<image...>", "PNG, JPEG or WebP files"))
        .option("--top <number>", "classes to name for each picture", wholeNumber(1), 5)
        .action(async (model: string, images: string[], options: PredictOptions) =>
          finish(await predictImages(model, images, options)),
        ),
  );

/** Pictures that are run together, where the model takes any number. */
const mostTogether = 256;

async function predictImages(spec: string, files: readonly string[], options: PredictOptions): Promise<Outcome> {
  const { profiling, ...chosen } = await chosenEngine(options);
  const model = await openModel(spec, options);
  const preprocessing = preprocessingOf(model, options);
  const fixed = model.graph.inputs[0]!.shape[0];
  const together = typeof fixed === "number" ? fixed : mostTogether;
  const predictor = await Predictor.compile(model, chosen);
  const predictions: Prediction[] = [];
  for (let start = 0; start < files.length; start += together) {
    const chunk = files.slice(start, start + together);
    const pictures = await Promise.all(chunk.map((file) => pictureTensor(file, preprocessing)));
    const images = stack(pictures.map(({ tensor }) => tensor.reshape(tensor.shape.slice(1))));
    const outputs = probabilitiesOf(model, await predictor.predict(images));
    chunk.forEach((file, index) => {
      const top = guessesOf(outputs, index, model, options.top);
      predictions.push({ file, ...top[0]!, inverted: pictures[index]!.inverted, top });
    });
  }
  const ranOn = await predictor.report();
  return { document: { predictions }, ranOn, profiling, text: () => predictions.map(asText).join("\n\n") };
}

function guessesOf(outputs: Tensor, row: number, model: Model, top: number): Guess[] {
  const classes = outputs.shape[1]!;
  if (outputs.shape.length !== 2)
    throw new StriateError({
      subject: model.name,
      found: `an output of ${formatShape(outputs.shape)}`,
      expected: "one number a class",
    });
  return Array.from({ length: classes }, (_, index) => ({
    class: model.classes?.[index] ?? `class ${index}`,
    index,
    probability: Number(outputs.data[row * classes + index]),
  }))
    .sort((left, right) => right.probability - left.probability)
    .slice(0, top);
}

function asText({ file, inverted, top }: Prediction): string {
  const longest = Math.max(...top.map((guess) => guess.class.length));
  const room = columnsOf() - 2 - 8 - 2 - 2;
  const nameWidth = Math.min(longest, Math.max(8, room - 10));
  const barWidth = Math.min(40, room - nameWidth);
  const lines = top.map(({ class: name, probability }) => {
    const shown = percent(probability).padStart(8);
    return `  ${truncate(name, nameWidth).padEnd(nameWidth)}${shown}  ${bar(probability, barWidth, ["█", " "])}`.trimEnd();
  });
  const remark = inverted ? "\n  (dark on light: inverted first, as the model knows light on dark)" : "";
  return `${file}${remark}\n${lines.join("\n")}`;
}
