/** What the rules of lowering share. */
import { type Dimension, fixedShape, type Node, type Value } from "../../graph/value.ts";
import { hardSigmoid } from "../../ops/core/elementwise.ts";
import { reshape } from "../../ops/core/shape.ts";
import { type Shape, sizeOf } from "../../tensor/shape.ts";

/** The runtime and program that a graph is lowered for. */
export interface Target {
  /** How many channels a block of the runtime's own layout has on this processor; 0 where it has no such layout. */
  readonly block: number;
  /** Whether runs change variables. Where none does, the session has them as constants, and arranges them once. */
  readonly training: boolean;
}

/** Whether a value is the same in every run. */
export const isConstant = ({ source: { kind } }: Value, { training }: Target): boolean =>
  kind === "constant" || (!training && (kind === "parameter" || kind === "state"));

/** The fast form of a node, given its inputs already rewritten; undefined where the rule does not apply. */
export type LoweringRule = (
  inputs: readonly (Value | undefined)[],
  node: Node,
  target: Target,
) => readonly Value[] | undefined;

/** The shape without the batch, where that is known. */
export const fixedSample = ({ dtype, shape }: Value): Shape | undefined => fixedShape({ dtype, shape: shape.slice(1) });

/** A matrix of one row for each element of the first axis, which may have a name for its length. */
export const rows = (x: Value): Value => reshape(x, [0, sizeOf(x.shape.slice(1) as Shape)]);

/** The longest row, in elements, for which a product with a matrix of mostly zeros is faster than to pick its elements. */
export const longestRow = 256;

/** So steep that a hard sigmoid is a step: 1 for any normal number above 0. */
const steep = 1e38;

/** 1 where a value is above 0, else 0. */
export const isPositive = (x: Value): Value => hardSigmoid(x, { alpha: steep, beta: 0 });

/** 1 where a value that is never above 0 is 0, else 0. */
export const isZero = (x: Value): Value => hardSigmoid(x, { alpha: steep, beta: 1 });

/** The most elements of operands that parts of a batch have between them: with what is made of them they fill the cache. */
const mostAtOnce = 3 * 2 ** 17;

/** How many images make a part of a batch, all parts alike: as many as have no more elements, one at the least. */
export function imagesAtOnce(batch: Dimension, elements: number): number {
  if (typeof batch !== "number") return 1;
  let images = Math.max(1, Math.min(batch, Math.floor(mostAtOnce / elements)));
  while (batch % images !== 0) images--;
  return images;
}
