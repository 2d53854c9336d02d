/** The command line from its words to its exit code. */
import { Command, CommanderError } from "commander";
import { nearest } from "../errors.ts";
import type { Outcome } from "./command.ts";
import { commands } from "./commands.ts";
import { debugVariable, failureOf, UsageError } from "./failure.ts";
import { note } from "./notes.ts";
import { profileOutcome } from "./profile.ts";
import { reportText } from "./ran-on.ts";
import { columnsOf, wrap } from "./text.ts";
import { striateVersion } from "./version.ts";

const helpNotes = `
MODEL is a name from the catalog (lenet5), an .onnx file or a run folder.
DATA is mnist:DIR, cifar10:DIR, folder:DIR (one folder a class) or lines.
striate COMMAND --help tells more.`;

/** Runs one command. @returns the exit code: 0, 1 for a failure, 2 for bad usage, 130 after Ctrl-C */
export async function runCommandLine(given: readonly string[]): Promise<number> {
  const words = given[0] === "help" ? [...given.slice(1), "--help"] : given;
  const row = commands.find(({ name }) => name === words[0]);
  let outcome: Outcome | undefined;
  try {
    checkCommand(words[0]);
    const program = makeProgram();
    for (const each of commands) {
      const command = each === row ? (await each.load()).makeCommand((found) => (outcome = found)) : new Command();
      command.copyInheritedSettings(program).name(each.name).description(each.about);
      program.addCommand(command);
      if (each === row) checkOptions(command, words);
    }
    await program.parseAsync(words, { from: "user" });
    if (outcome) await print(outcome, words);
    return outcome?.exitCode ?? 0;
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return 0;
    return report(error, words, row?.name);
  }
}

function checkCommand(word: string | undefined): void {
  const names = commands.map(({ name }) => name);
  if (word === undefined || word.startsWith("-") || names.includes(word)) return;
  throw new UsageError(`unknown command "${word}"${guess(word, names) || `; there are ${names.join(", ")}`}`);
}

/** A misspelt option is told before one that is missing, which it may be. */
function checkOptions(command: Command, words: readonly string[]): void {
  const known = ["--help", ...command.options.map(({ long }) => long!)];
  const end = words.indexOf("--");
  for (const word of end < 0 ? words : words.slice(0, end)) {
    const [name] = word.split("=") as [string];
    if (name.startsWith("--") && !known.includes(name))
      throw new UsageError(`unknown option "${name}"${guess(name, known)}`);
  }
}

function guess(word: string, known: readonly string[]): string {
  const likely = nearest(word, known);
  return likely === undefined ? "" : `. Did you mean "${likely}"?`;
}

function makeProgram(): Command {
  const program = new Command("striate")
    .description("Convolutional networks: train them, look inside them, break them, ship them.")
    .usage("COMMAND [options]")
    .version(striateVersion(), "--version", "the version")
    .helpOption("--help", "this help")
    .helpCommand(false)
    .addHelpText("after", helpNotes)
    .exitOverride()
    .configureHelp({ helpWidth: Math.min(80, columnsOf()) })
    // What was wrong is said by `report`, once; help that was not asked for is not shown.
    .configureOutput({ outputError: () => {}, writeErr: () => {} });
  program.action(() => {
    throw new CommanderError(2, "striate.noCommand", "a command is missing");
  });
  return program;
}

const wantsJson = (words: readonly string[]): boolean => words.includes("--json");

async function print({ document, text, ranOn, profiling }: Outcome, words: readonly string[]): Promise<void> {
  const isVerbose = words.includes("--verbose");
  const profile = profiling && (await profileOutcome(profiling));
  if (wantsJson(words)) {
    const more = { ...(isVerbose && ranOn), profile: profile?.document };
    process.stdout.write(`${JSON.stringify({ ...document, ...more })}\n`);
  } else {
    process.stdout.write(`${[text(), ...(profile ? [profile.text()] : [])].join("\n\n")}\n`);
    if (ranOn) note(reportText(ranOn, isVerbose));
  }
}

function report(error: unknown, words: readonly string[], command: string | undefined): number {
  const { message, exitCode } = failureOf(error, command);
  process.stderr.write(`${wrap(`striate: ${message}`, columnsOf(process.stderr), "  ")}\n`);
  if (process.env[debugVariable] && error instanceof Error) process.stderr.write(`${error.stack}\n`);
  if (wantsJson(words)) process.stdout.write(`${JSON.stringify({ error: message })}\n`);
  return exitCode;
}
