/** Which graphs run in the calling thread, as a message to the engine's own would take longer than they do. */
import { type Graph, nodesOf } from "../../graph/graph.ts";
import { costOf } from "../../graph/op.ts";
import { fixedShape } from "../../graph/value.ts";
import { sizeOf } from "../../tensor/shape.ts";
import { shapesOf } from "./step.ts";

/** Multiply-accumulates, and elements, that take no longer than a message to another thread and back, or little more. */
const little = 1e6;

/** Whether a graph is little work, changes no variables, and stays so, as all its lengths are known. */
export function isSmall(graph: Graph): boolean {
  if (graph.updates.length > 0 || graph.inputs.some((input) => !fixedShape(input))) return false;
  const work = nodesOf(graph).map((node) => {
    const shapes = shapesOf(node);
    return costOf(node, shapes).macs + shapes.outputs.reduce((sum, shape) => sum + sizeOf(shape), 0);
  });
  return work.reduce((sum, each) => sum + each, 0) <= little;
}
