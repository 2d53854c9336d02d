/** What is said of where a command's models ran. */
import type { ProgramReport } from "../engine/engine.ts";
import { counted } from "./text.ts";

/** The engine and its precision; with `verbose`, also what ran elsewhere. */
export function reportText({ engine, precision, elsewhere }: ProgramReport, verbose: boolean): string {
  const ran = `Ran on ${engine} in ${precision}.`;
  if (!verbose) return ran;
  const places = Object.entries(elsewhere).map(([place, counts]) => {
    const operators = Object.entries(counts).sort(([, one], [, other]) => other - one);
    const count = operators.reduce((sum, [, each]) => sum + each, 0);
    const listed = operators.map(([name, each]) => (each === 1 ? name : `${name} ${each} times`)).join(", ");
    return `On ${place} ran ${counted(count, "operator")} that it lacks: ${listed}.`;
  });
  return [ran, ...(places.length > 0 ? places : ["Nothing ran elsewhere than in its own kernels."])].join(" ");
}
