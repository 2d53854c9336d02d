/** What a network is made of, layer by layer. */
import { StriateError } from "../errors.ts";
import { nodesOf } from "../graph/graph.ts";
import { costOf } from "../graph/op.ts";
import { bind } from "../graph/rewrite.ts";
import { fixedShape, type Node } from "../graph/value.ts";
import type { Model } from "../models/model.ts";
import { formatShape, sizeOf } from "../tensor/shape.ts";

export interface LayerSummary {
  /** The layer's path in the network: `layer1.0.conv1`. */
  readonly name: string;
  readonly operator: string;
  /** The shape of its output for one input, without the batch. */
  readonly output: readonly number[];
  /** Numbers it keeps; those of a layer that is used twice are counted at its first use. */
  readonly parameters: number;
  /** Multiply-accumulates for one input. */
  readonly macs: number;
}

export interface Summary {
  readonly parameters: number;
  readonly macs: number;
  readonly layers: readonly LayerSummary[];
}

/**
 * The layers of a model with the shape of their outputs, their parameters and their multiply-accumulates for one input.
 * @param input the shape of one input, such as [channels, height, width]; the model's own by default
 * @throws StriateError when the model does not take such an input
 *
 * @example
 * import { lenet5, Model, summary } from "striate";
 *
 * const model = Model.build(lenet5(), { name: "lenet5", input: [1, 32, 32] });
 * const { parameters, layers } = summary(model);
 * console.assert(parameters === 61_706 && layers[0]?.output.join("x") === "6x28x28");
 */
export function summary(model: Model, input: readonly number[] = defaultInput(model)): Summary {
  const expected = model.inputShape;
  const fits =
    input.length === expected.length &&
    input.every((length, axis) => typeof expected[axis] === "string" || expected[axis] === length);
  if (!fits)
    throw new StriateError({
      subject: model.name,
      found: `an input of ${formatShape(input)}`,
      expected: `${formatShape(expected)}, as the network takes`,
    });
  const names = model.graph.inputs[0]!.shape;
  const dimensions = Object.fromEntries(
    names.flatMap((name, axis) => (typeof name === "string" ? [[name, axis === 0 ? 1 : input[axis - 1]!]] : [])),
  );
  const counted = new Set<string>();
  const layers = nodesOf(bind(model.graph, dimensions)).map((node) => summarise(node, model, counted));
  const total = (count: (layer: LayerSummary) => number) => layers.reduce((sum, layer) => sum + count(layer), 0);
  return { parameters: total((layer) => layer.parameters), macs: total((layer) => layer.macs), layers };
}

function defaultInput(model: Model): readonly number[] {
  const shape = fixedShape({ dtype: "float32", shape: model.inputShape });
  if (!shape)
    throw new StriateError({
      subject: model.name,
      found: `an input of ${formatShape(model.inputShape)}`,
      expected: "a size to summarise it for",
      mend: "Give the input's shape, such as 3x224x224",
    });
  return shape;
}

function summarise(node: Node, model: Model, counted: Set<string>): LayerSummary {
  const shapes = node.inputs.map((value) => value && fixedShape(value));
  const outputs = node.outputs.map((value) => fixedShape(value) ?? []);
  const parameters = node.inputs.reduce((sum, value) => {
    if (value?.source.kind !== "parameter" && value?.source.kind !== "state") return sum;
    if (counted.has(value.source.name)) return sum;
    counted.add(value.source.name);
    return sum + (model.variables.get(value.source.name)?.size ?? sizeOf(fixedShape(value) ?? []));
  }, 0);
  return {
    name: node.scope,
    operator: node.op.name,
    output: outputs[0]!.slice(1),
    parameters,
    macs: costOf(node, { inputs: shapes, outputs }).macs,
  };
}
