/** The parts of a model's message, wherever in it they are, and the names that each may use once. */
import { StriateError } from "../errors.ts";
import type { FunctionProto, GraphProto, ModelProto, NodeProto, TensorProto } from "./generated/onnx_pb.ts";

/** The standard domain has two names. */
export const domainOf = ({ domain }: { readonly domain: string }): string => (domain === "ai.onnx" ? "" : domain);

/** A graph or a function: what nodes take each other's values in. */
type Body = GraphProto | FunctionProto;

/** The model's graph, its functions, and the graphs within them. */
export function* bodiesOf(model: ModelProto): Generator<Body> {
  const waiting: Body[] = [...(model.graph ? [model.graph] : []), ...model.functions];
  for (let body = waiting.pop(); body; body = waiting.pop()) {
    yield body;
    for (const node of body.node)
      for (const { g, graphs } of node.attribute) waiting.push(...(g ? [g] : []), ...graphs);
  }
}

/** Every tensor of a model: its weights, and those in attributes. */
export function* tensorsOf(model: ModelProto): Generator<TensorProto> {
  for (const body of bodiesOf(model)) {
    if ("initializer" in body) yield* body.initializer;
    for (const node of body.node)
      for (const { t, tensors } of node.attribute) {
        if (t) yield t;
        yield* tensors;
      }
  }
}

const labelOf = (node: NodeProto): string => node.name || node.output[0] || node.opType;

/** @throws StriateError where one name stands for two things, of which readers would take one or the other */
export function checkNames(model: ModelProto, subject: string): void {
  const once = (kind: string, names: Iterable<string>, place = subject): void => {
    const known = new Set<string>();
    for (const name of names) {
      if (known.has(name))
        throw new StriateError({
          subject: place,
          found: `two ${kind} named "${name}"`,
          expected: `all ${kind} to have their own names`,
        });
      if (name !== "") known.add(name);
    }
  };
  once(
    "texts of metadata",
    model.metadataProps.map(({ key }) => key),
  );
  once(
    "operator sets",
    model.opsetImport.map((each) => domainOf(each) || "ai.onnx"),
  );
  once(
    "functions",
    model.functions.map((each) => `${domainOf(each)}:${each.name}`),
  );
  for (const body of bodiesOf(model)) {
    const isGraph = "initializer" in body;
    const inputs: string[] = isGraph ? body.input.map(({ name }) => name) : body.input;
    const stored = isGraph ? body.initializer.map(({ name }) => name) : [];
    once("inputs", inputs);
    once("outputs", isGraph ? body.output.map(({ name }) => name) : body.output);
    const isStored = new Set(stored);
    const made = body.node.flatMap(({ output }) => output);
    once("values", [...stored, ...inputs.filter((name) => !isStored.has(name)), ...made]);
    for (const node of body.node)
      once(
        "attributes",
        node.attribute.map(({ name }) => name),
        `${subject}, node "${labelOf(node)}" (${node.opType})`,
      );
  }
}
