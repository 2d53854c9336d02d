import { type Graph, makeGraph, type Update } from "./graph.ts";
import { rewrite, withInputs } from "./rewrite.ts";
import { producerOf, type Variable } from "./value.ts";

/**
 * The graph in its training form: every operator that has one takes it (dropout drops, statistics are gathered), and
 * the statistics become updates.
 */
export function training(graph: Graph): Graph {
  const updates: Update[] = [];
  const trained = rewrite(graph, (node, inputs) => {
    if (!node.op.training) return undefined;
    const here = producerOf(withInputs(node, inputs)[0]!)!;
    const form = node.op.training(here, here.attributes);
    for (const { variable, next } of form.updates ?? []) updates.push({ variable: variable as Variable, next });
    return form.outputs;
  }).graph;
  return makeGraph(trained.inputs, trained.outputs, [...trained.updates, ...updates]);
}
