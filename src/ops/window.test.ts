import { describe, expect, test } from "vitest";
import { randomAveragePool, randomConv, randomConvTranspose, randomMaxPool } from "../../test/check/cases/random.ts";
import { checkRandomOps, closeEngines } from "../../test/check/properties.ts";

describe("any sliding window", () => {
  closeEngines();

  test.each([
    ["Conv", randomConv, 120],
    ["ConvTranspose", randomConvTranspose, 60],
    ["MaxPool", randomMaxPool, 100],
    ["AveragePool", randomAveragePool, 100],
  ] as const)("of %s works", async (_, cases, count) => {
    await expect(checkRandomOps(cases, count)).resolves.toBeUndefined();
  });
});
