/** What an error tells: where it arose, what was found, what was expected, and what the user can do about it. */
export interface Complaint {
  /** The function, argument or file at fault: `conv2d`, `kernel`, `digits.onnx`. */
  readonly subject: string;
  /** What was given, with its values. */
  readonly found: string;
  /** What would have been right. */
  readonly expected?: string;
  /** What to do about it, as a sentence without its full stop. */
  readonly mend?: string;
  readonly cause?: unknown;
}

/**
 * The one error class of Striate: what was given, what was expected, how to mend it.
 *
 * @example
 * import { StriateError } from "striate";
 *
 * const error = new StriateError({ subject: "conv2d", found: "kernel 9", expected: "at most 5", mend: "Use padding" });
 * console.assert(error.message === "conv2d: found kernel 9; expected at most 5. Use padding.");
 */
export class StriateError extends Error {
  readonly complaint: Complaint;

  constructor(complaint: Complaint) {
    const { subject, found, expected, mend, cause } = complaint;
    const fact = expected === undefined ? `${subject}: ${found}` : `${subject}: found ${found}; expected ${expected}`;
    super(mend === undefined ? `${fact}.` : `${fact}. ${mend}${/[?!]$/.test(mend) ? "" : "."}`, { cause });
    this.name = "StriateError";
    this.complaint = complaint;
  }
}

/** The member of `known` nearest to `name` by edit distance, if any is near enough to be what was meant. */
export function nearest(name: string, known: Iterable<string>): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.max(2, Math.ceil(name.length / 2));
  for (const candidate of known) {
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best;
}

/** Levenshtein's distance: the fewest insertions, deletions and substitutions that turn one word into the other. */
function editDistance(from: string, to: string): number {
  let previous = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (let row = 1; row <= from.length; row++) {
    const current = [row];
    for (let column = 1; column <= to.length; column++) {
      const substitution = previous[column - 1]! + (from[row - 1] === to[column - 1] ? 0 : 1);
      current.push(Math.min(substitution, previous[column]! + 1, current[column - 1]! + 1));
    }
    previous = current;
  }
  return previous[to.length]!;
}
