/** `striate lines`: the running example. */
import type { Command } from "commander";
import { type Finish, newCommand } from "../command.ts";
import { type LinesOptions, runLines } from "../lines-run.ts";

const notes = `A network with two 9x9 kernels learns to tell vertical from horizontal lines.
The report shows what it learned, where that fails, and the mend.`;

export const makeCommand = (finish: Finish): Command =>
  newCommand(
    {
      seedOf: "images, first weights and order",
      examples: ["striate lines", "striate lines --seed 1 --out reports/lines-1 --json"],
      notes,
      runs: true,
    },
    (command) =>
      command
        .option("--out <folder>", "where report.html, model.onnx and mended.onnx go", "lines-report")
        .action(async (options: LinesOptions) => finish(await runLines(options))),
  );
