/** Nodes and tensors as messages of an ONNX file. */
import { create } from "@bufbuild/protobuf";
import type { AttributeDeclaration, AttributeKind, AttributeValue } from "../graph/op.ts";
import type { Node, Value } from "../graph/value.ts";
import { onnxDTypes } from "../ops/core/elementwise.ts";
import type { Tensor } from "../tensor/tensor.ts";
import {
  AttributeProtoSchema,
  type GraphProto,
  type NodeProto,
  NodeProtoSchema,
  TensorProtoSchema,
} from "./generated/onnx_pb.ts";

/** The operator set in which graphs are written, and which graphs in memory follow. */
export const opset = 21;

/** The standard operator set, and the first of each of these other domains. */
export const operatorSets = (domains: Iterable<string>) => [
  { domain: "", version: BigInt(opset) },
  ...[...domains].filter((domain) => domain !== "").map((domain) => ({ domain, version: 1n })),
];

/** ONNX's numbers for attribute types (AttributeProto.AttributeType). */
export const attributeTypes = { float: 1, int: 2, string: 3, tensor: 4, floats: 6, ints: 7 } as const;
const graphType = 5;

export interface NodeParts {
  readonly name: string;
  readonly node: Node;
  /** What the file calls its operator: its name, or that of a function. */
  readonly type: string;
  readonly names: ReadonlyMap<Value, string>;
  /** The values that something asks for: outputs behind the last of them are not written. */
  readonly used: ReadonlySet<Value>;
  /** The graph that it runs over and over. */
  readonly body?: GraphProto;
}

export function nodeProto({ name, node, type, names, used, body }: NodeParts): NodeProto {
  const inputs = node.inputs.slice(node.op.shared ?? 0).map((input) => (input ? names.get(input)! : ""));
  while (inputs.at(-1) === "") inputs.pop();
  // Batch normalisation in ONNX's training mode must have all of its outputs.
  const isTraining = node.attributes.training_mode === 1;
  const asked = isTraining ? node.outputs.length : node.outputs.findLastIndex((output) => used.has(output)) + 1;
  const outputs = node.outputs.slice(0, Math.max(asked, node.op.leastOutputs ?? 0));
  const attributes = writtenAttributes(node).map(([name, kind, value]) => attributeProto(name, kind, value));
  if (body) attributes.push(create(AttributeProtoSchema, { name: "body", type: graphType, g: body }));
  return create(NodeProtoSchema, {
    name,
    opType: type,
    domain: node.op.domain,
    input: inputs,
    output: outputs.map((output) => names.get(output)!),
    attribute: attributes,
  });
}

/** The attributes that are written: those that are not what they would be without. */
export const writtenAttributes = ({ op, attributes }: Node) =>
  Object.entries(op.attributes as Record<string, AttributeDeclaration>).flatMap(
    ([name, { kind, default: fallback }]): [string, AttributeKind, AttributeValue][] => {
      const value = attributes[name];
      return value === undefined || value === fallback ? [] : [[name, kind, value]];
    },
  );

const attributeProto = (name: string, kind: AttributeKind, value: AttributeValue) =>
  create(AttributeProtoSchema, { name, type: attributeTypes[kind], ...attributeField(kind, value) });

function attributeField(kind: AttributeKind, value: AttributeValue) {
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

export function tensorProto({ dtype, shape, data }: Tensor, name = "") {
  const { buffer, byteOffset, byteLength } = data;
  return create(TensorProtoSchema, {
    name,
    dataType: onnxDTypes[dtype],
    dims: shape.map(BigInt),
    rawData: new Uint8Array(buffer, byteOffset, byteLength),
  });
}

/** The node that passes a value on under another name. */
export const copyProto = (from: string, to: string): NodeProto =>
  create(NodeProtoSchema, { opType: "Identity", input: [from], output: [to] });

/** The node that makes a constant. */
export const constantProto = (tensor: Tensor, name: string): NodeProto =>
  create(NodeProtoSchema, {
    opType: "Constant",
    output: [name],
    attribute: [attributeProto("value", "tensor", tensor)],
  });
