/** Which graphs run in the calling thread, as a message to the engine's own would take longer than they do. */
import { type Graph, nodesOf } from "../../graph/graph.ts";
import { costOf } from "../../graph/op.ts";
import { fixedShape, type Node } from "../../graph/value.ts";
import { type Shape, sizeOf } from "../../tensor/shape.ts";
import { shapesOf } from "./step.ts";

/** Multiply-accumulates, and elements, that take no longer than a message to another thread and back, or little more. */
const little = 1e6;

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

/** Whether a graph is little work, changes no variables, and stays so, as all its lengths are known. */
export function isSmall(graph: Graph): boolean {
  if (graph.updates.length > 0 || graph.inputs.some((input) => !fixedShape(input))) return false;
  const nodes = nodesOf(graph);
  return nodes.length <= mostNodes && nodes.reduce((sum, node) => sum + workOf(node), 0) <= little;
}
