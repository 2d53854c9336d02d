/** `striate train`: a network, data, and a folder for what comes of them. */
import { type Command, Option } from "commander";
import { augmentationNames } from "../../data/augment.ts";
import { scheduleNames } from "../../nn/schedules.ts";
import { belowOne, choiceList, nameList, notNegative, positive, shareOrData, wholeNumber } from "../arguments.ts";
import { catalogHelp } from "../catalog-help.ts";
import { dataHelp, type Finish, newCommand } from "../command.ts";
import { withStatisticsOptions } from "../statistics.ts";
import { runTraining, type TrainOptions } from "../training-run.ts";
import { optimiserNames } from "../training-settings.ts";

const notes = `Ctrl-C stops after the current step and keeps what was trained.
What is not given is the network's own recipe; for an .onnx file, SGD with
momentum 0.9 and weight decay 0.0005 at 0.01 falling along a cosine, in batches
of 64. --augment crop shifts by up to an eighth of the size, black at the
border; flip mirrors half of the images, left for right.

${catalogHelp()}`;

export const makeCommand = (finish: Finish): Command =>
  newCommand(
    {
      seedOf: "first weights, order and changes of images, dropout",
      examples: [
        "striate train --model lenet5 --data mnist:data/mnist --epochs 5 \\\n      --out runs/digits",
        "striate train --model resnet20.onnx --data folder:pictures \\\n      --augment crop,flip --epochs 2 --out runs/tuned",
      ],
      notes,
      runs: true,
    },
    (command) =>
      withStatisticsOptions(
        command
          .requiredOption("--model <model>", "a name from the catalog, or an .onnx file or run folder to train further")
          .requiredOption("--data <data>", dataHelp)
          .requiredOption("--out <folder>", "the run folder: model.onnx, run.json, history.jsonl")
          .option("--epochs <number>", "how often each image is seen", wholeNumber(1), 10)
          .option("--batch <number>", "images a step", wholeNumber(1))
          .addOption(
            new Option("--last-batch <what>", "drop (default) or pad an epoch's last batch").choices(["drop", "pad"]),
          )
          .option("--augment <list>", "change images at random: crop, flip", choiceList(augmentationNames))
          .option("--learning-rate <rate>", "the base learning rate", positive)
          .addOption(new Option("--optimizer <name>", "how weights change").choices(optimiserNames))
          .option("--momentum <number>", "of SGD (default: 0.9)", belowOne)
          .option("--nesterov", "Nesterov's momentum, of SGD")
          .option("--weight-decay <number>", "times the weight, added to its gradient", notNegative)
          .addOption(
            new Option("--decay <which>", "what decays: all (default), or no biases and other vectors").choices([
              "all",
              "weights",
            ]),
          )
          .addOption(new Option("--schedule <name>", "how the learning rate changes").choices(scheduleNames))
          .option("--clip <norm>", "scale gradients down to this norm, all together", positive)
          .option("--label-smoothing <part>", "of each target, spread over all classes", belowOne)
          .option("--average <decay>", "keep the weights' running average, such as 0.999", belowOne)
          .option("--freeze <names>", "layers that keep their weights: conv1,layer1", nameList)
          .option("--only <names>", "layers that alone are trained", nameList)
          .option("--new-head", "replace the last layer, for the data's classes"),
      )
        .option(
          "--validation <share|data>",
          "hold out this share of the training images, or measure on these data, instead of the data's own test part",
          shareOrData,
        )
        .option("--no-validation", "measure nothing but the training itself")
        .option("--limit <number>", "train on this many images, drawn by the seed", wholeNumber(1))
        .option("--force", "overwrite a run that is there")
        .action(async (options: TrainOptions) => finish(await runTraining(options))),
  );
