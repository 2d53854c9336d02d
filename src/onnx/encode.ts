/** A graph as the bytes of an ONNX file. */
import { create, toBinary } from "@bufbuild/protobuf";
import { type Graph, nodesOf, resultsOf, variablesOf } from "../graph/graph.ts";
import { type Dimension, type NamedSource, type Node, producerOf, type Value, type ValueType } from "../graph/value.ts";
import { onnxDTypes } from "../ops/core/elementwise.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { FunctionTable } from "./functions.ts";
import { type GraphProto, GraphProtoSchema, ModelProtoSchema, ValueInfoProtoSchema } from "./generated/onnx_pb.ts";
import { nextName } from "./names.ts";
import { constantProto, copyProto, nodeProto, operatorSets, tensorProto } from "./write.ts";

export interface EncodeOptions {
  /** Values of the variables, to be kept in the file; variables not given become inputs, and their updates outputs. */
  readonly variables?: ReadonlyMap<string, Tensor>;
  /** Texts to keep with the model. */
  readonly metadata?: Readonly<Record<string, string>>;
}

const intermediateVersion = 10n;

export function encode(graph: Graph, { variables = new Map(), metadata = {} }: EncodeOptions = {}): Uint8Array {
  const functions = new FunctionTable();
  const proto = graphProto(graph, functions, variables);
  return toBinary(
    ModelProtoSchema,
    create(ModelProtoSchema, {
      irVersion: intermediateVersion,
      producerName: "striate",
      opsetImport: operatorSets(new Set(domainsOf(graph))),
      graph: proto,
      functions: functions.protos,
      metadataProps: Object.entries(metadata).map(([key, value]) => ({ key, value })),
    }),
  );
}

const domainsOf = (graph: Graph): string[] =>
  nodesOf(graph).flatMap(({ op }) => [op.domain, ...(op.body ? domainsOf(op.body) : [])]);

/**
 * @param outer names that the graph around it has
 * @param shared inputs that are values of the graph around it, with their names there
 */
function graphProto(
  graph: Graph,
  functions: FunctionTable,
  variables: ReadonlyMap<string, Tensor> = new Map(),
  outer: Iterable<string> = [],
  shared: ReadonlyMap<Value, string> = new Map(),
): GraphProto {
  const names = new Map([...nameValues(graph, outer), ...shared]);
  const nodes = nodesOf(graph);
  const constants = new Map<Value, Tensor>();
  for (const value of [...nodes.flatMap((node) => node.inputs), ...resultsOf(graph)])
    if (value?.source.kind === "constant") constants.set(value, value.source.tensor);
  const stored = variablesOf(graph).filter((variable) => variables.has(variable.source.name));
  const inputs = graph.inputs.filter((input) => !shared.has(input));
  const fed = [...inputs, ...variablesOf(graph).filter((variable) => !stored.includes(variable))];
  const results: [string, Value][] = [
    ...graph.outputs,
    ...graph.updates
      .filter(({ variable }) => !stored.includes(variable))
      .map(({ variable, next }): [string, Value] => [nextName(variable.source.name), next]),
  ];
  const copies = results.filter(([name, value]) => names.get(value) !== name);
  const nodeNames = nameNodes(nodes);
  const used = new Set<Value>(resultsOf(graph));
  for (const node of nodes) for (const input of node.inputs) if (input) used.add(input);
  return create(GraphProtoSchema, {
    name: "striate",
    input: fed.map((value) => typeInfo((value.source as NamedSource).name, value)),
    output: results.map(([name, value]) => typeInfo(name, value)),
    initializer: stored.map(({ source }) => tensorProto(variables.get(source.name)!, source.name)),
    node: [
      // Constants are nodes, since initialisers are weights.
      ...[...constants].map(([value, tensor]) => constantProto(tensor, names.get(value)!)),
      ...nodes.map((node, index) => {
        const body = node.op.body && bodyProto(node, node.op.body, functions, names);
        return nodeProto({ name: nodeNames[index]!, node, type: functions.typeOf(node), names, used, body });
      }),
      ...copies.map(([name, value]) => copyProto(names.get(value)!, name)),
    ],
  });
}

/** The graph that a node runs over and over, with the names of the graph around it. */
function bodyProto(
  { op, inputs }: Node,
  body: Graph,
  functions: FunctionTable,
  names: ReadonlyMap<Value, string>,
): GraphProto {
  const whole = body.inputs.slice(0, op.shared ?? 0);
  const shared = whole.map((input, index): [Value, string] => [input, names.get(inputs[index]!)!]);
  return graphProto(body, functions, undefined, names.values(), new Map(shared));
}

/** A name for every value: its own, that of the output it is, or one made of its layer and operator. */
function nameValues(graph: Graph, outer: Iterable<string>): Map<Value, string> {
  const names = new Map<Value, string>();
  const taken = new Set<string>([
    ...outer,
    ...graph.outputs.keys(),
    ...graph.updates.map(({ variable }) => nextName(variable.source.name)),
  ]);
  const nodes = nodesOf(graph);
  for (const value of [...graph.inputs, ...variablesOf(graph)]) {
    names.set(value, value.source.name);
    taken.add(value.source.name);
  }
  const own = [
    ...graph.outputs,
    ...graph.updates.map(({ variable, next }) => [nextName(variable.source.name), next] as const),
  ];
  for (const [name, value] of own) if (producerOf(value) && !names.has(value)) names.set(value, name);
  const unique = (wish: string): string => {
    let name = wish;
    for (let count = 1; taken.has(name); count++) name = `${wish}_${count}`;
    taken.add(name);
    return name;
  };
  for (const node of nodes) {
    const path = node.scope === "" ? node.op.name : `${node.scope}/${node.op.name}`;
    for (const value of node.inputs)
      if (value?.source.kind === "constant" && !names.has(value)) names.set(value, unique(`${path}_constant`));
    for (const value of node.outputs) if (!names.has(value)) names.set(value, unique(path));
  }
  for (const value of resultsOf(graph)) if (!names.has(value)) names.set(value, unique("constant"));
  return names;
}

/** A name of its own for every node, by which its layer is known when the file is read. */
function nameNodes(nodes: readonly Node[]): string[] {
  const counts = new Map<string, number>();
  return nodes.map((node) => {
    const path = node.scope === "" ? node.op.name : `${node.scope}/${node.op.name}`;
    const count = counts.get(path) ?? 0;
    counts.set(path, count + 1);
    return count === 0 ? path : `${path}_${count}`;
  });
}

function typeInfo(name: string, { dtype, shape }: ValueType) {
  return create(ValueInfoProtoSchema, {
    name,
    type: { tensorType: { elemType: onnxDTypes[dtype], shape: { dim: shape.map(dimension) } } },
  });
}

const dimension = (length: Dimension) =>
  typeof length === "number"
    ? { value: { case: "dimValue" as const, value: BigInt(length) } }
    : { value: { case: "dimParam" as const, value: length } };
