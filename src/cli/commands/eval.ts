/** `striate eval`: accuracy and loss of a model on data. */
import type { Command } from "commander";
import { evaluate } from "../../train/evaluate.ts";
import { wholeNumber } from "../arguments.ts";
import { type CommonOptions, dataHelp, type Finish, modelHelp, newCommand, type Outcome } from "../command.ts";
import { chosenEngine, type RunOptions } from "../engine.ts";
import { openTestData } from "../open-data.ts";
import { openModel } from "../open-model.ts";
import { startProgress } from "../progress.ts";
import { type StatisticsOptions, withStatisticsOptions } from "../statistics.ts";
import { counted, duration, grouped, lossText, percent, table } from "../text.ts";

interface EvalOptions extends CommonOptions, RunOptions, StatisticsOptions {
  readonly data: string;
  readonly batch?: number;
}

export const makeCommand = (finish: Finish): Command =>
  newCommand(
    {
      seedOf: "data that are generated, and of weights that were never trained",
      examples: ["striate eval runs/digits --data mnist:data/mnist"],
      runs: true,
    },
    (command) =>
      withStatisticsOptions(command.argument("<model>", modelHelp).requiredOption("--data <data>", dataHelp))
        .option("--batch <number>", "images at a time (default: 256, or as many as the model takes)", wholeNumber(1))
        .action(async (model: string, options: EvalOptions) => finish(await evaluateModel(model, options))),
  );

async function evaluateModel(spec: string, options: EvalOptions): Promise<Outcome> {
  const { data: place, batch } = options;
  const { profiling, ...chosen } = await chosenEngine(options);
  const model = await openModel(spec, options);
  const data = await openTestData(place, model, options);
  const progress = startProgress();
  const run = evaluate(model, data, { batchSize: batch, ...chosen });
  const title = `evaluating ${spec}`;
  try {
    for await (const { done, count, imagesPerSecond } of run) {
      const left = duration((count - done) / imagesPerSecond);
      progress.step({ part: done / count, title, facts: `${grouped(imagesPerSecond)} images/s  ${left} left` });
    }
  } finally {
    progress.end();
  }
  const { count, top1, top5, loss, ranOn } = await run.result;
  const rows = [
    ["top-1", percent(top1), `${counted(Math.round((1 - top1) * count), "error")}`],
    ["top-5", percent(top5), ""],
    ["loss", lossText(loss), ""],
  ];
  const columns = [{ title: "" }, { title: "", align: "right" }, { title: "" }] as const;
  return {
    document: { count, top1, top5, loss },
    ranOn,
    profiling,
    text: () => `${spec} on ${data.name}, ${counted(count, "image")}\n${table(columns, rows)}`,
  };
}
