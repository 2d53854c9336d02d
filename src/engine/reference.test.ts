import { expect, test } from "vitest";
import { makeGraph } from "../graph/graph.ts";
import { apply, defineOp, notDifferentiable } from "../graph/op.ts";
import { inputValue, type Value } from "../graph/value.ts";
import { Tensor } from "../tensor/tensor.ts";
import { evaluateGraph } from "./reference.ts";

/** How many results of this size follow one another: 1.6 GB. */
const [results, length] = [200, 2 ** 20];

test("lets go of what nothing takes any more", () => {
  let most = 0;
  const Fresh = defineOp<Record<never, never>>({
    name: "Fresh",
    domain: "test",
    attributes: {},
    arity: [1, 1],
    infer: ([x]) => [x!],
    evaluate: ([x]) => {
      most = Math.max(most, process.memoryUsage().arrayBuffers);
      return [new Tensor("float64", x!.shape, x!.numbers.map((value) => value + 1) as Float64Array<ArrayBuffer>)];
    },
    gradient: notDifferentiable,
  });
  const x = inputValue("x", { dtype: "float64", shape: [length] });
  let y: Value = x;
  for (let count = 0; count < results; count++) y = apply(Fresh, [y])[0]!;
  const before = process.memoryUsage().arrayBuffers;
  const feeds = new Map([["x", new Tensor("float64", [length], new Float64Array(length))]]);
  const { outputs } = evaluateGraph(makeGraph([x], { y }), feeds);
  expect(outputs.get("y")!.numbers[length - 1]).toBe(results);
  expect(most - before).toBeLessThan((results * length * 8) / 4);
});
