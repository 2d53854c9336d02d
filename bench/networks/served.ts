/**
 * What runs a network in a process of its own, as PyTorch's does: the first line on standard input is the setting, each
 * other one how many steps to make. What it answers holds how much memory the process has taken at most since its start.
 */
import { createInterface } from "node:readline";
import * as onnxruntime from "onnxruntime-node";
import { add, constant, inputValue, makeGraph, onednn, ort, scalar, Tensor } from "../../src/index.ts";
import { coreCount } from "../../src/platform/worker.ts";
import { timed, timedAhead } from "../measure.ts";
import { imagesOf, opened, type Sample } from "./program.ts";

export interface Setting extends Sample {
  readonly side: "onednn" | "ort" | "bare";
  readonly precision: "float32" | "bfloat16";
}

export interface Answer {
  readonly seconds: readonly number[];
  /** Of the last step. */
  readonly loss: number;
  /** The most memory that the process had, less what it had before it opened the network. */
  readonly bytes: number;
}

/** Makes steps. @returns the seconds of each, and the last loss */
type Stepper = (steps: number) => Promise<Pick<Answer, "seconds" | "loss">>;

const engines = { onednn, ort };

const peak = (): number => process.resourceUsage().maxRSS * 1024;

async function ours(setting: Setting, side: "onednn" | "ort"): Promise<Stepper> {
  const { program, feeds } = await opened(setting, engines[side], { precision: setting.precision });
  if (setting.work === "prediction")
    return async (steps) => ({ seconds: await timed(steps, () => program.run(feeds)), loss: Number.NaN });
  return async (steps) => {
    let loss = Number.NaN;
    const seconds = await timedAhead(
      steps,
      () => program.run(feeds),
      (outputs) => {
        loss = outputs.get("loss")!.item();
      },
    );
    return { seconds, loss };
  };
}

/** onnxruntime-node itself, on the very file. */
async function bare(setting: Setting): Promise<Stepper> {
  const session = await onnxruntime.InferenceSession.create(setting.file, {
    intraOpNumThreads: coreCount(),
    interOpNumThreads: 1,
    logSeverityLevel: 4,
  });
  const { data, shape } = imagesOf(setting);
  const image = new onnxruntime.Tensor("float32", data as Float32Array, [...shape]);
  return async (steps) => ({ seconds: await timed(steps, () => session.run({ image })), loss: Number.NaN });
}

/** Starts an engine's thread and loads its library: neither belongs to the memory that a network takes. */
async function start(side: "onednn" | "ort"): Promise<void> {
  const x = inputValue("x", { dtype: "float32", shape: [1, 1] });
  const program = await engines[side].compile(makeGraph([x], { y: add(x, constant(scalar(1))) }), new Map());
  await program.run({ x: new Tensor("float32", [1, 1], new Float32Array(1)) });
  await program.dispose();
}

const say = (answer: object) => process.stdout.write(`${JSON.stringify(answer)}\n`);

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const setting: Setting = JSON.parse((await lines.next()).value);
const { side } = setting;
if (side !== "bare") await start(side);
const before = peak();
const run = await (side === "bare" ? bare(setting) : ours(setting, side));
say({});
for await (const line of lines) say({ ...(await run(Number(line))), bytes: peak() - before } satisfies Answer);
for (const engine of [onednn, ort]) await engine.close();
