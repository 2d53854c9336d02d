/** Runs the check of operators on random cases. */
import fc from "fast-check";
import { afterAll } from "vitest";
import type { OpCase } from "./case.ts";
import { engines } from "./engines.ts";
import { checkOp } from "./op.ts";

/** So many random directions tell a wrong gradient from a right one as surely as every element. */
const directions = 4;

/** Checks `count` random cases, the same ones every time. */
export async function checkRandomOps(cases: fc.Arbitrary<OpCase>, count: number): Promise<void> {
  const property = fc.asyncProperty(cases, (opCase) => checkOp(opCase, { engines, directions }));
  const { failed, counterexample, errorInstance } = await fc.check(property, { seed: 1, numRuns: count });
  if (failed) throw new Error(`${counterexample![0].name}: ${errorInstance}`, { cause: errorInstance });
}

/** Stops the engines when a file's tests are done. */
export const closeEngines = (): void =>
  afterAll(async () => {
    for (const engine of engines) await engine.close();
  });
