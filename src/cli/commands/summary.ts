/** `striate summary`: the layers of a model. */
import type { Command } from "commander";
import { type Summary, summary } from "../../analyse/summary.ts";
import { formatShape } from "../../tensor/shape.ts";
import { imageShape } from "../arguments.ts";
import { catalogHelp } from "../catalog-help.ts";
import { type CommonOptions, type Finish, modelHelp, newCommand, type Outcome } from "../command.ts";
import { openModel } from "../open-model.ts";
import { counted, grouped, table } from "../text.ts";

interface SummaryOptions extends CommonOptions {
  readonly input?: [number, number, number];
}

export const makeCommand = (finish: Finish): Command =>
  newCommand(
    {
      seedOf: "weights that were never trained (no figure here depends on it)",
      examples: ["striate summary lenet5 --input 1x32x32"],
      notes: catalogHelp(),
    },
    (command) =>
      command
        .argument("<model>", modelHelp)
        .option("--input <shape>", "channels x height x width of one image (default: the model's own)", imageShape)
        .action(async (model: string, options: SummaryOptions) => finish(await summarise(model, options))),
  );

async function summarise(spec: string, options: SummaryOptions): Promise<Outcome> {
  const model = await openModel(spec, { ...options, quiet: true });
  const { input } = options;
  const found = summary(model, input);
  const { parameters, macs, layers } = found;
  return {
    document: { parameters, macs, layers },
    text: () => `${spec}, one input of ${formatShape(input ?? model.inputShape)}\n${asTable(found)}\n${asWords(found)}`,
  };
}

function asTable({ layers, parameters, macs }: Summary): string {
  const columns = [
    { title: "name", shrinks: "start" },
    { title: "operator" },
    { title: "output", align: "right" },
    { title: "parameters", align: "right" },
    { title: "multiply-accumulates", align: "right" },
  ] as const;
  const rows = layers.map((layer) => [
    layer.name,
    layer.operator,
    formatShape(layer.output),
    grouped(layer.parameters),
    grouped(layer.macs),
  ]);
  return table(columns, [...rows, undefined, ["total", "", "", grouped(parameters), grouped(macs)]]);
}

const asWords = ({ layers, parameters }: Summary): string =>
  `${counted(layers.length, "layer")}; the parameters take ${grouped((parameters * 4) / 1000)} kB as float32.`;
