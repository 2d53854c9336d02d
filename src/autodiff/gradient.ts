/** Differentiation: from a graph to a graph that computes gradients too. Reverse mode, one rule an operator. */
import { StriateError } from "../errors.ts";
import { type Graph, makeGraph, nodesBehind, outputOf, variablesOf } from "../graph/graph.ts";
import { type GradientRule, notDifferentiable, type Op } from "../graph/op.ts";
import { atScope } from "../graph/scope.ts";
import { constant, type Node, type Value } from "../graph/value.ts";
import { zerosLike } from "../ops/core/broadcast.ts";
import { add } from "../ops/core/elementwise.ts";
import { isFloat } from "../tensor/dtype.ts";
import { formatShape, sameShape, sizeOf } from "../tensor/shape.ts";
import { full } from "../tensor/tensor.ts";

export interface GradientOptions {
  /** Rules to use in place of the operators' own: guided backpropagation, relevance and the like. */
  readonly rules?: ReadonlyMap<Op, GradientRule>;
  /** The gradient to start from, of the shape of the value; 1 by default, for a value of one element. */
  readonly seed?: Value;
}

/**
 * The gradients of one value for several others, as values of the same graph; zeros where it does not depend on them.
 * @throws StriateError when the value has more than one element and no seed is given.
 */
export function gradientsOf(
  of: Value,
  withRespectTo: readonly Value[],
  { rules, seed }: GradientOptions = {},
): Value[] {
  const size = of.shape.every((dimension) => typeof dimension === "number") ? sizeOf(of.shape as number[]) : undefined;
  if (seed === undefined && size !== 1)
    throw new StriateError({
      subject: "gradient",
      found: `a value of shape ${formatShape(of.shape)}`,
      expected: "one number, such as a loss",
      mend: "Sum or average it first, or give a `seed`, the gradient to start from",
    });
  if (seed && !sameShape(seed.shape, of.shape))
    throw new StriateError({
      subject: "gradient",
      found: `a seed of shape ${formatShape(seed.shape)}`,
      expected: `${formatShape(of.shape)}, as the value that is differentiated`,
    });
  const targets = new Set(withRespectTo);
  const nodes = nodesBehind([of]);
  const needed = new Set<Node>();
  const isNeeded = (value: Value | undefined): boolean =>
    value !== undefined && (targets.has(value) || (value.source.kind === "node" && needed.has(value.source.node)));
  for (const node of nodes) if (node.inputs.some(isNeeded)) needed.add(node);

  const gradients = new Map<Value, Value>([[of, seed ?? constant(full(of.shape as number[], 1, of.dtype))]]);
  for (const node of nodes.reverse()) {
    if (!needed.has(node)) continue;
    const outgoing = node.outputs.map((output) => gradients.get(output));
    if (outgoing.every((gradient) => gradient === undefined)) continue;
    const rule = rules?.get(node.op) ?? node.op.gradient;
    if (rule === notDifferentiable) continue;
    const incoming = atScope(node.scope, () => rule(node, outgoing, node.attributes));
    node.inputs.forEach((input, index) => {
      const gradient = incoming[index];
      if (input === undefined || gradient === undefined || !isNeeded(input)) return;
      const sum = gradients.get(input);
      gradients.set(input, sum === undefined ? gradient : atScope(node.scope, () => add(sum, gradient)));
    });
  }
  return withRespectTo.map((value) => gradients.get(value) ?? zerosLike(value));
}

/**
 * A graph with gradients among its outputs, named `gradient.<name>`: of the output `of`, for the inputs and variables
 * named, or for every trainable parameter.
 */
export function gradient(
  graph: Graph,
  of: string,
  withRespectTo?: readonly string[],
  options: GradientOptions = {},
): Graph {
  const candidates = new Map<string, Value>();
  for (const value of [...graph.inputs, ...variablesOf(graph)])
    if (isFloat(value.dtype) && value.source.kind !== "random") candidates.set(value.source.name, value);
  const trainable = [...candidates].flatMap(([name, { source }]) =>
    source.kind === "parameter" && source.trainable ? [name] : [],
  );
  const names = withRespectTo ?? trainable;
  const targets = names.map((name) => {
    const target = candidates.get(name);
    if (target === undefined)
      throw new StriateError({
        subject: "gradient",
        found: `nothing named "${name}" to differentiate for`,
        expected: `one of ${[...candidates.keys()].join(", ")}`,
      });
    return target;
  });
  const gradients = gradientsOf(outputOf(graph, of), targets, options);
  const outputs = new Map(graph.outputs);
  names.forEach((name, index) => {
    outputs.set(`gradient.${name}`, gradients[index]!);
  });
  return makeGraph(graph.inputs, outputs, graph.updates);
}
