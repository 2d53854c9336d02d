/** A graph from the bytes of an ONNX file. The bytes are not trusted: everything is checked before it is used. */
import { StriateError } from "../errors.ts";
import { type Graph, makeGraph } from "../graph/graph.ts";
import { foldConstants } from "../graph/rewrite.ts";
import { constant, type Input, inputValue, parameterValue, stateValue, type Value } from "../graph/value.ts";
import { isFloat } from "../tensor/dtype.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { Builder } from "./build.ts";
import { attachExternalData, type ExternalData } from "./external.ts";
import { functionsOf, opsetOf, parseModel, typeOf } from "./file.ts";
import type { Composition } from "./form.ts";
import { operatorOf } from "./functions.ts";
import type { GraphProto } from "./generated/onnx_pb.ts";
import { decodeTensor } from "./tensor.ts";

export interface DecodedModel {
  readonly graph: Graph;
  /** The values of its parameters and states, by name. */
  readonly variables: Map<string, Tensor>;
  readonly metadata: Record<string, string>;
}

export interface DecodeOptions {
  /** Inputs that are known: they become constants, as shapes and axes have to be. */
  readonly known?: ReadonlyMap<string, Tensor>;
  /** Operators that Striate does not have, as more graph: by `domain:name`. */
  readonly compositions?: ReadonlyMap<string, Composition>;
  /** Data that the file keeps in other files, from a folder that the user allows (`readExternalData`). */
  readonly externalData?: ExternalData;
}

/**
 * Reads an ONNX model. Floating-point initialisers with axes become trainable parameters under their own names, unless
 * operators take them as settings (a Resize its scales) or as statistics (batch normalisation its running ones).
 * Older operator sets are upgraded, functions inlined, shape arithmetic folded.
 * @param subject what to call the file in errors
 * @throws StriateError for bytes that are not an ONNX model, and for one that asks for what there is not
 */
export function decode(bytes: Uint8Array, subject = "model", options: DecodeOptions = {}): DecodedModel {
  const model = parseModel(bytes, subject);
  if (options.externalData) attachExternalData(model, options.externalData, subject);
  const proto = model.graph!;
  const values = new Map<string, Value>();
  const variables = new Map<string, Tensor>();
  const settings = operandsThatAre("settings", proto);
  const statistics = operandsThatAre("statistics", proto);
  for (const initializer of proto.initializer) {
    const { name } = initializer;
    const tensor = decodeTensor(initializer, subject);
    if (values.has(name)) throw twice(subject, name);
    if (!isFloat(tensor.dtype) || tensor.shape.length === 0 || settings.has(name)) values.set(name, constant(tensor));
    else {
      values.set(name, statistics.has(name) ? stateValue(name, tensor) : parameterValue(name, tensor));
      variables.set(name, tensor);
    }
  }
  const inputs: Input[] = [];
  for (const info of proto.input) {
    // Older files list their weights among the inputs too.
    if (values.has(info.name)) continue;
    const known = options.known?.get(info.name);
    if (known) {
      values.set(info.name, constant(known));
      continue;
    }
    const input = inputValue(info.name, typeOf(info, subject));
    inputs.push(input);
    values.set(info.name, input);
  }
  const builder = new Builder({
    subject,
    variables,
    version: opsetOf(model.opsetImport, proto.node, subject),
    functions: functionsOf(model),
    compositions: options.compositions ?? new Map(),
    outputs: new Set(proto.output.map(({ name }) => name)),
  });
  builder.checkOperators(proto.node);
  builder.addNodes(proto.node, values);
  const outputs = new Map(
    proto.output.map(({ name }) => {
      const value = values.get(name);
      if (!value) throw new StriateError({ subject, found: `output "${name}", which no node makes` });
      return [name, value];
    }),
  );
  const metadata = Object.fromEntries(model.metadataProps.map(({ key, value }) => [key, value]));
  return { graph: foldConstants(makeGraph(inputs, outputs)), variables: builder.variables, metadata };
}

const twice = (subject: string, name: string) =>
  new StriateError({ subject, found: `two values named "${name}"`, expected: "every value to have its own name" });

/** The names that nodes take as settings, numbers of the computation, or as statistics, which training gathers. */
function operandsThatAre(kind: "settings" | "statistics", graph: GraphProto): Set<string> {
  const names = new Set<string>();
  for (const node of graph.node) {
    const operands = operatorOf(node)?.[kind] ?? (node.opType === "Upsample" ? [1] : []);
    for (const operand of operands) names.add(node.input[operand] ?? "");
  }
  return names;
}
