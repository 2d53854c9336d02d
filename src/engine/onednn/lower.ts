/**
 * The graph that is run in place of another: batch normalisation by given statistics becomes part of the convolution before
 * it, and the gradients of max pooling and the ReLU before it change places.
 */
import { type Graph, nodesOf, usesOf } from "../../graph/graph.ts";
import { rewrite, withInputs } from "../../graph/rewrite.ts";
import { type Node, producerOf, type Value } from "../../graph/value.ts";
import { BatchNormalization, BatchNormalizationTraining } from "../../ops/batch-normalisation.ts";
import { Conv, conv } from "../../ops/conv.ts";
import { add, div, mul, ReluGradient, sqrt, sub } from "../../ops/core/elementwise.ts";
import { reshape } from "../../ops/core/shape.ts";
import { MaxPool, MaxPoolGradient } from "../../ops/pool.ts";

/** The convolution that a node normalises, when nothing else looks at it. */
function convolutionBefore(node: Node, uses: ReadonlyMap<Value, number>): Node | undefined {
  if (node.op.name !== BatchNormalization.name || node.attributes.training_mode === 1) return undefined;
  const x = node.inputs[0]!;
  const before = producerOf(x);
  return before?.op.name === Conv.name && uses.get(x) === 1 ? before : undefined;
}

/**
 * The largest number of a window is positive where the one that it was taken from is: ReLU's gradient by the pooled map, before
 * it is spread, is the same, and the larger map need not be kept for it. (After batch normalisation ReLU keeps a mask anyway.)
 */
function poolGradientsLast(graph: Graph, uses: ReadonlyMap<Value, number>): Graph {
  const pools = nodesOf(graph).filter(({ op }) => op.name === MaxPool.name);
  return rewrite(graph, (node, [, g]) => {
    const [y] = node.inputs as [Value];
    const spread = g && producerOf(g);
    if (node.op.name !== ReluGradient.name || spread?.op.name !== MaxPoolGradient.name) return undefined;
    if (spread.inputs[0] !== y || uses.get(node.inputs[1]!) !== 1) return undefined;
    const before = producerOf(y)?.inputs[0];
    if (before && producerOf(before)?.op.name === BatchNormalizationTraining.name) return undefined;
    const attributes = JSON.stringify(spread.attributes);
    const pool = pools.find((each) => each.inputs[0] === y && JSON.stringify(each.attributes) === attributes);
    if (!pool) return undefined;
    return withInputs(spread, [y, ...withInputs(node, [pool.outputs[0], spread.inputs[1]])]);
  }).graph;
}

/** scale (w x + b - mean) / d + bias is a convolution with weights w scale / d: computed once where they do not change. */
export function lower(graph: Graph): Graph {
  const uses = usesOf(graph);
  return rewrite(poolGradientsLast(graph, uses), (node, [x, scale, bias, mean, variance]) => {
    if (!convolutionBefore(node, uses)) return undefined;
    const { inputs, attributes } = producerOf(x!)!;
    const [source, weights, shift] = inputs as [Value, Value, Value | undefined];
    const factor = div(scale!, sqrt(add(variance!, node.attributes.epsilon as number)));
    const each = reshape(factor, [-1, ...weights.shape.slice(1).map(() => 1)]);
    const offset = add(mul(shift ? sub(shift, mean!) : sub(0, mean!), factor), bias!);
    return [conv(source, mul(weights, each), offset, attributes)];
  }).graph;
}
