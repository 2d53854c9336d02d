import { afterAll, describe, expect, test } from "vitest";
import { engines } from "../../test/check/engines.ts";
import { isOperator, readGolden } from "../../test/check/golden.ts";
import { optimiserError } from "../../test/golden-cases/optimisers.ts";
import { reference } from "../engine/reference.ts";

const golden = readGolden();

describe("optimisers agree with PyTorch", () => {
  if (!golden) {
    test.skip("the recorded numbers, ../shared/golden, are not here: nothing is compared");
    return;
  }
  const { cases, tensors } = golden;
  const optimisers = cases.flatMap((each) => (isOperator(each) ? [] : [[each.name, each] as const]));
  afterAll(async () => {
    for (const engine of engines) await engine.close();
  });

  test("in enough cases", () => expect(optimisers.length).toBe(7));

  for (const engine of [reference, ...engines])
    test.each(optimisers)(`%s on ${engine.name}`, async (_, each) => {
      expect(await optimiserError(each, tensors, engine)).toBeLessThan(engine === reference ? 1e-6 : 1e-5);
    });
});
