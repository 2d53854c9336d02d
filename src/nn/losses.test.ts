import { describe, expect, test } from "vitest";
import { evaluateGraph } from "../engine/reference.ts";
import { makeGraph } from "../graph/graph.ts";
import { type Dimension, inputValue } from "../graph/value.ts";
import { type Tensor, tensor } from "../tensor/tensor.ts";
import {
  absoluteError,
  binaryCrossEntropy,
  cosineDistance,
  cosineDistanceWith,
  crossEntropy,
  crossEntropyWith,
  dice,
  klDivergence,
  klDivergenceWith,
  type Loss,
  meanAbsoluteError,
  meanSquaredError,
  smoothL1,
  squaredError,
} from "./losses.ts";
import { withLoss } from "./step.ts";

/** The loss of predictions whose batch, or every axis but the classes, has a name. */
function run(loss: Loss, prediction: Tensor, target: Tensor, shape: readonly Dimension[] = prediction.shape) {
  const x = inputValue("x", { dtype: "float32", shape });
  const graph = withLoss(makeGraph([x], { y: x }), loss);
  const feeds = new Map([
    ["x", prediction],
    ["target", target],
  ]);
  return evaluateGraph(graph, feeds).outputs.get("loss")!.toArray();
}

const logits = tensor([0, Math.log(3), Math.log(4), 0, 0, 0], [2, 3]);
const labels = (...values: readonly number[]) => tensor(values, [values.length], "int64");
const close = (...values: readonly number[]) => values.map((value) => expect.closeTo(value, 6));
const [first, second] = [Math.log(8 / 3), Math.log(3)];

describe("cross-entropy", () => {
  test("is the mean of -log of the labels' probabilities", () => {
    expect(run(crossEntropy, logits, labels(1, 2))).toEqual(close((first + second) / 2));
    expect(run(crossEntropy, logits, labels(1, 2), ["batch", 3])).toEqual(close((first + second) / 2));
  });

  test("is reduced as asked", () => {
    expect(run(crossEntropyWith({ reduction: "sum" }), logits, labels(1, 2))).toEqual(close(first + second));
    expect(run(crossEntropyWith({ reduction: "none" }), logits, labels(1, 2))).toEqual(close(first, second));
  });

  test("weighs classes, and divides by the labels' weights", () => {
    const loss = crossEntropyWith({ classWeights: [1, 3, 0.5] });
    expect(run(loss, logits, labels(1, 2))).toEqual(close((3 * first + 0.5 * second) / 3.5));
  });

  test("spreads a part of the target over all classes", () => {
    const uniform = (Math.log(8) + Math.log(8 / 3) + Math.log(2)) / 3;
    const loss = crossEntropyWith({ labelSmoothing: 0.25 });
    expect(run(loss, logits, labels(1, 2))).toEqual(close((0.75 * first + 0.25 * uniform + second) / 2));
  });

  test("leaves out what is to be ignored, at each place", () => {
    const maps = tensor([0, 0, Math.log(3), 0, Math.log(4), 0], [1, 3, 1, 2]);
    const target = tensor([1, 255], [1, 1, 2], "int64");
    const loss = crossEntropyWith({ ignoreIndex: 255 });
    expect(run(loss, maps, target)).toEqual(close(first));
    expect(run(loss, maps, target, ["batch", 3, "height", "width"])).toEqual(close(first));
    expect(run(crossEntropyWith({ ignoreIndex: 255, reduction: "none" }), maps, target)).toEqual(close(first, 0));
    const both = crossEntropyWith({ ignoreIndex: 255, classWeights: [1, 5, 1] });
    expect(run(both, maps, target)).toEqual(close(first));
  });

  test("says what it takes", () => {
    expect(() => run(crossEntropy, tensor([1]), labels(0))).toThrow(
      "crossEntropy: found predictions of 1; expected logits [batch, classes], or [batch, classes, height, width]. End",
    );
    expect(() => run(crossEntropyWith({ classWeights: [1, 2] }), logits, labels(0, 1))).toThrow(
      "crossEntropy: found class weights of 2; expected one for each of the 3 classes.",
    );
    expect(() => crossEntropyWith({ labelSmoothing: 2 })).toThrow("found labelSmoothing 2; expected between 0 and 1.");
  });
});

