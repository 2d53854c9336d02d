/**
 * Elementwise operators that follow one another, each the only one that takes what the last one made: the library computes
 * them in one pass, as post-operations of the first.
 */
import { consumersOf, type Graph, nodesOf, resultsOf } from "../../graph/graph.ts";
import { fixedShape, type Node, type Value } from "../../graph/value.ts";
import { BatchNormalization, BatchNormalizationTraining } from "../../ops/batch-normalisation.ts";
import { Conv } from "../../ops/conv.ts";
import { Add, Div, HardSigmoid, Mul, Neg, Relu, Sigmoid, Sub, Tanh } from "../../ops/core/elementwise.ts";
import { Gemm, MatMul } from "../../ops/matmul.ts";
import { sameShape, sizeOf } from "../../tensor/shape.ts";
import { type DepthwiseLink, depthwiseOf } from "./depthwise.ts";
import type { Binary, Elementwise } from "./dnnl.ts";
import { blockLength } from "./memory.ts";
import { activations, elementwiseOf } from "./recognise.ts";

/** One more pass over the elements of `value`, which the node before makes. */
export type Link =
  | { readonly kind: "elementwise"; readonly algorithm: Elementwise; readonly alpha?: number; readonly beta?: number }
  | { readonly kind: "binary"; readonly algorithm: Binary; readonly operand: Value }
  | DepthwiseLink;

/** A node and those that follow it in the same pass. */
export interface Chain {
  readonly head: Node;
  readonly rest: readonly Node[];
  readonly links: readonly Link[];
}

const functions = new Map<string, Link>([
  [Relu.name, { kind: "elementwise", algorithm: "relu" }],
  [Tanh.name, { kind: "elementwise", algorithm: "tanh" }],
  [Sigmoid.name, { kind: "elementwise", algorithm: "logistic" }],
  [Neg.name, { kind: "elementwise", algorithm: "linear", alpha: -1 }],
]);
const pairs = new Map<string, Binary>([
  [Add.name, "add"],
  [Mul.name, "mul"],
  [Sub.name, "sub"],
  [Div.name, "div"],
]);
/** Whether a node combines two operands element by element. */
export const isPair = ({ op }: Node): boolean => op.domain === "" && pairs.has(op.name);

/** Those that take no pass but ReLU, within their own. */
const withRelu = new Set<string>([BatchNormalization.name, BatchNormalizationTraining.name]);
const heads = new Set<string>([
  ...functions.keys(),
  ...activations.keys(),
  ...pairs.keys(),
  Conv.name,
  Gemm.name,
  MatMul.name,
  ...withRelu,
]);

/** The most links: the library takes some thirty. */
const longest = 8;

/** Functions that take a few operations an element; others take tens. */
const cheap = new Set<Elementwise>(["linear", "relu", "leakyRelu", "clip", "abs", "hardSwish"]);

/**
 * Whether a link is slow after a node: a convolution computes a vector's elements at each place, and of few channels most
 * of them are none.
 */
function isWasteful(link: Link, { op, outputs }: Node): boolean {
  if (link.kind !== "elementwise" || cheap.has(link.algorithm) || op.name !== Conv.name) return false;
  const channels = outputs[0]!.shape[1] as number;
  return 2 * channels < blockLength * Math.ceil(channels / blockLength);
}

/**
 * Whether an operand is read element by element, by channel, or is one number: what the library is quick at. (By channel
 * version 2 errs over maps of one element.)
 */
function isSimple(operand: Value, shape: readonly number[]): boolean {
  const own = fixedShape(operand);
  if (!own || operand.dtype !== "float32") return false;
  if (sizeOf(own) === 1 || sameShape(own, shape)) return true;
  const full = [...new Array<number>(shape.length - own.length).fill(1), ...own];
  return sizeOf(shape.slice(2)) > 1 && full.every((length, axis) => length === (axis === 1 ? shape[1] : 1));
}

/** A line, and what of it is between 0 and 1. */
const hardSigmoid = ({ attributes }: Node): readonly Link[] => [
  { kind: "elementwise", algorithm: "linear", alpha: attributes.alpha as number, beta: attributes.beta as number },
  { kind: "elementwise", algorithm: "clip", alpha: 0, beta: 1 },
];

