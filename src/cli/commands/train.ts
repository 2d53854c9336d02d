/** `striate train`: a network, data, and a folder for what comes of them. */
import { type Command, Option } from "commander";
import { scheduleNames } from "../../nn/schedules.ts";
import { belowOne, notNegative, positive, share, wholeNumber } from "../arguments.ts";
import { catalogHelp } from "../catalog-help.ts";
import { dataHelp, type Finish, newCommand } from "../command.ts";
import { runTraining, type TrainOptions } from "../training-run.ts";

const notes = `Ctrl-C stops after the current step and keeps what was trained.
What is not given is the network's own recipe; for an .onnx file, SGD with
momentum 0.9 at 0.05 and batches of 128.

${catalogHelp()}`;

export const makeCommand = (finish: Finish): Command =>
  newCommand(
    {
      seedOf: "first weights, order of images and dropout",
      examples: ["striate train --model lenet5 --data mnist:data/mnist --epochs 5 \\\n      --out runs/digits"],
      notes,
    },
    (command) =>
      command
        .requiredOption("--model <model>", "a name from the catalog, or an .onnx file or run folder to train further")
        .requiredOption("--data <data>", dataHelp)
        .requiredOption("--out <folder>", "the run folder: model.onnx, run.json, history.jsonl")
        .option("--epochs <number>", "how often each image is seen", wholeNumber(1), 10)
        .option("--batch <number>", "images a step", wholeNumber(1))
        .option("--learning-rate <rate>", "the base learning rate", positive)
        .addOption(new Option("--optimizer <name>", "how weights change").choices(["sgd", "adam"]))
        .option("--momentum <number>", "of SGD (default: 0.9)", belowOne)
        .option("--weight-decay <number>", "times the weight, added to its gradient", notNegative)
        .addOption(new Option("--schedule <name>", "how the learning rate changes").choices(scheduleNames))
        .option(
          "--validation <share>",
          "hold out this share of the training images, instead of the data's own test part",
          share,
        )
        .option("--no-validation", "measure nothing but the training itself")
        .option("--limit <number>", "train on this many images, drawn by the seed", wholeNumber(1))
        .option("--force", "overwrite a run that is there")
        .action(async (options: TrainOptions) => finish(await runTraining(options))),
  );
