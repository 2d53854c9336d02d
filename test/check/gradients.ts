/** Checks gradients by differences alone, of many cases quickly. */
import fc from "fast-check";
import { buildCase } from "./build.ts";
import type { OpCase } from "./case.ts";
import { gradientError, tolerance } from "./op.ts";

/** Up to this many elements, each partial derivative is checked; of more, derivatives along random directions. */
const mostElements = 40;
const directions = 6;

/** The largest error of a case's gradient, as a part of its largest gradient. */
function relativeGradientError(opCase: OpCase): number {
  const built = buildCase(opCase, "fixed");
  const elements = built.targets.reduce((sum, name) => sum + built.feeds.get(name)!.size, 0);
  const { error, scale, place } = gradientError(built, elements > mostElements ? directions : undefined);
  if (scale === 0) throw new Error(`${opCase.name}: the gradient is zero everywhere, so that nothing is checked`);
  if (!(error <= tolerance * scale))
    throw new Error(`${opCase.name}: gradient off by ${(error / scale).toExponential(2)} of the largest; at ${place}`);
  return error / scale;
}

/** How many different cases were checked, and the worst error among them. */
export interface GradientChecks {
  readonly checked: number;
  readonly worst: number;
}

/**
 * Checks the gradients of `count` random cases, the same ones every time; a case that is drawn twice counts once.
 * @throws Error for the first whose error is above the tolerance, made as small as it can be
 */
export function checkGradients(cases: fc.Arbitrary<OpCase>, count: number): GradientChecks {
  const errors = new Map<string, number>();
  const property = fc.property(cases, (opCase) => {
    errors.set(opCase.name, relativeGradientError(opCase));
  });
  const { failed, counterexample, errorInstance } = fc.check(property, { seed: 3, numRuns: count });
  if (failed) throw new Error(`${counterexample![0].name}: ${errorInstance}`, { cause: errorInstance });
  return { checked: errors.size, worst: Math.max(...errors.values()) };
}
