/** Remarks for people: always on standard error, so that standard output holds the answer alone. */
import { columnsOf, wrap } from "./text.ts";

/** Says something once, as a line or several of at most the terminal's width. */
export function note(text: string): void {
  process.stderr.write(`${wrap(text, columnsOf(process.stderr), "  ")}\n`);
}
