/** What all commands have in common. */
import { Command } from "commander";
import type { ProgramReport } from "../engine/engine.ts";
import { wholeNumber } from "./arguments.ts";
import { withRunOptions } from "./engine.ts";
import type { Profiling } from "./profile.ts";

/** What a command found: one JSON document, and the same for people. */
export interface Outcome {
  readonly document: Readonly<Record<string, unknown>>;
  /** Called only where it is shown. */
  readonly text: () => string;
  /** What its models ran on. */
  readonly ranOn?: ProgramReport;
  /** The times of its runs, where they were asked for. */
  readonly profiling?: Profiling;
  /** 0 unless given. */
  readonly exitCode?: number;
}

/** Takes a command's outcome, to print it. */
export type Finish = (outcome: Outcome) => void;

/** The options that every command has. */
export interface CommonOptions {
  readonly seed: number;
  readonly json?: boolean;
  /** The folder in which a model's file may keep weights in other files: of commands that take a model. */
  readonly externalData?: string;
}

export interface CommandFacts {
  /** What the seed decides, after "seed of". */
  readonly seedOf: string;
  /** Whole command lines that do something useful. */
  readonly examples: readonly string[];
  /** More to know, below the options. */
  readonly notes?: string;
  /** Whether it runs a model, on an engine that can be chosen. */
  readonly runs?: boolean;
}

/**
 * A command that has, after its own arguments and options, those that all have. Its name is given by who loads it.
 * @param own adds the command's own arguments and options
 */
export function newCommand(
  { seedOf, examples, notes, runs }: CommandFacts,
  own: (command: Command) => Command,
): Command {
  const listed = examples.map((line) => `  ${line}`).join("\n");
  const title = examples.length > 1 ? "Examples" : "Example";
  const command = own(new Command());
  const takesModel =
    command.registeredArguments.some((each) => each.name() === "model") ||
    command.options.some(({ long }) => long === "--model");
  if (takesModel)
    command.option(
      "--external-data <folder>",
      "where the model's file may keep weights in other files; nowhere by default",
    );
  if (runs) withRunOptions(command);
  return command
    .option("--seed <number>", `seed of ${seedOf}`, wholeNumber(0), 0)
    .option("--json", "one JSON document on standard output")
    .helpOption("--help", "this help")
    .addHelpText("after", `${notes ? `\n${notes}\n` : ""}\n${title}:\n${listed}`);
}

/** What MODEL can be, for help. */
export const modelHelp = "a name from the catalog, an .onnx file or a run folder";

/** What DATA can be, for help. */
export const dataHelp = "mnist:DIR, cifar10:DIR, folder:DIR (one folder a class) or lines";
