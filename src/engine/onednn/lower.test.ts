import { expect, test } from "vitest";
import { gradientsOf } from "../../autodiff/gradient.ts";
import { makeGraph, nodesOf } from "../../graph/graph.ts";
import { inputValue } from "../../graph/value.ts";
import { mul, relu } from "../../ops/core/elementwise.ts";
import { reduceSum } from "../../ops/core/reduce.ts";
import { maxPool } from "../../ops/pool.ts";
import { Random } from "../../tensor/random.ts";
import { Tensor } from "../../tensor/tensor.ts";
import { reference } from "../reference.ts";
import { lower } from "./lower.ts";

test("ReLU's gradient is taken of the pooled map, with the same numbers", async () => {
  const x = inputValue("x", { dtype: "float32", shape: [2, 3, 8, 8] });
  const y = maxPool(relu(x), { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] });
  const random = new Random(1, "lower");
  const image = new Tensor(
    "float32",
    [2, 3, 8, 8],
    Float32Array.from({ length: 384 }, () => random.normal()),
  );
  const [gradient] = gradientsOf(reduceSum(mul(y, y)), [x]);
  const graph = makeGraph([x], { gradient: gradient! });
  const lowered = lower(graph);
  expect(
    nodesOf(graph)
      .map(({ op }) => op.name)
      .slice(-2),
  ).toEqual(["MaxPoolGradient", "ReluGradient"]);
  expect(
    nodesOf(lowered)
      .map(({ op }) => op.name)
      .slice(-2),
  ).toEqual(["ReluGradient", "MaxPoolGradient"]);
  const [before, after] = await Promise.all(
    [graph, lowered].map(async (each) => (await reference.compile(each, new Map())).run({ x: image })),
  );
  expect(after!.get("gradient")!.data).toEqual(before!.get("gradient")!.data);
});
