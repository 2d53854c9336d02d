/** A graph from the bytes of an ONNX file. The bytes are not trusted: everything is checked before it is used. */
import { fromBinary } from "@bufbuild/protobuf";
import { StriateError } from "../errors.ts";
import { type Graph, makeGraph } from "../graph/graph.ts";
import { type AttributeDeclaration, type AttributeValue, apply, type Op } from "../graph/op.ts";
import { foldConstants } from "../graph/rewrite.ts";
import { atScope } from "../graph/scope.ts";
import { constant, type Dimension, type Input, inputValue, parameterValue, type Value } from "../graph/value.ts";
import { onnxDTypes } from "../ops/core/elementwise.ts";
import { operators } from "../ops/registry.ts";
import { type DType, isFloat } from "../tensor/dtype.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { attributeTypes, opset } from "./encode.ts";
import {
  type AttributeProto,
  type GraphProto,
  type ModelProto,
  ModelProtoSchema,
  type NodeProto,
  type ValueInfoProto,
} from "./generated/onnx_pb.ts";
import { decodeTensor } from "./tensor.ts";

export interface DecodedModel {
  readonly graph: Graph;
  /** The values of its parameters, by name. */
  readonly variables: Map<string, Tensor>;
  readonly metadata: Record<string, string>;
}

/** The oldest operator set whose files mean what the one in memory means, for the operators that there are. */
const oldestOpset = 13;
const newestOpset = 28;

/**
 * Reads an ONNX model. Floating-point initialisers with axes become trainable parameters under their own names, unless
 * operators take them as settings (a Resize its scales).
 * @param subject what to call the file in errors
 * @throws StriateError for bytes that are not an ONNX model, and for one that asks for what there is not
 */
export function decode(bytes: Uint8Array, subject = "model"): DecodedModel {
  const model = parse(bytes, subject);
  const graph = model.graph!;
  checkOpset(model, subject);
  checkOperators(graph, subject);
  const values = new Map<string, Value>();
  const variables = new Map<string, Tensor>();
  const settings = settingsOf(graph);
  for (const proto of graph.initializer) {
    const tensor = decodeTensor(proto, subject);
    if (values.has(proto.name)) throw twice(subject, proto.name);
    if (isFloat(tensor.dtype) && tensor.shape.length > 0 && !settings.has(proto.name)) {
      values.set(proto.name, parameterValue(proto.name, tensor));
      variables.set(proto.name, tensor);
    } else values.set(proto.name, constant(tensor));
  }
  const inputs: Input[] = [];
  for (const proto of graph.input) {
    if (values.has(proto.name)) {
      if (graph.initializer.some((each) => each.name === proto.name)) continue;
      throw twice(subject, proto.name);
    }
    const input = inputValue(proto.name, typeOf(proto, subject));
    inputs.push(input);
    values.set(proto.name, input);
  }
  for (const node of graph.node) addNode(node, values, subject);
  const outputs = new Map(
    graph.output.map(({ name }) => {
      const value = values.get(name);
      if (!value) throw new StriateError({ subject, found: `output "${name}", which no node makes` });
      return [name, value];
    }),
  );
  const metadata = Object.fromEntries(model.metadataProps.map(({ key, value }) => [key, value]));
  return { graph: foldConstants(makeGraph(inputs, outputs)), variables, metadata };
}

const twice = (subject: string, name: string) =>
  new StriateError({ subject, found: `two values named "${name}"`, expected: "every value to have its own name" });

function parse(bytes: Uint8Array, subject: string): ModelProto {
  const expected = "an ONNX model";
  const mend = "Give a file that was exported as .onnx";
  let model: ModelProto;
  try {
    model = fromBinary(ModelProtoSchema, bytes);
  } catch (cause) {
    throw new StriateError({ subject, found: "bytes that are not in ONNX's format", expected, mend, cause });
  }
  if (!model.graph || model.irVersion < 1n || model.opsetImport.length === 0)
    throw new StriateError({ subject, found: "no graph and no operator set", expected, mend });
  return model;
}

function checkOpset(model: ModelProto, subject: string): void {
  const version = model.opsetImport.find(({ domain }) => domain === "" || domain === "ai.onnx")?.version;
  if (version === undefined || version < oldestOpset || version > newestOpset)
    throw new StriateError({
      subject,
      found: version === undefined ? "no standard operator set" : `operator set ${version}`,
      expected: `one from ${oldestOpset} to ${newestOpset}`,
      mend: `Export the model again for operator set ${opset}`,
    });
}

const operatorOf = (node: NodeProto): Op | undefined =>
  operators.get(`${node.domain === "ai.onnx" ? "" : node.domain}:${node.opType}`);

