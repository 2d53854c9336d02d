/** Making a trained model ready to learn something else. */
import { StriateError } from "../errors.ts";
import { type Graph, trainableOf } from "../graph/graph.ts";
import { rewrite } from "../graph/rewrite.ts";
import { parameterValue, producerOf, type Value, type Variable } from "../graph/value.ts";
import { normal } from "../nn/initialisers.ts";
import { wholeNumber } from "../nn/options.ts";
import { Random } from "../tensor/random.ts";
import { type Shape, sizeOf } from "../tensor/shape.ts";
import { type Tensor, zeros } from "../tensor/tensor.ts";
import type { Model } from "./model.ts";

/**
 * The model with some of its parameters frozen, so that training does not change them. Running statistics are gathered
 * all the same. An ONNX file does not keep it.
 *
 * @param isFrozen whether the parameter of this name keeps its value
 * @throws StriateError when that leaves the parameters all as they were
 *
 * @example
 * import { freeze, lenet5, Model } from "striate";
 *
 * const model = Model.build(lenet5(), { name: "lenet5", input: [1, 32, 32], seed: 1 });
 * const tuned = freeze(model, (name) => !name.startsWith("output."));
 * console.assert(tuned.parameterCount === model.parameterCount);
 */
export function freeze(model: Model, isFrozen: (parameter: string) => boolean): Model {
  const chosen = trainableOf(model.graph).filter(({ source }) => isFrozen(source.name));
  if (chosen.length === 0)
    throw new StriateError({
      subject: `freeze ${model.name}`,
      found: "no parameter of such a name",
      expected: `some of ${trainableOf(model.graph)
        .slice(0, 5)
        .map(({ source }) => source.name)
        .join(", ")} …`,
    });
  const frozen = chosen.map((value) => [value, parameterValue(value.source.name, value, false)] as const);
  return model.with({ graph: rewrite(model.graph, () => undefined, new Map<Value, Value>(frozen)).graph });
}

/**
 * The model with its last layer's weights replaced by new ones, drawn by the seed, for another number of classes. What
 * else it has learned is kept; its classes have no names until they are given.
 *
 * @throws StriateError when its last layer with weights is none that gives a number for each class
 *
 * @example
 * import { lenet5, Model, replaceHead } from "striate";
 *
 * const model = Model.build(lenet5({ classes: 10 }), { name: "lenet5", input: [1, 32, 32], seed: 1 });
 * const other = replaceHead(model, { classes: 3, seed: 1 });
 * console.assert(other.graph.outputs.get("logits")?.shape.join() === "batch,3");
 */
export function replaceHead(model: Model, { classes, seed = 0 }: { classes: number; seed?: number }): Model {
  wholeNumber("replaceHead", "classes", classes);
  const before = predictionOf(model.graph).shape[1];
  const head = headOf(model.graph).filter(({ shape }) => shape.some((length) => length === before));
  const weights = head.find(({ shape }) => shape.length >= 2);
  for (const axis of weights?.shape.keys() ?? []) {
    if (weights!.shape[axis] !== before) continue;
    const replaced = head.map((value) => {
      const shape = (value.shape as Shape).with(value === weights ? axis : value.shape.indexOf(before), classes);
      return [value, parameterValue(value.source.name, { ...value, shape })] as const;
    });
    const graph = rewritten(model.graph, new Map<Value, Value>(replaced));
    if (graph === undefined || predictionOf(graph).shape[1] !== classes) continue;
    const drawn = replaced.map(([old, value]) => [
      value.source.name,
      firstValues(value, old === weights, classes, seed),
    ]);
    const variables = new Map([...model.variables, ...(drawn as [string, Tensor][])]);
    return model.with({ graph, variables, classes: undefined });
  }
  throw new StriateError({
    subject: `replaceHead ${model.name}`,
    found: `a last layer that is not seen to give its ${before} outputs by weights of its own`,
    expected: "a linear layer or a convolution with one output for each class",
  });
}

const predictionOf = (graph: Graph): Value => [...graph.outputs.values()][0]!;

/** The parameters of the last layer with weights: those nearest behind the prediction, as far as the first weights. */
function headOf(graph: Graph): Variable[] {
  const trainable = new Set<Value>(trainableOf(graph));
  const parameters = new Set<Variable>();
  let level: Value[] = [predictionOf(graph)];
  while (level.length > 0 && ![...parameters].some(({ shape }) => shape.length >= 2)) {
    level = level.flatMap((value) => producerOf(value)?.inputs ?? []).filter((value) => value !== undefined);
    for (const value of level) if (trainable.has(value)) parameters.add(value as Variable);
  }
  return [...parameters];
}

/** The graph with other leaves; undefined where its operators do not take them. */
function rewritten(graph: Graph, leaves: ReadonlyMap<Value, Value>): Graph | undefined {
  try {
    return rewrite(graph, () => undefined, leaves).graph;
  } catch (error) {
    if (error instanceof StriateError) return undefined;
    throw error;
  }
}

/** Weights of variance 1 / fan-in; biases of 0. */
function firstValues({ source, shape }: Variable, isWeights: boolean, classes: number, seed: number): Tensor {
  const fixed = shape as Shape;
  if (!isWeights) return zeros(fixed);
  return normal(Math.sqrt(classes / sizeOf(fixed)))(fixed, new Random(seed, "head", source.name));
}
