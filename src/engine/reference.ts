/** The reference engine: every operator's own `evaluate`, in float64, one node after the other. Slow, plain, the oracle. */
import { StriateError } from "../errors.ts";
import { type Graph, nodesOf, usesOf } from "../graph/graph.ts";
import { bind } from "../graph/rewrite.ts";
import type { NamedSource, Value } from "../graph/value.ts";
import { isFloat } from "../tensor/dtype.ts";
import type { Tensor } from "../tensor/tensor.ts";
import {
  type CompileOptions,
  checkPrecision,
  checkRead,
  checkTensor,
  checkVariables,
  checkWritten,
  type Engine,
  MemoryGuard,
  memoryLimit,
  type Program,
  type ProgramReport,
  single,
  type Tensors,
} from "./engine.ts";
import { Clock, kindOf, type RunTime } from "./profile.ts";

/** Floats as graphs have them. */
const narrow = (tensor: Tensor): Tensor => (tensor.dtype === "float64" ? tensor.cast("float32") : tensor);

/** Floats in float64; other types as they are. */
const widen = (tensor: Tensor): Tensor => (isFloat(tensor.dtype) ? tensor.cast("float64") : tensor);

/**
 * The outputs and the next variables of a graph for given inputs and variables, by every operator's `evaluate`.
 * Floats are float64 throughout, whatever type the graph says. What nothing takes any more is let go.
 * @param clock takes the time of every node
 */
export function evaluateGraph(
  graph: Graph,
  feeds: Tensors,
  clock?: Clock,
): { outputs: Map<string, Tensor>; updates: Map<string, Tensor> } {
  const known = new Map<Value, Tensor>();
  const uses = usesOf(graph);
  const tensorOf = (value: Value): Tensor => {
    const computed = known.get(value);
    if (computed) return computed;
    if (value.source.kind === "node") throw new StriateError({ subject: "reference", found: "a value out of order" });
    const tensor =
      value.source.kind === "constant" ? value.source.tensor : feeds.get((value.source as NamedSource).name);
    if (!tensor)
      throw new StriateError({ subject: "reference", found: `nothing for "${(value.source as NamedSource).name}"` });
    const wide = widen(tensor);
    known.set(value, wide);
    return wide;
  };
  for (const node of nodesOf(graph)) {
    const results = node.op.evaluate(
      node.inputs.map((input) => input && tensorOf(input)),
      node.attributes,
    );
    node.outputs.forEach((output, index) => {
      if (results[index] && uses.has(output)) known.set(output, results[index]);
    });
    clock?.step(
      kindOf(node, {
        inputs: node.inputs.map((input) => input && known.get(input)!.shape),
        outputs: results.map(({ shape }) => shape),
      }),
    );
    for (const input of node.inputs) {
      if (!input) continue;
      uses.set(input, uses.get(input)! - 1);
      if (uses.get(input) === 0) known.delete(input);
    }
  }
  return {
    outputs: new Map([...graph.outputs].map(([name, value]) => [name, tensorOf(value)])),
    updates: new Map(graph.updates.map(({ variable, next }) => [variable.source.name, tensorOf(next)])),
  };
}

class ReferenceProgram implements Program {
  readonly #graph: Graph;
  readonly #finite: readonly string[];
  readonly #irreversible: ReadonlySet<string>;
  #variables: Map<string, Tensor>;
  /** What can be taken back: variables before the last run. */
  #previous: Tensors = new Map();
  readonly #memory: MemoryGuard;
  readonly #clock?: Clock;
  #halted = false;

  constructor(graph: Graph, variables: Tensors, options: CompileOptions) {
    checkPrecision("reference", single, options);
    this.#graph = options.dimensions ? bind(graph, options.dimensions) : graph;
    this.#memory = new MemoryGuard(this.#graph, memoryLimit(options));
    this.#finite = options.finite ?? [];
    this.#irreversible = new Set(options.irreversible);
    this.#variables = new Map([...checkVariables(graph, variables)].map(([name, tensor]) => [name, widen(tensor)]));
    if (options.profile) this.#clock = new Clock();
  }

  async run(feeds: Readonly<Record<string, Tensor>>): Promise<Tensors> {
    for (const input of this.#graph.inputs) checkTensor("run", feeds[input.source.name], input);
    this.#memory.check(feeds);
    const all = new Map([...this.#variables, ...Object.entries(feeds)]);
    this.#clock?.begin();
    const { outputs, updates } = evaluateGraph(this.#graph, all, this.#clock);
    this.#clock?.end();
    if (!this.#halted) {
      this.#halted = !this.#finite.every((name) => outputs.get(name)!.toArray().every(Number.isFinite));
      if (!this.#halted)
        this.#previous = new Map([...this.#variables].filter(([name]) => !this.#irreversible.has(name)));
      this.#variables = new Map([...this.#variables, ...(this.#halted ? this.#previous : updates)]);
    }
    return outputs;
  }

  async read(names?: readonly string[]): Promise<Map<string, Tensor>> {
    return new Map(checkRead(this.#graph, names).map((name) => [name, this.#variables.get(name)!]));
  }

  async revert(): Promise<void> {
    this.#variables = new Map([...this.#variables, ...this.#previous]);
  }

  async write(variables: Tensors): Promise<void> {
    checkWritten(this.#graph, new Map([...variables].map(([name, tensor]) => [name, narrow(tensor)])));
    this.#variables = new Map([
      ...this.#variables,
      ...[...variables].map(([name, tensor]) => [name, widen(tensor)] as const),
    ]);
    this.#previous = new Map();
    this.#halted = false;
  }

  async profile(): Promise<readonly RunTime[]> {
    return this.#clock?.runs ?? [];
  }

  async report(): Promise<ProgramReport> {
    return { engine: "reference", precision: "float64", elsewhere: {} };
  }

  async dispose(): Promise<void> {}
}

/** The reference engine. Feeds and variables of any float type are computed, and come back, in float64. */
export const reference: Engine = {
  name: "reference",
  about: async () => ({ name: "reference", title: "the reference", precisions: single }),
  lower: (graph) => graph,
  compile: async (graph, variables, options = {}) => new ReferenceProgram(graph, variables, options),
  close: async () => {},
};
