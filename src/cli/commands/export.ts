/** `striate export`: a model as a file for others. */
import type { Command } from "commander";
import { modelFile } from "../arguments.ts";
import { catalogHelp } from "../catalog-help.ts";
import { type CommonOptions, type Finish, modelHelp, newCommand, type Outcome } from "../command.ts";
import { openModel } from "../open-model.ts";
import { counted } from "../text.ts";

interface ExportOptions extends CommonOptions {
  readonly output: string;
}

export const makeCommand = (finish: Finish): Command =>
  newCommand(
    {
      seedOf: "weights that were never trained",
      examples: ["striate export runs/digits -o digits.onnx", "striate export lenet5 --seed 1 -o first.safetensors"],
      notes: catalogHelp(),
    },
    (command) =>
      command
        .argument("<model>", modelHelp)
        .requiredOption("-o, --output <file>", "FILE.onnx, or FILE.safetensors for the weights alone", modelFile)
        .action(async (model: string, options: ExportOptions) => finish(await exportModel(model, options))),
  );

async function exportModel(spec: string, options: ExportOptions): Promise<Outcome> {
  const model = await openModel(spec, options);
  const { output } = options;
  await model.save(output);
  const parameters = model.parameterCount;
  return {
    document: { model: spec, file: output, parameters },
    text: () => `Wrote ${output} (${counted(parameters, "parameter")}).`,
  };
}
