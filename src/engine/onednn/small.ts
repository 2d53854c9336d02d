/** Which graphs run in the calling thread, as a message to the engine's own would take longer than they do, or nearly so. */
import { type Graph, nodesOf } from "../../graph/graph.ts";
import { costOf } from "../../graph/op.ts";
import { fixedShape, type Node } from "../../graph/value.ts";
import { type Shape, sizeOf } from "../../tensor/shape.ts";
import { shapesOf } from "./step.ts";

/**
 * Multiply-accumulates, and elements, that take no longer on one thread than a message to another and back, or little more;
 * and those that take half a millisecond on two, which is several times as long.
 */
const most = { tiny: 1e6, small: 5e7 };

/** Nodes beyond which laying them out would hold the calling thread up. */
const mostNodes = 200;

/** Multiply-accumulates of a node, or elements that it looks at where those are more: of windows, each again and again. */
export function workOf(node: Node): number {
  const { inputs, outputs } = shapesOf(node);
  const { kernel_shape: window = [] } = node.attributes as { readonly kernel_shape?: Shape };
  const written = outputs.reduce((sum, shape) => sum + sizeOf(shape), 0);
  const read = inputs.reduce((sum, shape) => sum + sizeOf(shape ?? []), 0);
  return Math.max(costOf(node, { inputs, outputs }).macs, written * sizeOf(window)) + written + read;
}

/** How many times as long nodes take of types that the library does not compute with: by loops, or elsewhere. */
const slowness = ({ inputs: [x], outputs: [y] }: Node): number =>
  [x, y].every((value) => !value || value.dtype === "float32") ? 1 : 50;

/** How much work a graph is. It is large where it changes variables, or where not all its lengths are known. */
export function sizeOfWork(graph: Graph): "tiny" | "small" | "large" {
  if (graph.updates.length > 0 || graph.inputs.some((input) => !fixedShape(input))) return "large";
  const nodes = nodesOf(graph);
  const work =
    nodes.length <= mostNodes
      ? nodes.reduce((sum, node) => sum + slowness(node) * workOf(node), 0)
      : Number.POSITIVE_INFINITY;
  return work <= most.tiny ? "tiny" : work <= most.small ? "small" : "large";
}
