/** How much memory a run of a graph takes, known before it begins from the shapes alone. */
import { StriateError } from "../errors.ts";
import { formatBytes } from "../platform/file-terms.ts";
import { dtypes } from "../tensor/dtype.ts";
import { formatShape } from "../tensor/shape.ts";
import { type Graph, nodesOf, resultsOf } from "./graph.ts";
import type { NamedSource, Node, Value, ValueType } from "./value.ts";

export interface MemoryPeak {
  /** The bytes of all values that are held at once, at the time when they are most. */
  readonly bytes: number;
  /** The largest value that is held then. */
  readonly largest?: Value;
}

const lengths = (shape: ValueType["shape"]): number[] =>
  shape.map((dimension) => (typeof dimension === "number" ? dimension : 1));

const bytesOf = ({ dtype, shape }: ValueType): number =>
  lengths(shape).reduce((bytes, length) => bytes * length, dtypes[dtype].bytes);

/**
 * What inputs and the values that nodes make come to at most: each from the node that makes it to the last that takes
 * it; inputs, outputs and updates all the time. Dimensions that have only a name count as 1; variables and constants are
 * there already.
 */
export function memoryPeak(graph: Graph): MemoryPeak {
  const nodes = nodesOf(graph);
  const last = new Map<Value, number>();
  for (const [index, node] of nodes.entries())
    for (const value of [...node.outputs, ...node.inputs]) if (value?.source.kind === "node") last.set(value, index);
  for (const value of resultsOf(graph)) last.set(value, nodes.length);
  const ending = nodes.map((): Value[] => []);
  for (const [value, index] of last) ending[index]?.push(value);
  const held = new Map<Value, number>(graph.inputs.map((input) => [input, bytesOf(input)]));
  let bytes = [...held.values()].reduce((sum, each) => sum + each, 0);
  let [most, largest] = [bytes, largestOf(held)];
  for (const [index, node] of nodes.entries()) {
    for (const value of node.outputs) held.set(value, bytesOf(value));
    bytes += node.outputs.reduce((sum, value) => sum + held.get(value)!, 0);
    const now = bytes + workspaceOf(node);
    if (!(now <= most)) {
      most = now;
      largest = largestOf(held);
    }
    for (const value of ending[index]!) {
      bytes -= held.get(value) ?? 0;
      held.delete(value);
    }
  }
  return { bytes: most, largest };
}

const workspaceOf = (node: Node): number => {
  const context = {
    inputs: node.inputs.map((input) => input && lengths(input.shape)),
    outputs: node.outputs.map(({ shape }) => lengths(shape)),
  };
  return 4 * (node.op.workspace?.(context, node.attributes) ?? 0);
};

function largestOf(held: ReadonlyMap<Value, number>): Value | undefined {
  let [most, found]: [number, Value | undefined] = [-1, undefined];
  for (const [value, bytes] of held) if (bytes > most) [most, found] = [bytes, value];
  return found;
}

/** The node that makes a value, with its layer, or an input's name. */
function labelOf({ source }: Value): string {
  if (source.kind !== "node") return `input "${(source as NamedSource).name}"`;
  const { op, scope } = source.node;
  return scope === "" ? op.name : `${scope}/${op.name}`;
}

/** @throws StriateError naming the largest value, when a run of the graph would take more than `limit` bytes */
export function checkMemory(graph: Graph, limit: number): void {
  const { bytes, largest } = memoryPeak(graph);
  if (bytes <= limit) return;
  throw new StriateError({
    subject: labelOf(largest!),
    found: `${formatShape(largest!.shape)} of ${largest!.dtype}, which bring the memory for a run to ${formatBytes(bytes)}`,
    expected: `at most ${formatBytes(limit)}`,
    mend: "Use smaller inputs or batches, or raise the limit (`memory`, in bytes) if the machine has as much",
  });
}
