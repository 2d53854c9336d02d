/** The nodes of a file as a graph: functions inlined, constant branches taken, older forms upgraded, constants folded. */
import { create } from "@bufbuild/protobuf";
import { StriateError } from "../errors.ts";
import { type AttributeDeclaration, type AttributeValue, apply, type Op } from "../graph/op.ts";
import { foldNode } from "../graph/rewrite.ts";
import { atScope } from "../graph/scope.ts";
import { constant, constantOf, parameterValue, producerOf, type Value } from "../graph/value.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { compositions } from "./compose.ts";
import { opsetOf } from "./file.ts";
import { attributeValue, type Composition, type NodeForm } from "./form.ts";
import { operatorOf } from "./functions.ts";
import {
  type AttributeProto,
  AttributeProtoSchema,
  type FunctionProto,
  type GraphProto,
  type NodeProto,
  NodeProtoSchema,
} from "./generated/onnx_pb.ts";
import { layerOf } from "./names.ts";
import { domainOf } from "./parts.ts";
import { decodeTensor } from "./tensor.ts";
import { upgraded } from "./upgrade.ts";
import { attributeTypes } from "./write.ts";

export interface BuilderParts {
  readonly subject: string;
  readonly version: number;
  readonly functions: ReadonlyMap<string, FunctionProto>;
  readonly compositions: ReadonlyMap<string, Composition>;
  /** The graph's outputs, whose names are theirs. */
  readonly outputs: ReadonlySet<string>;
  readonly variables: Map<string, Tensor>;
}

type Values = Map<string, Value>;

/** Where a node stands: the operator set it is written for, and inside a function the attributes of the call. */
interface Context {
  readonly version: number;
  readonly depth: number;
  readonly attributes?: ReadonlyMap<string, AttributeProto>;
}

/** How deep functions may call each other, and branches nest. */
const deepest = 32;
/** How many nodes a file may come to when its functions are inlined. */
const mostNodes = 200_000;
/** How many nodes of an operator that there is not are listed. */
const mostListed = 1000;

const loops = new Set([":Loop", ":Scan", ":SequenceMap"]);

export class Builder {
  readonly #parts: BuilderParts;
  readonly variables: Map<string, Tensor>;
  #count = 0;

  constructor(parts: BuilderParts) {
    this.#parts = parts;
    this.variables = parts.variables;
  }

