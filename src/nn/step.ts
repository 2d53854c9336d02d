/** The training step as one graph: forward, loss, gradients and the optimiser's updates. */
import { gradientsOf } from "../autodiff/gradient.ts";
import { StriateError } from "../errors.ts";
import { type Graph, makeGraph, outputOf, trainableOf, type Update } from "../graph/graph.ts";
import { withinScope } from "../graph/scope.ts";
import { inputValue, stateValue, type Value } from "../graph/value.ts";
import { add } from "../ops/core/elementwise.ts";
import type { Shape } from "../tensor/shape.ts";
import { scalar, type Tensor, zeros } from "../tensor/tensor.ts";
import type { Loss } from "./losses.ts";
import type { Optimiser } from "./optimisers.ts";

/** The inputs that `withLoss` and `step` add. */
export const targetInput = "target";
export const learningRateInput = "learningRate";

const counterName = "optimiser.step";

/** The graph with an input for the targets and an output `loss` for the predictions of its first output. */
export function withLoss(graph: Graph, loss: Loss): Graph {
  const prediction = [...graph.outputs.values()][0]!;
  const target = inputValue(targetInput, loss.target(prediction));
  const outputs = new Map(graph.outputs).set(
    "loss",
    withinScope("loss", () => loss.of(prediction, target)),
  );
  return makeGraph([...graph.inputs, target], outputs, graph.updates);
}

/**
 * The graph with an update for every trainable parameter, by the gradients of its output `loss`. The learning rate
 * becomes an input; moments and the step's number become state.
 * @returns the graph, and the first values of the state that it adds
 */
export function step(graph: Graph, optimiser: Optimiser): { graph: Graph; state: Map<string, Tensor> } {
  const parameters = trainableOf(graph);
  if (parameters.length === 0)
    throw new StriateError({ subject: "step", found: "no trainable parameter", expected: "at least one" });
  const gradients = gradientsOf(outputOf(graph, "loss"), parameters);
  const learningRate = inputValue(learningRateInput, { dtype: "float32", shape: [] });
  const counter = stateValue(counterName, { dtype: "float32", shape: [] });
  const state = new Map<string, Tensor>([[counterName, scalar(0)]]);
  const updates: Update[] = withinScope("optimiser", () => {
    const count = add(counter, 1);
    const changes: Update[] = [{ variable: counter, next: count }];
    const seen = optimiser.prepare?.(gradients) ?? gradients;
    parameters.forEach((parameter, index) => {
      const moment = (name: string, next: (previous: Value) => Value): Value => {
        const full = `optimiser.${name}.${parameter.source.name}`;
        const variable = stateValue(full, parameter);
        state.set(full, zeros(parameter.shape as Shape));
        const value = next(variable);
        changes.push({ variable, next: value });
        return value;
      };
      const next = optimiser.update(parameter, seen[index]!, { learningRate, step: count, moment });
      changes.push({ variable: parameter, next });
    });
    return changes;
  });
  return { graph: makeGraph([...graph.inputs, learningRate], graph.outputs, [...graph.updates, ...updates]), state };
}
