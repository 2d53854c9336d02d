/** From our operators to those that ONNX Runtime has: each by its fast form there, or else by its composition. */
import { StriateError } from "../../errors.ts";
import { type Graph, nodesOf } from "../../graph/graph.ts";
import { striateDomain } from "../../graph/op.ts";
import { foldConstants, rewrite } from "../../graph/rewrite.ts";
import type { Node } from "../../graph/value.ts";
import { rules } from "./rules.ts";

/** The same graph in standard operators. */
export function lower(graph: Graph): Graph {
  let lowered = graph;
  do {
    lowered = rewrite(lowered, (node, inputs) => {
      const fast = rules.get(node.op)?.(inputs, node);
      if (fast || !isOurs(node)) return fast;
      const composed = node.op.composition?.(inputs, node.attributes);
      if (!composed) throw new StriateError({ subject: node.op.name, found: "no form in ONNX's operators" });
      return composed;
    }).graph;
  } while (nodesOf(lowered).some(isOurs));
  return foldConstants(lowered);
}

const isOurs = (node: Node): boolean => node.op.domain === striateDomain;