  /** @throws StriateError that lists every operator that there is not, with its nodes */
  checkOperators(nodes: readonly NodeProto[]): void {
    const missing = new Map<string, string[]>();
    const visited = new Set<FunctionProto>();
    const visit = (each: NodeProto): void => {
      const key = `${domainOf(each)}:${each.opType}`;
      if (operatorOf(each) || this.#knows(key)) return;
      const called = this.#parts.functions.get(key);
      if (called) {
        if (visited.has(called)) return;
        visited.add(called);
        called.node.forEach(visit);
        return;
      }
      const name = domainOf(each) === "" ? each.opType : `${each.domain}.${each.opType}`;
      const places = missing.get(name) ?? [];
      missing.set(name, places);
      if (places.length < mostListed) places.push(each.name || each.output[0] || "unnamed");
    };
    nodes.forEach(visit);
    if (missing.size === 0) return;
    const list = [...missing].map(([name, places]) => `${name} (${places.join(", ")})`).join("; ");
    const looping = [...missing.keys()].some((name) => loops.has(`:${name}`));
    throw new StriateError({
      subject: this.#parts.subject,
      found: `operators that Striate does not have: ${list}`,
      mend: looping ? "Export the model with its loops unrolled" : undefined,
    });
  }

  #knows(key: string): boolean {
    if (this.#parts.compositions.has(key) || key === ":If") return true;
    return key.startsWith(":") && (compositions.has(key.slice(1)) || key === ":Upsample" || key === ":Scatter");
  }

  /** Adds nodes in order; `values` has what they take and gets what they make. */
  addNodes(nodes: readonly NodeProto[], values: Values, context?: Context): void {
    const here = context ?? { version: this.#parts.version, depth: 0 };
    if (here.depth > deepest)
      throw new StriateError({ subject: this.#parts.subject, found: "functions that call each other without end" });
    for (const node of nodes) {
      if (++this.#count > mostNodes)
        throw new StriateError({ subject: this.#parts.subject, found: `more than ${mostNodes} nodes` });
      this.#addNode(node, values, here);
    }
  }

  #addNode(node: NodeProto, values: Values, context: Context): void {
    const { subject } = this.#parts;
    const label = node.name || node.output[0] || node.opType;
    const place = `${subject}, node "${label}" (${node.opType})`;
    const inputs = node.input.map((name) => {
      if (name === "") return undefined;
      const value = values.get(name);
      if (!value) throw new StriateError({ subject: place, found: `input "${name}", which nothing before it makes` });
      return value;
    });
    const outputs = explaining(place, () => this.#outputsOf(node, inputs, values, context, label, place));
    if (node.output.length > outputs.length)
      throw new StriateError({ subject: place, found: `${node.output.length} outputs`, expected: `${outputs.length}` });
    node.output.forEach((name, index) => {
      if (name === "") return;
      if (values.has(name) && context.depth === 0)
        throw new StriateError({
          subject,
          found: `two values named "${name}"`,
          expected: "every value to have its own name",
        });
      values.set(name, outputs[index]!);
    });
  }

  #outputsOf(
    node: NodeProto,
    inputs: readonly (Value | undefined)[],
    values: Values,
    context: Context,
    label: string,
    place: string,
  ): readonly Value[] {
    const key = `${domainOf(node)}:${node.opType}`;
    const given = node.attribute.flatMap((each) => referred(each, context.attributes));
    const scope = layerOf(label);
    const own = this.#parts.compositions.get(key);
    if (!own && !operatorOf(node)) {
      const called = this.#parts.functions.get(key);
      if (called) return this.#call(called, inputs, given, context);
    }
    if (key === ":If") return this.#branch(given, inputs[0], values, context, node.output.length);
    const plain = given.filter((each) => !(each.name === "seed" && node.opType !== "Dropout"));
    const attributes = Object.fromEntries(plain.map((each) => [each.name, attributeValue(each, place)]));
    const written: NodeForm = {
      type: node.opType,
      version: context.version,
      inputs,
      attributes,
      outputs: node.output.length,
      named: (name) => values.get(name),
    };
    return atScope(scope, () => {
      if (own) return own(written);
      const form = domainOf(node) === "" ? upgraded(written) : written;
      const copy = form.type === "Identity" && this.#ownParameter(form.inputs[0], node.output[0] ?? "");
      if (copy) return [copy];
      const op = operatorOf({ domain: node.domain, opType: form.type });
      if (op) return folded(apply(op, form.inputs, declared(form.attributes, op, given, place)));
      const composition = compositions.get(form.type);
      if (composition) return composition(form).map((value) => folded([value])[0]!);
      throw new StriateError({ subject: place, found: `${form.type}, an operator that Striate does not have` });
    });
  }

  /**
   * Exporters write an Identity of an initialiser where two tensors are equal: where its output has a parameter's name,
   * it is a parameter of its own. "onnx::Conv_194" is PyTorch's name for one that it folded, "a/b" and "b:0" others' for values.
   */
  #ownParameter(x: Value | undefined, name: string): Value | undefined {
    if (x?.source.kind !== "parameter" && x?.source.kind !== "state") return undefined;
    if (name === "" || /\/|:\d+$/.test(name) || this.#parts.outputs.has(name) || this.variables.has(name))
      return undefined;
    this.variables.set(name, this.variables.get(x.source.name)!);
    return x.source.kind === "state" ? { ...x, source: { kind: "state", name } } : parameterValue(name, x);
  }

  #call(
    called: FunctionProto,
    inputs: readonly (Value | undefined)[],
    given: readonly AttributeProto[],
    context: Context,
  ): readonly Value[] {
    const values: Values = new Map();
    called.input.forEach((name, index) => {
      if (inputs[index]) values.set(name, inputs[index]);
    });
    const attributes = new Map([...called.attributeProto, ...given].map((each) => [each.name, each]));
    const version = opsetOf(called.opsetImport, called.node, called.name);
    this.addNodes(withoutAbsent(called, inputs), values, { version, depth: context.depth + 1, attributes });
    return called.output.map((name) => {
      const value = values.get(name);
      if (!value) throw new StriateError({ subject: called.name, found: `output "${name}", which no node makes` });
      return value;
    });
  }

  /** The branch of an If whose condition is known. */
  #branch(
    given: readonly AttributeProto[],
    condition: Value | undefined,
    values: Values,
    context: Context,
    outputs: number,
  ): readonly Value[] {
    const known = constantOf(condition);
    if (known?.size !== 1)
      throw new StriateError({
        subject: "If",
        found: "a condition that depends on the data",
        expected: "one that shapes and constants decide",
      });
    const name = known.item() !== 0 ? "then_branch" : "else_branch";
    const branch: GraphProto | undefined = given.find((each) => each.name === name)?.g;
    if (!branch) throw new StriateError({ subject: "If", found: `no ${name}`, expected: "two branches" });
    const inner: Values = new Map(values);
    for (const initializer of branch.initializer)
      inner.set(initializer.name, constant(decodeTensor(initializer, "If")));
    this.checkOperators(branch.node);
    this.addNodes(branch.node, inner, { ...context, depth: context.depth + 1 });
    return branch.output.slice(0, outputs).map((output) => {
      const value = inner.get(output.name);
      if (!value) throw new StriateError({ subject: "If", found: `output "${output.name}", which no node makes` });
      return value;
    });
  }
}

/** The nodes of a function, optional operands that the call leaves out left out in them. */
function withoutAbsent(called: FunctionProto, inputs: readonly (Value | undefined)[]): readonly NodeProto[] {
  const absent = new Set(called.input.filter((_, index) => !inputs[index]));
  if (absent.size === 0) return called.node;
  return called.node.map((node) =>
    create(NodeProtoSchema, { ...node, input: node.input.map((name) => (absent.has(name) ? "" : name)) }),
  );
}

/** An attribute of a node in a function that stands for one of the call, or nothing where the call has none. */
function referred(attribute: AttributeProto, call: ReadonlyMap<string, AttributeProto> | undefined): AttributeProto[] {
  if (attribute.refAttrName === "") return [attribute];
  const given = call?.get(attribute.refAttrName);
  return given ? [create(AttributeProtoSchema, { ...given, name: attribute.name })] : [];
}

/** Constants in place of outputs that constants decide. */
function folded(outputs: readonly Value[]): readonly Value[] {
  const node = outputs[0] && producerOf(outputs[0]);
  return (node && foldNode(node)) ?? outputs;
}

/** Attributes as the operator declares them. */
function declared(
  given: NodeForm["attributes"],
  op: Op,
  written: readonly AttributeProto[],
  place: string,
): Record<string, AttributeValue> {
  const declarations = op.attributes as Record<string, AttributeDeclaration>;
  const attributes: Record<string, AttributeValue> = {};
  for (const [name, value] of Object.entries(given)) {
    const declaration = Object.hasOwn(declarations, name) ? declarations[name] : undefined;
    if (!declaration)
      throw new StriateError({
        subject: place,
        found: `attribute "${name}"`,
        expected: `one of ${Object.keys(declarations).join(", ") || "none"}`,
      });
    if (!fits(value, declaration.kind))
      throw new StriateError({
        subject: place,
        found: `attribute "${name}" of type ${written.find((each) => each.name === name)?.type}`,
        expected: `type ${attributeTypes[declaration.kind]} (${declaration.kind})`,
      });
    attributes[name] = value;
  }
  return attributes;
}

function fits(value: AttributeValue, kind: AttributeDeclaration["kind"]): boolean {
  switch (kind) {
    case "int":
      return typeof value === "number" && Number.isInteger(value);
    case "float":
      return typeof value === "number";
    case "string":
      return typeof value === "string";
    case "ints":
    case "floats":
      return Array.isArray(value) && value.every((each) => typeof each === "number");
    case "tensor":
      return typeof value === "object" && !Array.isArray(value);
  }
}

/** Runs `body`; what it complains of is said to be at `place`. */
function explaining<T>(place: string, body: () => T): T {
  try {
    return body();
  } catch (error) {
    if (error instanceof StriateError) {
      const inside = error.complaint.subject.includes(", node ");
      throw inside ? error : new StriateError({ ...error.complaint, subject: place });
    }
    throw new StriateError({ subject: place, found: `operands that it cannot take (${error})`, cause: error });
  }
}
