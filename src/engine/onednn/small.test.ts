import { expect, test } from "vitest";
import { makeGraph } from "../../graph/graph.ts";
import { bind } from "../../graph/rewrite.ts";
import { training } from "../../graph/training.ts";
import { inputValue, type Value } from "../../graph/value.ts";
import { lenet5 } from "../../models/lenet.ts";
import { Model } from "../../models/model.ts";
import { crossEntropy } from "../../nn/losses.ts";
import { sgd } from "../../nn/optimisers.ts";
import { step, withLoss } from "../../nn/step.ts";
import { cast, relu } from "../../ops/core/elementwise.ts";
import { reduceSum } from "../../ops/core/reduce.ts";
import { matmul } from "../../ops/matmul.ts";
import { maxPool } from "../../ops/pool.ts";
import { sizeOfWork } from "./small.ts";

const { graph } = Model.build(lenet5({ classes: 10 }), { name: "lenet5", input: [1, 32, 32], seed: 1 });

test("a picture or two of LeNet-5 are tiny work, eight are small; many, a number not known, and training are large", () => {
  const sizes = [1, 2, 8, 512].map((batch) => sizeOfWork(bind(graph, { batch })));
  expect(sizes).toEqual(["tiny", "tiny", "small", "large"]);
  expect(sizeOfWork(graph)).toBe("large");
  expect(sizeOfWork(bind(step(withLoss(training(graph), crossEntropy), sgd()).graph, { batch: 1 }))).toBe("large");
});

test.each<[string, number, (x: Value) => Value, boolean]>([
  ["a sum of a hundred numbers", 10, reduceSum, true],
  ["a sum of a hundred million", 10_000, reduceSum, false],
  ["windows of nine", 32, (x) => maxPool(x, { kernel_shape: [3, 3] }), true],
  ["windows of a quarter of a million", 600, (x) => maxPool(x, { kernel_shape: [512, 512] }), false],
  ["a product of float32", 64, (x) => matmul(x, x), true],
  [
    "a product of float64, which oneDNN lacks",
    64,
    (x) => cast(matmul(cast(x, "float64"), cast(x, "float64")), "float32"),
    false,
  ],
  ["two hundred nodes", 2, (x) => Array.from({ length: 200 }).reduce<Value>(relu, x), true],
  ["one more", 2, (x) => Array.from({ length: 201 }).reduce<Value>(relu, x), false],
])("%s: whether that is tiny work heeds what is read, windows, types and nodes", (_, length, f, isTiny) => {
  const x = inputValue("x", { dtype: "float32", shape: [1, 1, length, length] });
  expect(sizeOfWork(makeGraph([x], { y: f(x) })) === "tiny").toBe(isTiny);
});
