import { StriateError } from "../errors.ts";
import { formatShape } from "../tensor/shape.ts";
import type { Input, Node, Value, Variable } from "./value.ts";

/** A variable and the value it takes for the next run. */
export interface Update {
  readonly variable: Variable;
  readonly next: Value;
}

/**
 * A computation: its inputs, its named outputs, and how its variables change from one run to the next. Everything else
 * follows from the values: nodes and variables are those that the outputs and updates depend on.
 */
export interface Graph {
  readonly inputs: readonly Input[];
  readonly outputs: ReadonlyMap<string, Value>;
  readonly updates: readonly Update[];
}

/** The values a graph is asked for. */
export const resultsOf = (graph: Graph): Value[] => [
  ...graph.outputs.values(),
  ...graph.updates.map((update) => update.next),
];

/**
 * The nodes that values depend on, each after those it depends on, in an order that only the graph decides.
 * @param given values behind which none are looked for
 */
export function nodesBehind(values: Iterable<Value>, given?: ReadonlySet<Value>): Node[] {
  const order: Node[] = [];
  const seen = new Set<Node>();
  for (const value of values) {
    const stack: { node: Node; next: number }[] = [];
    const visit = (candidate: Value | undefined) => {
      if (candidate?.source.kind !== "node" || seen.has(candidate.source.node) || given?.has(candidate)) return;
      seen.add(candidate.source.node);
      stack.push({ node: candidate.source.node, next: 0 });
    };
    visit(value);
    while (stack.length > 0) {
      const top = stack[stack.length - 1]!;
      if (top.next < top.node.inputs.length) visit(top.node.inputs[top.next++]);
      else order.push(stack.pop()!.node);
    }
  }
  return order;
}

export const nodesOf = (graph: Graph): Node[] => nodesBehind(resultsOf(graph));

/** The nodes that take each value, in the order of the nodes: as often as they take it. */
export function consumersOf(graph: Graph): Map<Value, Node[]> {
  const consumers = new Map<Value, Node[]>();
  for (const node of nodesOf(graph))
    for (const input of node.inputs) {
      const known = input && consumers.get(input);
      if (known) known.push(node);
      else if (input) consumers.set(input, [node]);
    }
  return consumers;
}

/** How often nodes and results take each value. */
export function usesOf(graph: Graph): Map<Value, number> {
  const uses = new Map<Value, number>();
  for (const value of [...resultsOf(graph), ...nodesOf(graph).flatMap(({ inputs }) => inputs)])
    if (value) uses.set(value, (uses.get(value) ?? 0) + 1);
  return uses;
}

/** Every value that is not computed (inputs, variables, constants), once, in the order in which nodes use them. */
export function leavesOf(graph: Graph): Value[] {
  const leaves = new Set<Value>(graph.inputs);
  for (const update of graph.updates) leaves.add(update.variable);
  for (const node of nodesOf(graph))
    for (const input of node.inputs) if (input !== undefined && input.source.kind !== "node") leaves.add(input);
  for (const value of resultsOf(graph)) if (value.source.kind !== "node") leaves.add(value);
  return [...leaves];
}

const isVariable = (value: Value): value is Variable =>
  value.source.kind === "parameter" || value.source.kind === "state";

/** The parameters and states of a graph. */
export const variablesOf = (graph: Graph): Variable[] => leavesOf(graph).filter(isVariable);

/** The parameters that training changes. */
export const trainableOf = (graph: Graph): Variable[] =>
  variablesOf(graph).filter(({ source }) => source.kind === "parameter" && source.trainable);

/**
 * A graph from its parts. Random inputs that its values depend on join the inputs.
 * @throws StriateError when two different leaves have one name, or an output has that of a leaf it is not.
 */
export function makeGraph(
  inputs: readonly Input[],
  outputs: ReadonlyMap<string, Value> | Readonly<Record<string, Value>>,
  updates: readonly Update[] = [],
): Graph {
  const named = outputs instanceof Map ? outputs : new Map(Object.entries(outputs));
  const draft: Graph = { inputs, outputs: named, updates };
  const leaves = leavesOf(draft);
  const names = new Map<string, Value>();
  const listed = new Set<Value>(inputs);
  for (const leaf of leaves) {
    if (leaf.source.kind === "node" || leaf.source.kind === "constant") continue;
    const { name, kind } = leaf.source;
    if (names.has(name))
      throw new StriateError({
        subject: "graph",
        found: `two different values named "${name}" (${kind})`,
        expected: "every input, parameter and state to have its own name",
        mend: "Rename one of the layers, or use one layer twice on purpose with `shared`",
      });
    names.set(name, leaf);
    if (kind === "input" && !listed.has(leaf))
      throw new StriateError({ subject: "graph", found: `input "${name}" used but not listed among the inputs` });
  }
  for (const [name, value] of named)
    if (names.has(name) && names.get(name) !== value)
      throw new StriateError({
        subject: "graph",
        found: `an output named "${name}", as an input or a variable is`,
        expected: "every output to have its own name",
      });
  const random = leaves.filter((leaf): leaf is Input => leaf.source.kind === "random");
  return { ...draft, inputs: [...inputs.filter((input) => input.source.kind !== "random"), ...random] };
}

/** The named output of a graph, or an error that lists those there are. */
export function outputOf(graph: Graph, name: string): Value {
  const value = graph.outputs.get(name);
  if (value === undefined)
    throw new StriateError({
      subject: "graph",
      found: `no output "${name}"`,
      expected: `one of ${[...graph.outputs.keys()].join(", ")}`,
    });
  return value;
}

/** A graph as text, a node a line: for reading and for tests. */
export function printGraph(graph: Graph): string {
  const names = new Map<Value, string>();
  const nameOf = (value: Value | undefined): string => {
    if (value === undefined) return "_";
    if (value.source.kind === "constant")
      return value.source.tensor.size <= 4 ? `[${value.source.tensor.toArray()}]` : `const${formatShape(value.shape)}`;
    if (value.source.kind !== "node") return value.source.name;
    if (!names.has(value)) names.set(value, `%${names.size}`);
    return names.get(value)!;
  };
  const lines = graph.inputs.map((input) => `input ${nameOf(input)}: ${input.dtype} ${formatShape(input.shape)}`);
  for (const node of nodesOf(graph)) {
    const outputs = node.outputs.map((output) => `${nameOf(output)}: ${formatShape(output.shape)}`).join(", ");
    lines.push(`${outputs} = ${node.op.name}(${node.inputs.map(nameOf).join(", ")})  # ${node.scope}`);
  }
  for (const [name, value] of graph.outputs) lines.push(`output ${name} = ${nameOf(value)}`);
  for (const { variable, next } of graph.updates) lines.push(`update ${nameOf(variable)} = ${nameOf(next)}`);
  return lines.join("\n");
}
