/** Numbers as a recorder would have them, and a network whose gradients single precision misses by a kink. */
import { evaluationGraph, results, trainingGraph } from "../../src/analyse/verify.ts";
import { Model } from "../../src/models/model.ts";
import { relu } from "../../src/nn/activations.ts";
import { conv2d } from "../../src/nn/convolution.ts";
import { flatten, linear } from "../../src/nn/linear.ts";
import { maxPool2d } from "../../src/nn/pooling.ts";
import { type Layer, sequential } from "../../src/nn/scope.ts";
import { add, sub } from "../../src/ops/core/elementwise.ts";
import { type Tensor, tensor } from "../../src/tensor/tensor.ts";

/** What a model answers to an `image` and its `labels` in evaluation and in training, in float64, by the names in a recording. */
export async function recorded(model: Model, given: ReadonlyMap<string, Tensor>): Promise<Map<string, Tensor>> {
  const numbers = new Map<string, Tensor>();
  for (const graph of [evaluationGraph(model.graph), trainingGraph(model.graph)])
    for (const [name, each] of (await results(graph, model, given, { engine: "reference" })).numbers)
      numbers.set(name, each);
  return numbers;
}

/** Single precision loses what is smaller than a millionth or so. */
const rounded: Layer = (x) => sub(add(x, 64), 64);

const built = Model.build(
  sequential({
    conv: conv2d({ channels: 2, kernel: 1 }),
    rounded,
    act: relu(),
    pool: maxPool2d({ kernel: 2 }),
    flat: flatten(),
    fc: linear({ features: 3 }),
  }),
  { name: "near", input: [1, 4, 4], seed: 1 },
);

/** Its first channel is nearly 0 everywhere: above it in float64, not in single precision. */
export const near = built.with({
  variables: new Map([
    ...built.variables,
    ["conv.weight", tensor([1e-9, 1], [2, 1, 1, 1])],
    ["conv.bias", tensor([1e-8, 0.1], [2])],
  ]),
});
