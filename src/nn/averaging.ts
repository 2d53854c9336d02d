/** Averages of the weights over the steps of training. */
import { StriateError } from "../errors.ts";
import { type Graph, makeGraph } from "../graph/graph.ts";
import { withinScope } from "../graph/scope.ts";
import { stateValue } from "../graph/value.ts";
import { add, mul } from "../ops/core/elementwise.ts";
import type { Tensor } from "../tensor/tensor.ts";

const prefix = "average.";

/**
 * A step's graph that also keeps a running average of every trainable parameter: a' = decay a + (1 - decay) w', w' being
 * the parameter after the step; and likewise of the statistics among the variables, which belong to those weights.
 * Averages start at the first values.
 * B. Polyak and A. Juditsky, "Acceleration of stochastic approximation by averaging", 1992.
 * @param graph a graph with updates of its parameters, from `step`
 * @param variables the first values of those parameters, and of statistics that are to be averaged too
 * @returns the graph, and the first values of the state that it adds
 */
export function averageWeights(
  graph: Graph,
  variables: ReadonlyMap<string, Tensor>,
  { decay = 0.999 }: { readonly decay?: number } = {},
): { graph: Graph; state: Map<string, Tensor> } {
  if (!(decay >= 0 && decay < 1))
    throw new StriateError({
      subject: "averageWeights",
      found: `decay ${decay}`,
      expected: "at least 0 and below 1",
    });
  const state = new Map<string, Tensor>();
  const trained = graph.updates.filter(
    ({ variable: { source } }) => source.kind === "parameter" || variables.has(source.name),
  );
  const averages = withinScope("average", () =>
    trained.map(({ variable, next }) => {
      const start = variables.get(variable.source.name);
      if (!start)
        throw new StriateError({ subject: "averageWeights", found: `no first value of "${variable.source.name}"` });
      const name = `${prefix}${variable.source.name}`;
      state.set(name, start);
      const average = stateValue(name, variable);
      return { variable: average, next: add(mul(average, decay), mul(next, 1 - decay)) };
    }),
  );
  return { graph: makeGraph(graph.inputs, graph.outputs, [...graph.updates, ...averages]), state };
}

/** Variables with their averages in place of those that have one. */
export function averagedVariables(variables: ReadonlyMap<string, Tensor>): Map<string, Tensor> {
  return new Map(
    [...variables].flatMap(([name, tensor]) =>
      name.startsWith(prefix) ? [] : [[name, variables.get(`${prefix}${name}`) ?? tensor] as const],
    ),
  );
}