describe("other losses", () => {
  const [x, t] = [tensor([1, -2, 0.5, 4], [2, 2]), tensor([0, 1, 0.25, 1], [2, 2])];
  const softplus = (value: number) => Math.log(1 + Math.exp(value));

  test.each<readonly [string, Loss, number | readonly number[]]>([
    ["meanSquaredError", meanSquaredError, (1 + 9 + 0.0625 + 9) / 4],
    ["meanAbsoluteError", meanAbsoluteError, (1 + 3 + 0.25 + 3) / 4],
    ["smoothL1", smoothL1(), (0.5 + 2.5 + 0.03125 + 2.5) / 4],
    ["smoothL1, beta 2", smoothL1({ beta: 2, reduction: "sum" }), 0.25 + 2 + 0.015625 + 2],
    [
      "binaryCrossEntropy",
      binaryCrossEntropy({ reduction: "sum" }),
      softplus(1) + softplus(-2) + 2 + softplus(0.5) - 0.125 + softplus(4) - 4,
    ],
    ["klDivergence", klDivergence, (2 + 0.25 * (Math.log(0.25) - 0.5) - 4) / 2],
    ["cosineDistance", cosineDistance, 1 - (-2 / Math.sqrt(5) + 4.125 / Math.sqrt(16.25 * 1.0625)) / 2],
    ["squaredError, each", squaredError({ reduction: "none" }), [1, 9, 0.0625, 9]],
    ["squaredError, their sum", squaredError({ reduction: "sum" }), 19.0625],
    ["absoluteError, each", absoluteError({ reduction: "none" }), [1, 3, 0.25, 3]],
    ["absoluteError, their sum", absoluteError({ reduction: "sum" }), 7.25],
    ["klDivergence, each", klDivergenceWith({ reduction: "none" }), [0, 2, 0.25 * (Math.log(0.25) - 0.5), -4]],
    ["klDivergence, their sum", klDivergenceWith({ reduction: "sum" }), 0.25 * (Math.log(0.25) - 0.5) - 2],
    ["klDivergence, their mean", klDivergenceWith({ reduction: "mean" }), (0.25 * (Math.log(0.25) - 0.5) - 2) / 4],
    [
      "cosineDistance, each",
      cosineDistanceWith({ reduction: "none" }),
      [1 + 2 / Math.sqrt(5), 1 - 4.125 / Math.sqrt(16.25 * 1.0625)],
    ],
    [
      "cosineDistance, their sum",
      cosineDistanceWith({ reduction: "sum" }),
      2 + 2 / Math.sqrt(5) - 4.125 / Math.sqrt(16.25 * 1.0625),
    ],
  ])("%s is its formula, for a batch of any size", (_, loss, expected) => {
    expect(run(loss, x, t)).toEqual(close(...[expected].flat()));
    expect(run(loss, x, t, ["batch", 2])).toEqual(close(...[expected].flat()));
  });

  test("dice is one minus the overlap, the mean over classes", () => {
    const maps = tensor([Math.log(3), 0, 0, 0], [1, 2, 2]);
    const [a, b] = [(2 * 0.75) / (1.25 + 1), (2 * 0.5) / (0.75 + 1)];
    expect(run(dice({ smooth: 0 }), maps, tensor([0, 1], [1, 2], "int64"))).toEqual(close(1 - (a + b) / 2));
    const each = dice({ smooth: 0, reduction: "none" });
    expect(run(each, maps, tensor([0, 1], [1, 2], "int64"))).toEqual(close(1 - a, 1 - b));
  });

  test("refuse bad options", () => {
    expect(() => dice({ smooth: -1 })).toThrow("dice: found smooth -1; expected a number of at least 0.");
    expect(() => dice().target({ dtype: "float32", shape: [1] })).toThrow(
      "dice: found predictions of 1; expected logits",
    );
    expect(() => smoothL1({ beta: 0 })).toThrow("smoothL1: found beta 0; expected a number above 0.");
  });
});
