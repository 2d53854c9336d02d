/** Graphs as ONNX and back. */
import { evaluateGraph } from "../../src/engine/reference.ts";
import { type Graph, nodesOf, printGraph } from "../../src/graph/graph.ts";
import { foldConstants } from "../../src/graph/rewrite.ts";
import { producerOf } from "../../src/graph/value.ts";
import { decode } from "../../src/onnx/decode.ts";
import { encode } from "../../src/onnx/encode.ts";
import type { BuiltCase } from "./build.ts";
import { expectClose } from "./compare.ts";

/** Every node with its attributes, a line each. */
const printAttributes = (graph: Graph): string =>
  nodesOf(graph)
    .map(({ op, attributes }) => {
      const written = Object.entries(attributes).filter(([, value]) => value !== undefined);
      return `${op.domain}:${op.name} ${JSON.stringify(written.sort(([a], [b]) => (a < b ? -1 : 1)))}`;
    })
    .join("\n");

/** Whether each output has a node's output to itself; one that has not is written as a copy. */
const isPlain = ({ outputs }: Graph): boolean =>
  new Set(outputs.values()).size === outputs.size && [...outputs.values()].every(producerOf);

/** Demands that a graph without variables survives being written and read: its nodes, attributes and numbers. */
export function checkRoundTrip({ name, graph, feeds }: BuiltCase): void {
  const original = foldConstants(graph);
  const { graph: read, variables } = decode(encode(original), name);
  if (variables.size > 0) throw new Error(`${name}: read back from ONNX it has variables ${[...variables.keys()]}`);
  const described = (each: Graph) => `${printGraph(each)}\n${printAttributes(each)}`;
  if (isPlain(original) && described(read) !== described(original))
    throw new Error(`${name}: read back from ONNX it is\n${described(read)}\nwhere it was\n${described(original)}`);
  const [found, expected] = [evaluateGraph(read, feeds).outputs, evaluateGraph(original, feeds).outputs];
  for (const [output, tensor] of expected)
    expectClose(`${name}: ${output} read back from ONNX`, found.get(output), tensor, { relative: 0 });
}
