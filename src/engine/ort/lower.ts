/** From our operators to those that ONNX Runtime has: each by its fast form there, or else by its composition. */
import { StriateError } from "../../errors.ts";
import { type Graph, nodesOf } from "../../graph/graph.ts";
import { type Op, striateDomain } from "../../graph/op.ts";
import { foldConstants, rewrite } from "../../graph/rewrite.ts";
import type { Node, Value } from "../../graph/value.ts";

/** What to run in place of a node with these inputs; undefined where the rule does not apply. */
type LoweringRule = (inputs: readonly (Value | undefined)[], node: Node) => readonly Value[] | undefined;

const rules: ReadonlyMap<Op, LoweringRule> = new Map();

/** The same graph in standard operators and those that ONNX Runtime contributes. */
export function lower(graph: Graph): Graph {
  let lowered = graph;
  while (nodesOf(lowered).some(needsLowering))
    lowered = rewrite(lowered, (node, inputs) => {
      const fast = rules.get(node.op)?.(inputs, node);
      if (fast || !needsLowering(node)) return fast;
      const composed = node.op.composition?.(inputs, node.attributes);
      if (!composed) throw new StriateError({ subject: node.op.name, found: "no form in ONNX's operators" });
      return composed;
    }).graph;
  return foldConstants(lowered);
}

const needsLowering = (node: Node): boolean => node.op.domain === striateDomain;
