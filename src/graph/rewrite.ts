/** Functions from graph to graph. */
import { StriateError } from "../errors.ts";
import { type Tensor, tensor, zeros } from "../tensor/tensor.ts";
import { dimensionsOf } from "./dimensions.ts";
import { type Graph, makeGraph, nodesOf, type Update } from "./graph.ts";
import { apply } from "./op.ts";
import { atScope } from "./scope.ts";
import {
  constant,
  constantOf,
  type Dimension,
  type Input,
  type Node,
  producerOf,
  type Value,
  type ValueType,
} from "./value.ts";

/** What to put in place of a node, given its inputs already rewritten; undefined keeps the node. */
export type NodeRewriter = (node: Node, inputs: readonly (Value | undefined)[]) => readonly Value[] | undefined;

/** The node with other inputs; the very same node when they are the same. Its shapes are inferred anew. */
export function withInputs(node: Node, inputs: readonly (Value | undefined)[]): readonly Value[] {
  if (inputs.every((input, index) => input === node.inputs[index])) return node.outputs;
  return atScope(node.scope, () => apply(node.op, inputs, node.attributes));
}

/**
 * A graph with some of its leaves and nodes replaced. What does not depend on a replacement is shared with the original.
 */
export function rewrite(
  graph: Graph,
  rewriteNode: NodeRewriter,
  leaves: ReadonlyMap<Value, Value> = new Map(),
): { readonly graph: Graph; readonly replacementOf: (value: Value) => Value } {
  const replaced = new Map<Value, Value>(leaves);
  const replacementOf = (value: Value): Value => replaced.get(value) ?? value;
  for (const node of nodesOf(graph)) {
    const inputs = node.inputs.map((input) => input && replacementOf(input));
    const outputs = atScope(node.scope, () => rewriteNode(node, inputs)) ?? withInputs(node, inputs);
    node.outputs.forEach((output, index) => {
      const next = outputs[index];
      if (next !== undefined && next !== output) replaced.set(output, next);
    });
  }
  const outputs = new Map([...graph.outputs].map(([name, value]) => [name, replacementOf(value)]));
  const updates = graph.updates.map(
    ({ variable, next }): Update => ({
      variable: replacementOf(variable) as Update["variable"],
      next: replacementOf(next),
    }),
  );
  const inputs = graph.inputs.map((input) => replacementOf(input) as Input);
  return { graph: makeGraph(inputs, outputs, updates), replacementOf };
}

/** A graph whose named dimensions have become numbers, its shapes inferred anew and its constants folded. */
export function bind(graph: Graph, dimensions: Readonly<Record<string, number>>): Graph {
  const lengthOf = (name: string) => (Object.hasOwn(dimensions, name) ? dimensions[name]! : name);
  const bound = (shape: readonly Dimension[]): Dimension[] =>
    shape.map((dimension) => (typeof dimension === "string" ? lengthOf(dimension) : dimension));
  const leaves = new Map<Value, Value>();
  for (const input of graph.inputs)
    if (input.shape.some((dimension) => typeof dimension === "string"))
      leaves.set(input, { ...input, shape: bound(input.shape) });
  for (const node of nodesOf(graph))
    for (const leaf of node.inputs)
      if (leaf?.source.kind === "random" && !leaves.has(leaf)) leaves.set(leaf, { ...leaf, shape: bound(leaf.shape) });
  return foldConstants(rewrite(graph, () => undefined, leaves).graph);
}

/** The largest result, in elements, that folding makes: larger ones are cheaper to compute than to store. */
const largestFolded = 1 << 16;
/** The most multiply-accumulates of a node that folding computes: its loops are plain. */
const mostWork = 1 << 24;

/** A graph in which nodes whose inputs are all constants have become constants. */
export function foldConstants(graph: Graph): Graph {
  return rewrite(graph, (node, inputs) => {
    const outputs = withInputs(node, inputs);
    return foldNode(producerOf(outputs[0]!)!) ?? outputs;
  }).graph;
}

/**
 * Constants for the outputs of a node, where its operands are all constants or decide them by their shapes, or they have
 * no elements (runtimes trip over such).
 */
export function foldNode(node: Node): readonly Value[] | undefined {
  const elements = ({ shape }: ValueType) =>
    shape.reduce<number>((size, dimension) => (typeof dimension === "number" ? size * dimension : Infinity), 1);
  if (!node.outputs.every((output) => elements(output) <= largestFolded)) return undefined;
  if (node.outputs.every((output) => elements(output) === 0))
    return node.outputs.map((output) => constant(zeros(output.shape as readonly number[], output.dtype)));
  const known = node.op.fold?.(node.inputs, node.attributes);
  const constants = (tensors: readonly Tensor[]) =>
    tensors.map((tensor, index) => constant(tensor.cast(node.outputs[index]!.dtype)));
  if (known !== undefined) return constants(known);
  const dimensions = node.op.dimensions && dimensionsOf(node.outputs[0]!);
  if (dimensions?.every((each) => typeof each === "number"))
    return constants([tensor(dimensions, node.outputs[0]!.shape as readonly number[], "int64")]);
  if (!node.inputs.every((input) => input === undefined || constantOf(input) !== undefined)) return undefined;
  const shapes = (values: readonly (Value | undefined)[]) => values.map((value) => value?.shape as readonly number[]);
  const work = node.op.macs?.({ inputs: shapes(node.inputs), outputs: shapes(node.outputs) }, node.attributes) ?? 0;
  if (!(work <= mostWork)) return undefined;
  return constants(evaluated(node));
}

/** What a node computes of constants; numbers that its loops trip over are said to be the operands' fault. */
function evaluated({ op, inputs, attributes }: Node): readonly Tensor[] {
  try {
    return op.evaluate(inputs.map(constantOf), attributes);
  } catch (cause) {
    if (cause instanceof StriateError) throw cause;
    throw new StriateError({ subject: op.name, found: `operands that it cannot take (${cause})`, cause });
  }
}
