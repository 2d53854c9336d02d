import { afterAll, describe, expect, test } from "vitest";
import { expectClose } from "../../test/check/compare.ts";
import { engines } from "../../test/check/engines.ts";
import { builders, type GoldenCase, readGolden } from "../../test/check/golden.ts";
import { gradientsOf } from "../autodiff/gradient.ts";
import { reference } from "../engine/reference.ts";
import { type Graph, makeGraph } from "../graph/graph.ts";
import { type Input, inputValue, type Value } from "../graph/value.ts";
import { isFloat } from "../tensor/dtype.ts";
import type { Tensor } from "../tensor/tensor.ts";

const golden = readGolden();

/** The function with its gradients for the inputs that have recorded ones, seeded with the recorded `dy`. */
function build({ name, op, inputs, options }: GoldenCase, tensors: ReadonlyMap<string, Tensor>): Graph | undefined {
  const given = (label: string) => inputValue(label, tensors.get(`${name}.${label}`)!);
  const operands = Object.fromEntries(Object.keys(inputs).map((label) => [label, given(label)]));
  const y = builders[op]?.(operands, options as unknown as Parameters<(typeof builders)[string]>[1]);
  if (!y) return undefined;
  const targets = Object.values(operands).filter(
    ({ dtype, source }) => isFloat(dtype) && tensors.has(`${name}.d${source.name}`),
  );
  const dy = given("dy");
  const gradients = gradientsOf(y, targets, { seed: dy });
  const outputs: [string, Value][] = [
    ["y", y],
    ...targets.map(({ source }, index): [string, Value] => [`d${source.name}`, gradients[index]!]),
  ];
  return makeGraph([...(Object.values(operands) as Input[]), dy], new Map(outputs));
}

describe("operators agree with PyTorch", () => {
  if (!golden) {
    test.skip("the recorded numbers, ../shared/golden, are not here: nothing is compared");
    return;
  }
  const { cases, tensors } = golden;
  const built = cases.flatMap((each) => {
    const graph = build(each, tensors);
    return graph ? [{ name: each.name, graph }] : [];
  });
  afterAll(async () => {
    for (const engine of engines) await engine.close();
  });

  test("in enough cases", () => expect(built.length).toBeGreaterThanOrEqual(80));

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
