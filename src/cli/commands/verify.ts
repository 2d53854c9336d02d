/** `striate verify`: a model against numbers recorded elsewhere. */
import type { Command } from "commander";
import { type Kinks, kinksOf } from "../../analyse/kinks.ts";
import { mayBeRounding, readRecording, type Verification, verifiedKinds, verify } from "../../analyse/verify.ts";
import { reference } from "../../engine/reference.ts";
import { readFile } from "../../platform/files.ts";
import { type CommonOptions, type Finish, modelHelp, newCommand, type Outcome } from "../command.ts";
import { chosenEngine, isAutomatic, type RunOptions } from "../engine.ts";
import { note } from "../notes.ts";
import { openModel } from "../open-model.ts";
import { counted, table } from "../text.ts";

export const makeCommand = (finish: Finish): Command =>
  newCommand(
    {
      seedOf: "weights that were never trained",
      examples: [
        "striate verify resnet18.onnx golden.safetensors",
        "striate verify resnet18.onnx golden.safetensors --engine onednn --kinks",
      ],
      notes:
        "Where no engine is asked for and only gradients are over what is allowed in\n" +
        "float32, which rounding can do, float64 decides, on the reference engine: that\n" +
        "tells whether the model is right. To check an engine, ask for it.",
      runs: true,
    },
    (command) =>
      command
        .argument("<model>", modelHelp)
        .argument("<golden>", "recorded numbers: a .safetensors file")
        .option(
          "--kinks",
          "tell which gradients fail for a ReLU or a maximum that rounding put on its other side (slow)",
        )
        .action(async (model: string, golden: string, options: VerifyOptions) =>
          finish(await verifyModel(model, golden, options)),
        ),
  );

type VerifyOptions = CommonOptions & RunOptions & { kinks?: boolean };

/** How many failures are listed. */
const mostListed = 20;

async function verifyModel(spec: string, golden: string, options: VerifyOptions): Promise<Outcome> {
  const { profiling, ...chosen } = await chosenEngine(options);
  const recording = readRecording(await readFile(golden), golden);
  const model = await openModel(spec, options);
  const first = await verify(model, recording, chosen);
  const isOpen = isAutomatic(options) && !options.kinks && !profiling && mayBeRounding(first);
  if (isOpen) note(computedAgain(first));
  const found = isOpen ? await verify(model, recording, { engine: reference }) : first;
  const { compared, failed, worst, ranOn } = found;
  const kinks = options.kinks && failed.length > 0 ? await kinksOf(model, recording, found, chosen) : undefined;
  const finite = Object.fromEntries(
    verifiedKinds.map((kind) => [kind, Number.isFinite(worst[kind]) ? worst[kind] : null]),
  );
  return {
    document: {
      engine: ranOn.engine,
      compared,
      failed,
      worst: finite,
      ...(kinks && { flipped: Object.fromEntries(kinks.flipped), explained: kinks.explained }),
    },
    ranOn,
    profiling,
    text: () =>
      `${counted(compared, "tensor")} compared on ${ranOn.engine}, ${failed.length} failed\n\n${figures(found)}${kinks ? `\n\n${told(kinks, found)}` : ""}`,
    exitCode: failed.length === 0 ? 0 : 1,
  };
}

const computedAgain = ({ failed, compared, ranOn: { engine, precision } }: Verification): string =>
  `Over what is allowed on ${engine}, in ${precision}: ${failed.length} of ${counted(compared, "tensor")}, only gradients, which rounding can do. ` +
  `Computed again in float64, which takes longer (--engine ${engine} --kinks tells the layers).`;

const shown = (error: number): string => (Number.isFinite(error) ? error.toExponential(2) : "missing");

/** The worst errors of each kind, and what failed. */
function figures({ worst, failed, errors }: Verification): string {
  const worstColumns = [{ title: "" }, { title: "worst error", align: "right" }] as const;
  const kinds = table(
    worstColumns,
    verifiedKinds.map((kind) => [kind, shown(worst[kind])]),
  );
  if (failed.length === 0) return kinds;
  const columns = [
    { title: "failed", shrinks: "end" },
    { title: "error", align: "right" },
    { title: "allowed", align: "right" },
  ] as const;
  const rows = failed.slice(0, mostListed).map((name) => {
    const { error, allowed } = errors.get(name)!;
    return [name, shown(error), allowed.toExponential(2)];
  });
  const more = failed.length > mostListed ? [[`and ${failed.length - mostListed} more`]] : [];
  return `${kinds}\n\n${table(columns, [...rows, ...more])}`;
}

/** What kinks explain. */
function told({ flipped, explained }: Kinks, { failed }: Verification): string {
  const columns = [
    { title: "other sides than in float64", shrinks: "end" },
    { title: "places", align: "right" },
  ] as const;
  const rows = [...flipped].map(([layer, places]) => [layer, `${places}`]);
  const said = `${explained.length} of the ${failed.length} that failed are right by the sides of kinks that the engine took`;
  return rows.length === 0 ? said : `${said}\n\n${table(columns, rows)}`;
}
