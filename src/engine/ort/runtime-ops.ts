/** Operators that only ONNX Runtime has, in domains of its own. Lowered graphs alone have them. */
import { StriateError } from "../../errors.ts";
import { type Graph, makeGraph } from "../../graph/graph.ts";
import { apply, defineOp, notDifferentiable, type Op } from "../../graph/op.ts";
import { type Dimension, inputValue, type Value } from "../../graph/value.ts";
import { reshape, Transpose } from "../../ops/core/shape.ts";
import { type ConvAttributes, convAttributes, convGeometry } from "../../ops/correlate.ts";
import { MatMul } from "../../ops/matmul.ts";
import type { Shape } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";

interface FusedMatMulAttributes {
  transA: number;
  transB: number;
}

const turned = <T>(shape: readonly T[]): T[] => [...shape.slice(0, -2), shape.at(-1)!, shape.at(-2)!];

const turn = (x: Tensor): Tensor => Transpose.evaluate([x], { perm: turned(x.shape.map((_, axis) => axis)) })[0]!;

/** Products of the matrices in the last two axes, each possibly transposed first without a copy. */
const FusedMatMul = defineOp<FusedMatMulAttributes>({
  name: "FusedMatMul",
  domain: "com.microsoft",
  attributes: { transA: { kind: "int", default: 0 }, transB: { kind: "int", default: 0 } },
  arity: [2, 2],
  infer: ([a, b], { transA, transB }) =>
    MatMul.infer(
      [transA ? { ...a!, shape: turned(a!.shape) } : a, transB ? { ...b!, shape: turned(b!.shape) } : b],
      {},
    ),
  evaluate: ([a, b], { transA, transB }) => MatMul.evaluate([transA ? turn(a!) : a, transB ? turn(b!) : b], {}),
  gradient: notDifferentiable,
});

/** a b^T, of the matrices in the last two axes. */
export const timesTransposed = (a: Value, b: Value): Value => apply(FusedMatMul, [a, b], { transB: 1 })[0]!;

/**
 * The results of parts of the batch, one part after the other, so that what is between operands and results stays in the
 * processor's cache: [parts, ...result].
 * @param batched operands [batch, ...]
 * @param whole operands that every part takes as they are
 * @param images so many make a part
 */
export function inParts(
  batched: readonly Value[],
  whole: readonly Value[],
  images: number,
  body: (parts: readonly Value[], whole: readonly Value[]) => Value,
): Value {
  const parts = batched.map(({ dtype, shape: [, ...sample] }, index) =>
    inputValue(`Scan/part${index}`, { dtype, shape: [images, ...sample] }),
  );
  const shared = whole.map((value, index) => inputValue(`Scan/whole${index}`, value));
  const graph = makeGraph([...shared, ...parts], { "Scan/result": body(parts, shared) });
  const split = batched.map((value) => {
    const [batch, ...sample] = value.shape as Shape;
    return reshape(value, [typeof batch === "number" ? batch / images : 0, images, ...sample]);
  });
  return apply(scanOf(graph, whole.length), [...whole, ...split], { num_scan_inputs: batched.length })[0]!;
}

/** Scan: each run of its graph takes the next part of its operands, but the first few whole. */
const scanOf = (body: Graph, shared: number): Op<{ num_scan_inputs: number }> => ({
  name: "Scan",
  domain: "",
  attributes: { num_scan_inputs: { kind: "int" } },
  arity: [1, 4],
  body,
  shared,
  infer: (inputs) =>
    [...body.outputs.values()].map(({ dtype, shape }) => ({ dtype, shape: [inputs.at(-1)!.shape[0]!, ...shape] })),
  evaluate,
  macs,
  gradient: notDifferentiable,
});

/** The runtime's own layout of maps: [batch, channels / block, height, width, block]. Shapes say [batch, channels, ...]. */
export interface Blocks {
  readonly size: number;
  /** Maps in blocks; channels, a multiple of 4, filled up to whole blocks with zeros. */
  arrange(x: Value): Value;
  /** A convolution of maps in blocks, or of few channels in plain layout; the weights in blocks as it wants them. */
  convolve(x: Value, weights: Value, bias: Value | undefined, attributes: Partial<ConvAttributes>): Value;
  /** Maps of so many channels in plain layout. */
  restore(x: Value, channels: number): Value;
}

const domain = "com.microsoft.nchwc";

function evaluate(): never {
  throw new StriateError({ subject: domain, found: "an operator outside ONNX Runtime, where only it has a meaning" });
}

/** More than folding does beforehand: what is the same in every run is arranged once, by the session. */
const macs = (): number => Number.POSITIVE_INFINITY;

/** The operators of the layout with blocks of this size. */
export function blocksOf(size: number): Blocks {
  const whole = (channels: Dimension) => Math.ceil((channels as number) / size) * size;
  const ReorderInput: Op<Record<never, never>> = {
    name: "ReorderInput",
    domain,
    attributes: {},
    arity: [1, 1],
    infer: ([x]) => {
      const [batch, channels, ...spatial] = x!.shape;
      return [{ dtype: x!.dtype, shape: [batch!, whole(channels!), ...spatial] }];
    },
    evaluate,
    macs,
    gradient: notDifferentiable,
  };
  return {
    size,
    arrange: (x) => apply(ReorderInput, [x])[0]!,
    convolve: (x, weights, bias, attributes) =>
      apply(BlockedConv, bias ? [x, weights, bias] : [x, weights], attributes)[0]!,
    restore: (x, channels) => apply(ReorderOutput, [x], { channels })[0]!,
  };
}

const BlockedConv: Op<ConvAttributes> = defineOp<ConvAttributes>({
  name: "Conv",
  domain,
  attributes: convAttributes,
  arity: [2, 3],
  infer: ([x, w], attributes) => {
    const { shape } = convGeometry("Conv", x!.shape, w!.shape, attributes);
    return [{ dtype: x!.dtype, shape: [x!.shape[0]!, w!.shape[0]!, ...shape] }];
  },
  evaluate,
  macs,
  gradient: notDifferentiable,
});

const ReorderOutput: Op<{ channels: number }> = defineOp<{ channels: number }>({
  name: "ReorderOutput",
  domain,
  attributes: { channels: { kind: "int" } },
  arity: [1, 1],
  infer: ([x], { channels }) => [{ dtype: x!.dtype, shape: [x!.shape[0]!, channels, ...x!.shape.slice(2)] }],
  evaluate,
  macs,
  gradient: notDifferentiable,
});

/** Two maps, of 16 channels, that a runtime without the layout refuses to rearrange: numbers in, their order out. */
export function probe(): { graph: Graph; input: Float32Array<ArrayBuffer>; blockIn(order: readonly number[]): number } {
  const x = inputValue("x", { dtype: "float32", shape: [1, 16, 1, 2] });
  return {
    graph: makeGraph([x], { y: blocksOf(16).arrange(x) }),
    input: Float32Array.from({ length: 32 }, (_, index) => index),
    // The second element of the first channel comes after the first elements of all channels of its block.
    blockIn: (order) => (order.indexOf(1) > 1 ? order.indexOf(1) : 0),
  };
}
