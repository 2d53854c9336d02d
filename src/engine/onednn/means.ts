/** Means over windows that are taken before a convolution in place of after it: it then has fewer elements to look at. */

import { type Graph, usesOf } from "../../graph/graph.ts";
import { attributesOf } from "../../graph/op.ts";
import { rewrite, withInputs } from "../../graph/rewrite.ts";
import { type Node, producerOf } from "../../graph/value.ts";
import { Conv } from "../../ops/conv.ts";
import { AveragePool } from "../../ops/pool.ts";

const areAll = (values: readonly number[] | undefined, number: number): boolean =>
  values?.every((each) => each === number) ?? true;

/** Whether the numbers that a window's elements are multiplied by have the sum 1, and windows are fewer than elements. */
function takesFewerMeans(node: Node): boolean {
  if (node.op.name !== AveragePool.name) return false;
  const { auto_pad, pads, ceil_mode, count_include_pad, strides } = attributesOf(node, AveragePool);
  const isWithin = auto_pad === "NOTSET" && areAll(pads, 0) && ceil_mode === 0;
  return (isWithin || count_include_pad === 0) && !areAll(strides, 1);
}

/** Whether a convolution looks at each element alone. */
const isOfElements = ({ op, inputs, attributes: { strides, pads } }: Node): boolean =>
  op.name === Conv.name &&
  areAll(inputs[1]!.shape.slice(2) as number[], 1) &&
  areAll(strides as number[] | undefined, 1) &&
  areAll(pads as number[] | undefined, 0);

/** The graph with means first where they can be, as in DenseNet's transitions: the mean of w x + b is w times the mean of x, + b. */
export function meansFirst(graph: Graph): Graph {
  const uses = usesOf(graph);
  return rewrite(graph, (node, [x]) => {
    const before = x && producerOf(x);
    const isAlone = uses.get(node.inputs[0]!) === 1;
    if (!takesFewerMeans(node) || !isAlone || !before || !isOfElements(before)) return undefined;
    const [source, ...weights] = before.inputs;
    return withInputs(before, [...withInputs(node, [source]), ...weights]);
  }).graph;
}
