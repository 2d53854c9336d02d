import { expect, test } from "vitest";
import { bind } from "../../graph/rewrite.ts";
import { training } from "../../graph/training.ts";
import { lenet5 } from "../../models/lenet.ts";
import { Model } from "../../models/model.ts";
import { crossEntropy } from "../../nn/losses.ts";
import { sgd } from "../../nn/optimisers.ts";
import { step, withLoss } from "../../nn/step.ts";
import { isSmall } from "./small.ts";

const { graph } = Model.build(lenet5({ classes: 10 }), { name: "lenet5", input: [1, 32, 32], seed: 1 });

test("a picture or two of LeNet-5 are little work; many, a number not known, and training are not", () => {
  expect([1, 2, 8].map((batch) => isSmall(bind(graph, { batch })))).toEqual([true, true, false]);
  expect(isSmall(graph)).toBe(false);
  expect(isSmall(bind(step(withLoss(training(graph), crossEntropy), sgd()).graph, { batch: 1 }))).toBe(false);
});
