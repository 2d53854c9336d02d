/** `striate verify`: a model against numbers recorded elsewhere. */
import type { Command } from "commander";
import { readRecording, verifiedKinds, verify } from "../../analyse/verify.ts";
import { readFile } from "../../platform/files.ts";
import { type CommonOptions, type Finish, modelHelp, newCommand, type Outcome } from "../command.ts";
import { chosenEngine, engineNote } from "../engine.ts";
import { openModel } from "../open-model.ts";
import { counted, table } from "../text.ts";

export const makeCommand = (finish: Finish): Command =>
  newCommand(
    {
      seedOf: "weights that were never trained",
      examples: ["striate verify resnet18.onnx resnet18.golden.safetensors"],
      notes: engineNote,
    },
    (command) =>
      command
        .argument("<model>", modelHelp)
        .argument("<golden>", "recorded numbers: a .safetensors file")
        .action(async (model: string, golden: string, options: CommonOptions) =>
          finish(await verifyModel(model, golden, options)),
        ),
  );

/** How many failures are listed. */
const mostListed = 20;

async function verifyModel(spec: string, golden: string, options: CommonOptions): Promise<Outcome> {
  const engine = chosenEngine();
  const recording = readRecording(await readFile(golden), golden);
  const model = await openModel(spec, options);
  const { compared, failed, worst, errors } = await verify(model, recording, engine);
  const shown = failed.slice(0, mostListed).map((name) => {
    const { error, allowed } = errors.get(name)!;
    return [name, Number.isFinite(error) ? error.toExponential(2) : "missing", `at most ${allowed.toExponential(1)}`];
  });
  const columns = [{ title: "" }, { title: "worst error", align: "right" }, { title: "" }] as const;
  const rows = verifiedKinds.map((kind) => [kind, worst[kind].toExponential(2), ""]);
  const finite = Object.fromEntries(
    verifiedKinds.map((kind) => [kind, Number.isFinite(worst[kind]) ? worst[kind] : null]),
  );
  return {
    document: { engine: engine.name, compared, failed, worst: finite },
    text: () =>
      `${spec} against ${golden} on ${engine.name}: ` +
      `${counted(compared, "tensor")}, ${failed.length} failed\n${table(columns, [...rows, ...shown])}`,
    exitCode: failed.length === 0 ? 0 : 1,
  };
}
