/** Every command by its name. Only the one that is asked for is loaded: what they need takes longer than help should. */
import type { Command } from "commander";
import type { Finish } from "./command.ts";

export interface CommandRow {
  readonly name: string;
  /** The line of `striate --help`. */
  readonly about: string;
  readonly load: () => Promise<{ readonly makeCommand: (finish: Finish) => Command }>;
}

export const commands: readonly CommandRow[] = [
  {
    name: "lines",
    about: "The running example: learn line detectors, report what was learned",
    load: () => import("./commands/lines.ts"),
  },
  { name: "train", about: "Train a network and keep it in a run folder", load: () => import("./commands/train.ts") },
  { name: "eval", about: "Measure a model's accuracy and loss on data", load: () => import("./commands/eval.ts") },
  { name: "predict", about: "Say which class a picture is of", load: () => import("./commands/predict.ts") },
  {
    name: "summary",
    about: "List a model's layers, parameters and multiply-accumulates",
    load: () => import("./commands/summary.ts"),
  },
  {
    name: "export",
    about: "Write a model as ONNX, or its weights as safetensors",
    load: () => import("./commands/export.ts"),
  },
  {
    name: "verify",
    about: "Compare a model with recorded numbers",
    load: () => import("./commands/verify.ts"),
  },
  {
    name: "doctor",
    about: "Say which engines this machine has, and what is missing",
    load: () => import("./commands/doctor.ts"),
  },
];
