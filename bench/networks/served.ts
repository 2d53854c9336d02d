/**
 * What runs a network in a process of its own, as PyTorch's does: the first line on standard input is the setting, each
 * other one how many steps to make. What it answers holds how much memory the process has taken at most since its start.
 */
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import * as onnxruntime from "onnxruntime-node";
import {
  add,
  constant,
  crossEntropy,
  inputValue,
  load,
  makeGraph,
  onednn,
  ort,
  scalar,
  sgd,
  step,
  Tensor,
  training,
  withLoss,
} from "../../src/index.ts";
import { coreCount } from "../../src/platform/worker.ts";
import { timed, timedAhead } from "../measure.ts";
import type { Exported, Network } from "./catalog.ts";

export interface Setting extends Exported, Pick<Network, "input" | "classes" | "batch" | "target"> {
  readonly side: "onednn" | "ort" | "bare";
  readonly work: "training" | "prediction";
  readonly precision: "float32" | "bfloat16";
  readonly learningRate: number;
  readonly momentum: number;
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

function imagesOf({ imagesFile, batch, input }: Setting): Tensor {
  const bytes = readFileSync(imagesFile);
  const shape = [batch, ...input];
  return new Tensor(
    "float32",
    shape,
    new Float32Array(
      bytes.buffer,
      bytes.byteOffset,
      shape.reduce((a, b) => a * b),
    ),
  );
}

function labelsOf({ batch, target, classes }: Setting): Tensor {
  const shape = [batch, ...target];
  const labels = BigInt64Array.from({ length: shape.reduce((a, b) => a * b) }, (_, index) => BigInt(index % classes));
  return new Tensor("int64", shape, labels);
}

async function trains(setting: Setting, side: "onednn" | "ort"): Promise<Stepper> {
  const model = await load(setting.file);
  const { graph, state } = step(withLoss(training(model.graph), crossEntropy), sgd({ momentum: setting.momentum }));
  const program = await engines[side].compile(graph, new Map([...model.variables, ...state]), {
    dimensions: { batch: setting.batch },
    finite: ["loss"],
    irreversible: [...state.keys()],
    threads: coreCount(),
    precision: setting.precision,
  });
  const feeds = {
    image: imagesOf(setting),
    target: labelsOf(setting),
    learningRate: scalar(setting.learningRate),
  };
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

async function predicts(setting: Setting, side: "onednn" | "ort"): Promise<Stepper> {
  const { graph, variables } = await load(setting.file);
  const program = await engines[side].compile(graph, variables, {
    dimensions: { batch: setting.batch },
    threads: coreCount(),
    precision: setting.precision,
  });
  const image = imagesOf(setting);
  return async (steps) => ({ seconds: await timed(steps, () => program.run({ image })), loss: Number.NaN });
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
const { side, work } = setting;
if (side !== "bare") await start(side);
const before = peak();
const run = await (side === "bare"
  ? bare(setting)
  : work === "training"
    ? trains(setting, side)
    : predicts(setting, side));
say({});
for await (const line of lines) say({ ...(await run(Number(line))), bytes: peak() - before } satisfies Answer);
for (const engine of [onednn, ort]) await engine.close();