/** ReLU is the leaky one with nothing leaking. */
const functionOf = (link: Link) =>
  link.kind !== "elementwise"
    ? undefined
    : { name: link.algorithm === "leakyRelu" ? "relu" : link.algorithm, alpha: link.alpha ?? 0, beta: link.beta ?? 0 };

/**
 * Whether two links cannot be in one pass: one function with different numbers, as version 2 takes the first one's for both, or
 * a depthwise convolution and what takes an operand.
 */
function disagree(one: Link, other: Link): boolean {
  if (one.kind === "depthwise" || other.kind === "depthwise")
    return one.kind !== "elementwise" && other.kind !== "elementwise";
  const [first, second] = [functionOf(one), functionOf(other)];
  return (
    first !== undefined && first.name === second?.name && (first.alpha !== second.alpha || first.beta !== second.beta)
  );
}

/** What a node does to a value, if that is all it does. */
function linksOf(node: Node, value: Value): readonly Link[] | undefined {
  const shape = fixedShape(value);
  const result = node.outputs[0]!;
  if (!shape || value.dtype !== "float32") return undefined;
  const depthwise = depthwiseOf(node, value);
  if (depthwise) return [depthwise];
  if (!sameShape(result.shape, shape)) return undefined;
  const activation = elementwiseOf(node);
  if (activation) return [{ kind: "elementwise", ...activation }];
  if (node.op.domain !== "") return undefined;
  if (node.op.name === HardSigmoid.name) return hardSigmoid(node);
  const unary = functions.get(node.op.name);
  if (unary) return [unary];
  const algorithm = pairs.get(node.op.name);
  const [a, b] = node.inputs as [Value, Value];
  if (!algorithm || a === b) return undefined;
  const operand = a === value ? b : a;
  if (!isSimple(operand, shape)) return undefined;
  if (a === value || algorithm === "add" || algorithm === "mul") return [{ kind: "binary", algorithm, operand }];
  if (algorithm === "sub")
    return [
      { kind: "elementwise", algorithm: "linear", alpha: -1 },
      { kind: "binary", algorithm: "add", operand },
    ];
  return undefined;
}

/** The nodes that only constants and variables that no run changes decide. */
export function fixedNodes(graph: Graph): Set<Node> {
  const changing = new Set<Value>(graph.updates.map(({ variable }) => variable));
  const fixed = new Set<Node>();
  const isFixed = (value: Value | undefined): boolean => {
    if (value === undefined || value.source.kind === "constant") return true;
    if (value.source.kind === "node") return fixed.has(value.source.node);
    return (value.source.kind === "parameter" || value.source.kind === "state") && !changing.has(value);
  };
  for (const node of nodesOf(graph)) if (node.inputs.every(isFixed)) fixed.add(node);
  return fixed;
}

/**
 * The chains of a graph, by their last node. No node is in two.
 * @param takes whether a head's pass can have this link
 */
export function chainsOf(
  graph: Graph,
  takes: (head: Node, link: Link) => boolean = (_, { kind }) => kind !== "depthwise",
): Map<Node, Chain> {
  const results = new Set(resultsOf(graph));
  const consumers = consumersOf(graph);
  const nodes = nodesOf(graph);
  const fixed = fixedNodes(graph);
  const taken = new Set<Node>();
  const chains = new Map<Node, Chain>();
  for (const head of nodes) {
    if (taken.has(head) || !heads.has(head.op.name)) continue;
    const most = withRelu.has(head.op.name) ? 1 : longest;
    const rest: Node[] = [];
    const links: Link[] = [];
    for (let value = head.outputs[0]!; links.length < most; value = rest.at(-1)!.outputs[0]!) {
      const [next, ...others] = consumers.get(value) ?? [];
      const more =
        next &&
        others.length === 0 &&
        !results.has(value) &&
        !taken.has(next) &&
        fixed.has(head) === fixed.has(next) &&
        linksOf(next, value);
      if (!next || !more || (most === 1 && next.op !== (Relu as object))) break;
      if (!more.every((link) => takes(head, link) && !links.some((other) => disagree(link, other)))) break;
      if (more.some((link) => isWasteful(link, head))) break;
      rest.push(next);
      links.push(...more);
    }
    if (rest.length === 0) continue;
    for (const node of [head, ...rest]) taken.add(node);
    chains.set(rest.at(-1)!, { head, rest, links });
  }
  return chains;
}
