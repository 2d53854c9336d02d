/**
 * Whether kinks explain gradients that an engine misses: a number within rounding of one (a ReLU's 0, a maximum of nearly equal
 * numbers) may fall on its other side, and changes the gradients of the layers before it by far more than rounding.
 */
import type { EngineOptions } from "../engine/choose.ts";
import { givenLengths } from "../engine/engine.ts";
import { type Graph, makeGraph, nodesOf } from "../graph/graph.ts";
import { apply } from "../graph/op.ts";
import { bind, rewrite } from "../graph/rewrite.ts";
import { constantOf, inputValue, type Value } from "../graph/value.ts";
import type { Model } from "../models/model.ts";
import { takesSide } from "../ops/kinks.ts";
import type { Shape } from "../tensor/shape.ts";
import { full, type Tensor } from "../tensor/tensor.ts";
import { evaluationGraph, judge, type Recording, results, trainingGraph, type Verification } from "./verify.ts";

export interface Kinks {
  /** In how many places a gradient passes that it does not in float64, or the reverse, by layer. */
  readonly flipped: ReadonlyMap<string, number>;
  /** The gradients that failed, but in float64 are what was recorded, and by the sides that the engine took what it found. */
  readonly explained: readonly string[];
}

/** The graph of an engine, which shows by what it takes sides; and float64's, which is given that and has its own outputs as well. */
function bySides(graph: Graph) {
  const nodes = nodesOf(graph).filter(({ op }) => takesSide(op));
  const operands = [...new Set(nodes.map(({ inputs }) => inputs[0]!))];
  const named = (title: string) => operands.map((value, index) => [`${title} ${index}`, value] as const);
  const given = new Map(named("taken").map(([name, value]) => [value, inputValue(name, value)]));
  const inputs = [...graph.inputs, ...given.values()];
  const { replacementOf } = rewrite({ ...graph, inputs }, ({ op, inputs: [operand], attributes }, [, ...rest]) =>
    takesSide(op) ? apply(op, [given.get(operand!), ...rest], attributes) : undefined,
  );
  const replaced = [...graph.outputs].map(([name, value]) => [`by sides ${name}`, replacementOf(value)] as const);
  return {
    nodes,
    operands,
    taken: makeGraph(graph.inputs, new Map([...graph.outputs, ...named("taken")]), graph.updates),
    exact: makeGraph(inputs, new Map([...graph.outputs, ...named("exact"), ...replaced])),
  };
}

/** Computes what failed in float64, by its own sides and by those that the engine took. */
export async function kinksOf(
  model: Model,
  { tensors, deviation }: Recording,
  { failed }: Verification,
  options: EngineOptions = {},
): Promise<Kinks> {
  const image = model.graph.inputs[0]!.source.name;
  const bound = bind(model.graph, givenLengths(model.graph, { [image]: tensors.get("image")! }));
  const flipped = new Map<string, number>();
  const explained: string[] = [];
  for (const graph of [evaluationGraph(bound), trainingGraph(bound)]) {
    const missed = failed.filter((name) => graph.outputs.has(name));
    if (missed.length === 0) continue;
    const { nodes, operands, taken, exact } = bySides(graph);
    const found = await results(taken, model, tensors, options);
    const own = await results(exact, model, new Map([...found.numbers, ...tensors]), { engine: "reference" });
    const outputs = [...graph.outputs.keys()];
    const sides = new Map(outputs.map((name) => [name, own.numbers.get(`by sides ${name}`)!]));
    const judged = [judge(own, { tensors, deviation }), judge(found, { tensors: sides, deviation })];
    const isRight = (name: string) => judged.every((each) => each.get(name)!.error <= each.get(name)!.allowed);
    explained.push(...missed.filter(isRight));
    for (const { op, inputs, attributes, scope } of nodes) {
      const [operand, gradient, ...limits] = inputs as [Value, Value, ...Value[]];
      const index = operands.indexOf(operand);
      const passed = (at: Tensor) =>
        op.evaluate([at, full(gradient.shape as Shape, 1), ...limits.map(constantOf)], attributes)[0]!.numbers;
      const [here, there] = [passed(found.numbers.get(`taken ${index}`)!), passed(own.numbers.get(`exact ${index}`)!)];
      let places = 0;
      for (let place = 0; place < here.length; place++) places += Number(here[place] !== there[place]);
      if (places > 0) flipped.set(scope, Math.max(places, flipped.get(scope) ?? 0));
    }
  }
  return { flipped, explained };
}
