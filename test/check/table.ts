/** Runs a table of operator cases as tests. */
import { afterAll, describe, expect, test } from "vitest";
import type { OpCase } from "./case.ts";
import { engines } from "./engines.ts";
import { checkOp } from "./op.ts";

/** A test for every case. */
export function testOps(cases: readonly OpCase[]): void {
  describe("works", () => {
    test.each(cases.map((opCase) => [opCase.name, opCase] as const))("%s", async (_, opCase) => {
      await expect(checkOp(opCase, { engines })).resolves.toBeUndefined();
    });
    afterAll(async () => {
      for (const engine of engines) await engine.close();
    });
  });
}
