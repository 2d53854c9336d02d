/** The graph that is run in place of another: batch normalisation by given statistics becomes part of the convolution before it. */
import { type Graph, nodesOf, resultsOf } from "../../graph/graph.ts";
import { rewrite } from "../../graph/rewrite.ts";
import { type Node, producerOf, type Value } from "../../graph/value.ts";
import { BatchNormalization } from "../../ops/batch-normalisation.ts";
import { Conv, conv } from "../../ops/conv.ts";
import { add, div, mul, sqrt, sub } from "../../ops/core/elementwise.ts";
import { reshape } from "../../ops/core/shape.ts";

/** The convolution that a node normalises, when nothing else looks at it. */
function convolutionBefore(node: Node, uses: ReadonlyMap<Value, number>): Node | undefined {
  if (node.op.name !== BatchNormalization.name || node.attributes.training_mode === 1) return undefined;
  const x = node.inputs[0]!;
  const before = producerOf(x);
  return before?.op.name === Conv.name && uses.get(x) === 1 ? before : undefined;
}

/** scale (w x + b - mean) / d + bias is a convolution with weights w scale / d: computed once where they do not change. */
export function lower(graph: Graph): Graph {
  const uses = new Map<Value, number>();
  for (const value of [...resultsOf(graph), ...nodesOf(graph).flatMap((node) => node.inputs)])
    if (value) uses.set(value, (uses.get(value) ?? 0) + 1);
  return rewrite(graph, (node, [x, scale, bias, mean, variance]) => {
    if (!convolutionBefore(node, uses)) return undefined;
    const { inputs, attributes } = producerOf(x!)!;
    const [source, weights, shift] = inputs as [Value, Value, Value | undefined];
    const factor = div(scale!, sqrt(add(variance!, node.attributes.epsilon as number)));
    const each = reshape(factor, [-1, ...weights.shape.slice(1).map(() => 1)]);
    const offset = add(mul(shift ? sub(shift, mean!) : sub(0, mean!), factor), bias!);
    return [conv(source, mul(weights, each), offset, attributes)];
  }).graph;
}
