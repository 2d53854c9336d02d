import { type Graph, leavesOf, makeGraph, type Update } from "./graph.ts";
import { rewrite, withInputs } from "./rewrite.ts";
import { producerOf, type Value, type Variable } from "./value.ts";

/**
 * The graph in its training form: every operator that has one takes it (dropout drops, statistics are gathered), and
 * the statistics become updates.
 */
export function training(graph: Graph): Graph {
  const updates: Update[] = [];
  const taken = new Set(leavesOf(graph).map(({ source }) => ("name" in source ? source.name : "")));
  const unique = (wish: string): string => {
    let name = wish;
    for (let count = 1; taken.has(name); count++) name = `${wish}_${count}`;
    taken.add(name);
    return name;
  };
  const trained = rewrite(graph, (node, inputs) => {
    if (!node.op.training) return undefined;
    const here = producerOf(withInputs(node, inputs)[0]!)!;
    const form = node.op.training(here, here.attributes, unique);
    for (const { variable, next } of form.updates ?? []) updates.push({ variable: variable as Variable, next });
    return form.outputs;
  }).graph;
  return makeGraph(trained.inputs, trained.outputs, [...trained.updates, ...inTurn(trained, updates)]);
}

/** One update for each variable: where a layer is used twice, its second update starts from what the first gives. */
function inTurn({ inputs }: Graph, updates: readonly Update[]): Update[] {
  const latest = new Map<Variable, Value>();
  for (const { variable, next } of updates) {
    const before = latest.get(variable);
    const after = before && rewrite(makeGraph(inputs, { next }), () => undefined, new Map([[variable, before]]));
    latest.set(variable, after?.graph.outputs.get("next") ?? next);
  }
  return [...latest].map(([variable, next]) => ({ variable, next }));
}