function checkOperators(graph: GraphProto, subject: string): void {
  const missing = new Map<string, string[]>();
  for (const node of graph.node) {
    if (operatorOf(node)) continue;
    const name = node.domain === "" ? node.opType : `${node.domain}.${node.opType}`;
    missing.set(name, [...(missing.get(name) ?? []), node.name || node.output[0] || "unnamed"]);
  }
  if (missing.size === 0) return;
  const list = [...missing].map(([name, nodes]) => `${name} (${nodes.join(", ")})`).join("; ");
  throw new StriateError({ subject, found: `operators that Striate does not have: ${list}` });
}

/** The names that nodes take as settings: numbers of the computation, not weights. */
function settingsOf(graph: GraphProto): Set<string> {
  const names = new Set<string>();
  for (const node of graph.node)
    for (const operand of operatorOf(node)?.settings ?? []) names.add(node.input[operand] ?? "");
  return names;
}

function typeOf({ name, type }: ValueInfoProto, subject: string): { dtype: DType; shape: Dimension[] } {
  const tensor = type?.tensorType;
  const dtype = Object.entries(onnxDTypes).find(([, code]) => code === tensor?.elemType)?.[0] as DType | undefined;
  if (!tensor?.shape || !dtype)
    throw new StriateError({ subject, found: `input "${name}" without a tensor type`, expected: "a type and a shape" });
  const shape = tensor.shape.dim.map(({ value }, axis): Dimension => {
    if (value.case !== "dimValue") return value.value || `${name}.${axis}`;
    if (value.value < 0n || value.value > BigInt(2 ** 31))
      throw new StriateError({ subject, found: `dimension ${value.value} of input "${name}"`, expected: "0 to 2^31" });
    return Number(value.value);
  });
  return { dtype, shape };
}

function addNode(node: NodeProto, values: Map<string, Value>, subject: string): void {
  const op = operatorOf(node)!;
  const label = node.name || node.output[0] || node.opType;
  const place = `${subject}, node "${label}" (${node.opType})`;
  const inputs = node.input.map((name) => {
    if (name === "") return undefined;
    const value = values.get(name);
    if (!value) throw new StriateError({ subject: place, found: `input "${name}", which nothing before it makes` });
    return value;
  });
  const attributes: Record<string, AttributeValue> = {};
  const declared = op.attributes as Record<string, AttributeDeclaration>;
  for (const attribute of node.attribute) {
    const declaration = declared[attribute.name];
    if (!Object.hasOwn(declared, attribute.name) || !declaration)
      throw new StriateError({
        subject: place,
        found: `attribute "${attribute.name}"`,
        expected: `one of ${Object.keys(declared).join(", ") || "none"}`,
      });
    attributes[attribute.name] = attributeOf(attribute, declaration, place);
  }
  const scope = label.split("/").slice(0, -1).join(".");
  const outputs = explaining(place, () => atScope(scope, () => apply(op, inputs, attributes)));
  if (node.output.length > outputs.length)
    throw new StriateError({ subject: place, found: `${node.output.length} outputs`, expected: `${outputs.length}` });
  node.output.forEach((name, index) => {
    if (name === "") return;
    if (values.has(name)) throw twice(subject, name);
    values.set(name, outputs[index]!);
  });
}

/** Runs `body`; what it complains of is said to be at `place`. */
function explaining<T>(place: string, body: () => T): T {
  try {
    return body();
  } catch (error) {
    if (error instanceof StriateError) throw new StriateError({ ...error.complaint, subject: place });
    throw new StriateError({ subject: place, found: `operands that it cannot take (${error})`, cause: error });
  }
}

function attributeOf(attribute: AttributeProto, { kind }: AttributeDeclaration, place: string): AttributeValue {
  if (attribute.type !== attributeTypes[kind])
    throw new StriateError({
      subject: place,
      found: `attribute "${attribute.name}" of type ${attribute.type}`,
      expected: `type ${attributeTypes[kind]} (${kind})`,
    });
  const whole = (value: bigint): number => {
    if (value > BigInt(2 ** 31 - 1) || value < BigInt(-(2 ** 31)))
      throw new StriateError({ subject: place, found: `${attribute.name} ${value}`, expected: "at most 2^31 - 1" });
    return Number(value);
  };
  switch (kind) {
    case "float":
      return attribute.f;
    case "int":
      return whole(attribute.i);
    case "string":
      return text(attribute.s, place);
    case "floats":
      return attribute.floats;
    case "ints":
      return attribute.ints.map(whole);
    case "tensor":
      return decodeTensor(attribute.t!, place);
  }
}

function text(bytes: Uint8Array, place: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new StriateError({ subject: place, found: "a text that is not UTF-8", expected: "UTF-8", cause });
  }
}
