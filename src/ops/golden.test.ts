import { afterAll, describe, expect, test } from "vitest";
import { expectClose } from "../../test/check/compare.ts";
import { engines } from "../../test/check/engines.ts";
import { isOperator, readGolden } from "../../test/check/golden.ts";
import { goldenGraph } from "../../test/check/golden-graph.ts";
import { reference } from "../engine/reference.ts";

const golden = readGolden();

describe("operators agree with PyTorch", () => {
  if (!golden) {
    test.skip("the recorded numbers, ../shared/golden, are not here: nothing is compared");
    return;
  }
  const { cases, tensors } = golden;
  const built = cases.filter(isOperator).map((each) => ({ name: each.name, graph: goldenGraph(each, tensors) }));
  afterAll(async () => {
    for (const engine of engines) await engine.close();
  });

  test("in enough cases", () => expect(built.length).toBe(123));

  describe.each([reference, ...engines])("on $name", (engine) => {
    const exact = engine === reference;
    test.each(built)("$name", async ({ name, graph }) => {
      const program = await engine.compile(graph, new Map(), { threads: 1 });
      const feeds = graph.inputs.map(({ source }) => [source.name, tensors.get(`${name}.${source.name}`)!]);
      const outputs = await program.run(Object.fromEntries(feeds));
      await program.dispose();
      expect(outputs.size).toBeGreaterThan(1);
      for (const [output, found] of outputs) {
        const relative = exact ? 1e-6 : output === "y" ? 1e-5 : 1e-4;
        expectClose(`${name}.${output}`, found, tensors.get(`${name}.${output}`)!, { relative });
      }
    });
  });
});
