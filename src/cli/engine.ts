/** The engine that a command runs on: by its options, or else by the environment. */
import { type Command, Option } from "commander";
import { chooseEngine, type EngineName, engineNames } from "../engine/choose.ts";
import { checkPrecision, type Engine, type Precision } from "../engine/engine.ts";
import { profiled } from "../engine/profile.ts";
import { StriateError } from "../errors.ts";
import { note } from "./notes.ts";
import type { Profiling } from "./profile.ts";

export const engineVariable = "STRIATE_ENGINE";

const precisions: readonly Precision[] = ["float32", "bfloat16", "auto"];

/** The options of commands that run a model, beside those that all have. */
export interface RunOptions {
  readonly engine?: EngineName;
  readonly precision?: Precision;
  /** The file for a trace of where time goes. */
  readonly profile?: string;
}

export const withRunOptions = (command: Command): Command =>
  command
    .addOption(
      new Option("--engine <name>", `what computes (default: ${engineVariable} of the environment, else auto)`).choices(
        engineNames,
      ),
    )
    .addOption(
      new Option("--precision <name>", "of what is stored and multiplied (default: float32)").choices(precisions),
    )
    .option("--profile <file>", "say where time goes, and write a trace for chrome://tracing")
    .option("--verbose", "say which operators ran elsewhere than in the engine's own kernels");

const named = (): string => process.env[engineVariable] || "auto";

/** Whether neither the options nor the environment ask for one engine, nor the options for a precision. */
export const isAutomatic = ({ engine, precision }: RunOptions): boolean =>
  (engine ?? named()) === "auto" && precision === undefined;

/** The engine that the environment names, or else the fastest; where that is missing, people are told once. */
export async function engineOfEnvironment(): Promise<Engine> {
  const name = named();
  const known = engineNames.find((each) => each === name);
  if (!known)
    throw new StriateError({ subject: engineVariable, found: name, expected: `one of ${engineNames.join(", ")}` });
  return chooseEngine(known, note);
}

interface ChosenEngine {
  readonly engine: Engine;
  readonly precision?: Precision;
  /** Where the times of what the engine runs are asked for. */
  readonly profiling?: Profiling;
}

/**
 * The engine that the options name, or else the environment.
 * @throws StriateError for a name that is none's, an engine that cannot run here, and a precision that it does not have
 */
export async function chosenEngine({ engine: name, precision, profile: file }: RunOptions): Promise<ChosenEngine> {
  const engine = await (name ? chooseEngine(name, note) : engineOfEnvironment());
  checkPrecision(engine.name, (await engine.about()).precisions, { precision });
  if (file === undefined) return { engine, precision };
  const { engine: timed, read } = profiled(engine);
  return { engine: timed, precision, profiling: { file, read } };
}
