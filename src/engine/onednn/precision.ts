/** In which precision a program computes, and what of it. */
import { type Graph, nodesOf, resultsOf } from "../../graph/graph.ts";
import type { Node, Value } from "../../graph/value.ts";
import { ClipGradient } from "../../ops/activation.ts";
import {
  BatchNormalization,
  BatchNormalizationGradient,
  BatchNormalizationTraining,
} from "../../ops/batch-normalisation.ts";
import { Conv, ConvInputGradient, ConvTranspose, ConvWeightGradient } from "../../ops/conv.ts";
import { Concat, Pad, Slice } from "../../ops/core/arrange.ts";
import { Expand } from "../../ops/core/broadcast.ts";
import {
  Add,
  Div,
  Identity,
  Mul,
  Neg,
  Relu,
  ReluGradient,
  Sigmoid,
  Sub,
  Tanh,
  TanhGradient,
} from "../../ops/core/elementwise.ts";
import { ReduceMean, ReduceSum } from "../../ops/core/reduce.ts";
import { Flatten, Reshape, Squeeze, Transpose, Unsqueeze } from "../../ops/core/shape.ts";
import { DepthToSpace } from "../../ops/depth-space.ts";
import { Dropout } from "../../ops/dropout.ts";
import { Gemm, MatMul } from "../../ops/matmul.ts";
import { AveragePool, AveragePoolGradient, GlobalAveragePool, MaxPool, MaxPoolGradient } from "../../ops/pool.ts";
import type { Precision } from "../engine.ts";
import type { Dnnl } from "./dnnl.ts";
import { activationGradients, activations } from "./recognise.ts";

/** How floats are stored. */
export type Stored = Exclude<Precision, "auto">;

/** Without matrix units the library emulates bfloat16, or has no more than dot products: slower than float32. */
export const chosenPrecision = (dnnl: Dnnl, asked: Precision): Stored =>
  asked === "auto" ? (dnnl.hasMatrixUnits() ? "bfloat16" : "float32") : asked;

/** What has most of the arithmetic: worth taking in bfloat16 whatever its operands are stored in. */
const convolutions = new Set<object>([Conv, ConvInputGradient, ConvTranspose, ConvWeightGradient]);
const products = new Set<object>([Gemm, MatMul]);

/** What goes from product to product in as many bytes as it came in. */
const between = new Set<object>([
  ...[Relu, ReluGradient, ClipGradient, Tanh, TanhGradient, Sigmoid],
  ...[...activations.values(), ...activationGradients.values()],
  ...[Add, Sub, Mul, Div, Neg],
  ...[BatchNormalization, BatchNormalizationTraining, BatchNormalizationGradient],
  ...[MaxPool, MaxPoolGradient, AveragePool, AveragePoolGradient, GlobalAveragePool, Expand],
  ...[Concat, Slice, Pad, DepthToSpace, Transpose, Identity, Dropout],
]);
const shapes = new Set<object>([Reshape, Flatten, Squeeze, Unsqueeze]);

/** Depthwise convolutions are bound by bytes, and were slower in bfloat16; constants transform what must stay as it is. */
const isProduct = ({ op, inputs, outputs, attributes }: Node): boolean => {
  if (convolutions.has(op)) {
    const weights = op === (ConvWeightGradient as object) ? outputs[0]! : inputs[1]!;
    return attributes.group === 1 || weights.shape[1] !== 1;
  }
  return products.has(op) && inputs.every((input) => input?.source.kind !== "constant");
};

/** What of a graph is computed in bfloat16, and which values are stored so. */
export interface Halves {
  readonly nodes: ReadonlySet<Node>;
  readonly values: ReadonlySet<Value>;
}

/**
 * Products, and what comes of them on the way to others and to nothing else: a value that a loss, a statistic, an update or
 * an output takes is kept in float32, as is all that comes of it.
 */
export function halvesOf(graph: Graph): Halves {
  const all = nodesOf(graph);
  const results = new Set(resultsOf(graph));
  const consumers = new Map<Value, Node[]>();
  const carried = new Set<Value>();
  for (const node of all)
    for (const input of node.inputs) if (input) consumers.set(input, [...(consumers.get(input) ?? []), node]);
  /** The mean of maps counts as pooling where it is a feature, not a statistic that they are shifted by. */
  const isPooling = ({ op, outputs: [y] }: Node) =>
    op === (ReduceMean as object) &&
    (consumers.get(y!) ?? []).every(({ op }) => shapes.has(op) || products.has(op) || convolutions.has(op));
  const isBetween = (node: Node) => between.has(node.op) || shapes.has(node.op) || isPooling(node);
  for (const node of all)
    if (isProduct(node) || (isBetween(node) && node.inputs.some((input) => input && carried.has(input))))
      carried.add(node.outputs[0]!);
  const [nodes, values] = [new Set<Node>(), new Set<Value>()];
  /** A convolution's bias gets its gradient, in float32, with that of its weights. */
  const ofBias = (node: Node) =>
    node.op === (ReduceSum as object) &&
    consumers
      .get(node.inputs[0]!)!
      .some(({ op, inputs }) => op === (ConvWeightGradient as object) && inputs[1] === node.inputs[0]);
  for (const node of all.toReversed()) {
    const [y] = node.outputs as [Value];
    const takers = results.has(y) || !carried.has(y) ? [] : (consumers.get(y) ?? []);
    const isStored = takers.length > 0 && takers.every((each) => nodes.has(each) || ofBias(each));
    if (isStored) values.add(y);
    if (isStored || isProduct(node)) nodes.add(node);
  }
  return { nodes, values };
}
