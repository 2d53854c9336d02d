/** From our operators to those that ONNX Runtime has: each by its fast form there, or else by its composition. */
import { StriateError } from "../../errors.ts";
import type { Graph } from "../../graph/graph.ts";
import { striateDomain } from "../../graph/op.ts";
import { foldConstants, rewrite } from "../../graph/rewrite.ts";
import type { Node, Value } from "../../graph/value.ts";
import { rules } from "./rules.ts";

/**
 * The same graph in operators that the runtime has. What a rule gives is lowered in its turn.
 * @param block how many channels a block of the runtime's own layout has; by default it has no such layout
 */
export function lower(graph: Graph, block = 0): Graph {
  const target = { block, training: graph.updates.length > 0 };
  let lowered = graph;
  for (let changed = true; changed; ) {
    changed = false;
    lowered = rewrite(lowered, (node, inputs) => {
      const replacement = rules.get(node.op)?.(inputs, node, target) ?? composed(node, inputs);
      changed ||= replacement !== undefined;
      return replacement;
    }).graph;
  }
  return foldConstants(lowered);
}

function composed(node: Node, inputs: readonly (Value | undefined)[]): readonly Value[] | undefined {
  if (node.op.domain !== striateDomain) return undefined;
  const values = node.op.composition?.(inputs, node.attributes);
  if (!values) throw new StriateError({ subject: node.op.name, found: "no form in ONNX's operators" });
  return values;
}
