/** A graph as the bytes of an ONNX file. */
import { create, toBinary } from "@bufbuild/protobuf";
import { StriateError } from "../errors.ts";
import { type Graph, nodesOf, resultsOf, variablesOf } from "../graph/graph.ts";
import type { AttributeDeclaration, AttributeValue } from "../graph/op.ts";
import { type Dimension, type NamedSource, type Node, producerOf, type Value, type ValueType } from "../graph/value.ts";
import { onnxDTypes } from "../ops/core/elementwise.ts";
import { Tensor } from "../tensor/tensor.ts";
import {
  AttributeProtoSchema,
  GraphProtoSchema,
  ModelProtoSchema,
  NodeProtoSchema,
  TensorProtoSchema,
  ValueInfoProtoSchema,
} from "./generated/onnx_pb.ts";
import { nextName } from "./names.ts";

/** The operator set in which graphs are written, and which graphs in memory follow. */
export const opset = 21;

export interface EncodeOptions {
  /** Values of the variables, to be kept in the file; variables not given become inputs, and their updates outputs. */
  readonly variables?: ReadonlyMap<string, Tensor>;
  /** Texts to keep with the model. */
  readonly metadata?: Readonly<Record<string, string>>;
}

/** ONNX's numbers for attribute types (AttributeProto.AttributeType). */
export const attributeTypes = { float: 1, int: 2, string: 3, tensor: 4, floats: 6, ints: 7 } as const;

const intermediateVersion = 10n;

export function encode(graph: Graph, { variables = new Map(), metadata = {} }: EncodeOptions = {}): Uint8Array {
  const names = nameValues(graph);
  const nodes = nodesOf(graph);
  const constants = new Map<Value, Tensor>();
  for (const value of [...nodes.flatMap((node) => node.inputs), ...resultsOf(graph)])
    if (value?.source.kind === "constant") constants.set(value, value.source.tensor);
  const stored = variablesOf(graph).filter((variable) => variables.has(variable.source.name));
  const fed = [...graph.inputs, ...variablesOf(graph).filter((variable) => !stored.includes(variable))];
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
  const domains = new Set(nodes.map((node) => node.op.domain));
  return toBinary(
    ModelProtoSchema,
    create(ModelProtoSchema, {
      irVersion: intermediateVersion,
      producerName: "striate",
      opsetImport: ["", ...[...domains].filter((domain) => domain !== "")].map((domain) => ({
        domain,
        version: domain === "" ? BigInt(opset) : 1n,
      })),
      graph: create(GraphProtoSchema, {
        name: "striate",
        input: fed.map((value) => typeInfo((value.source as NamedSource).name, value)),
        output: results.map(([name, value]) => typeInfo(name, value)),
        initializer: [
          ...[...constants].map(([value, tensor]) => tensorProto(tensor, names.get(value)!)),
          ...stored.map((variable) => tensorProto(variables.get(variable.source.name)!, variable.source.name)),
        ],
        node: [
          ...nodes.map((node, index) => nodeProto(nodeNames[index]!, node, names, used)),
          ...copies.map(([name, value]) =>
            create(NodeProtoSchema, { opType: "Identity", input: [names.get(value)!], output: [name] }),
          ),
        ],
      }),
      metadataProps: Object.entries(metadata).map(([key, value]) => ({ key, value })),
    }),
  );
}

/** A name for every value: its own, that of the output it is, or one made of its layer and operator. */
function nameValues(graph: Graph): Map<Value, string> {
  const names = new Map<Value, string>();
  const taken = new Set<string>([
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

function nodeProto(name: string, node: Node, names: ReadonlyMap<Value, string>, used: ReadonlySet<Value>) {
  const inputs = node.inputs.map((input) => (input ? names.get(input)! : ""));
  while (inputs.at(-1) === "") inputs.pop();
  const outputs = node.outputs.slice(0, node.outputs.findLastIndex((output) => used.has(output)) + 1);
  return create(NodeProtoSchema, {
    name,
    opType: node.op.name,
    domain: node.op.domain,
    input: inputs,
    output: outputs.map((output) => names.get(output)!),
    attribute: Object.entries(node.op.attributes as Record<string, AttributeDeclaration>).flatMap(
      ([name, { kind, default: fallback }]) => {
        const value = node.attributes[name];
        if (value === undefined || value === fallback) return [];
        return [create(AttributeProtoSchema, { name, type: attributeTypes[kind], ...attributeField(kind, value) })];
      },
    ),
  });
}

function attributeField(kind: AttributeDeclaration["kind"], value: AttributeValue) {
  switch (kind) {
    case "float":
      return { f: value as number };
    case "int":
      return { i: BigInt(value as number) };
    case "string":
      return { s: new TextEncoder().encode(value as string) };
    case "floats":
      return { floats: [...(value as readonly number[])] };
    case "ints":
      return { ints: (value as readonly number[]).map(BigInt) };
    case "tensor":
      return { t: tensorProto(value as Tensor) };
  }
}

function tensorProto(tensor: Tensor, name = "") {
  if (!(tensor instanceof Tensor)) throw new StriateError({ subject: "encode", found: "an attribute of another type" });
  const { buffer, byteOffset, byteLength } = tensor.data;
  return create(TensorProtoSchema, {
    name,
    dataType: onnxDTypes[tensor.dtype],
    dims: tensor.shape.map(BigInt),
    rawData: new Uint8Array(buffer, byteOffset, byteLength),
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
