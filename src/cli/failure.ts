/** What went wrong, as the command line says it: one sentence, never a stack trace unless asked for. */
import { CommanderError } from "commander";
import { StriateError } from "../errors.ts";

/** Options that do not go together: bad usage, though each is right by itself. */
export class UsageError extends Error {}

export interface Failure {
  /** Without the program's name. */
  readonly message: string;
  /** 2: bad usage, 1: everything else. */
  readonly exitCode: 1 | 2;
}

/** The variable that has the stack trace of a failure shown. */
export const debugVariable = "STRIATE_DEBUG";

/** @param command the command that was run, for the way to its help */
export function failureOf(error: unknown, command?: string): Failure {
  if (error instanceof CommanderError || error instanceof UsageError) {
    const words = error.message.replace(/^error: /, "").replaceAll("\n", " ");
    return { message: `${sentence(words)} See striate ${command ? `${command} ` : ""}--help.`, exitCode: 2 };
  }
  if (error instanceof StriateError) return { message: error.message.replaceAll("?.", "?"), exitCode: 1 };
  const words = error instanceof Error ? error.message || error.name : String(error);
  const firstLine = words.split("\n")[0]!.trim();
  return { message: `unexpected error: ${sentence(firstLine)} Set ${debugVariable}=1 to see where.`, exitCode: 1 };
}

/** Ends words in a full stop. */
const sentence = (words: string): string => (/[.?!)]$/.test(words) ? words : `${words}.`);
