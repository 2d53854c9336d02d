/** `striate lines`: the running example. */
import type { Command } from "commander";
import { StriateError } from "../../errors.ts";
import { type CommonOptions, type Finish, newCommand } from "../command.ts";

interface LinesOptions extends CommonOptions {
  readonly out: string;
}

export const makeCommand = (_finish: Finish): Command =>
  newCommand(
    {
      seedOf: "images, first weights and order",
      examples: ["striate lines", "striate lines --seed 1 --out reports/lines-1 --json"],
    },
    (command) =>
      command
        .option("--out <folder>", "where report.html, model.onnx and mended.onnx go", "lines-report")
        .action(async (_options: LinesOptions) => {
          throw new StriateError({ subject: "lines", found: "nothing to run yet" });
        }),
  );
