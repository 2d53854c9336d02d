/** Which graphs are quicker with channels in blocks of 16 (docs/engine.md). */
import { type Graph, nodesOf } from "../../graph/graph.ts";
import type { Node } from "../../graph/value.ts";
import { Conv } from "../../ops/conv.ts";
import { type Shape, sizeOf } from "../../tensor/shape.ts";
import { hasDepthwise } from "./depthwise.ts";
import type { Dnnl } from "./dnnl.ts";
import { isPair, type Link } from "./fuse.ts";
import { blockLength, isGapless } from "./memory.ts";

/** The part of blocks that has to be channels, not filling. */
const fullness = 0.75;

/** Whether maps have channels that fill blocks, or nearly so. */
export function isForBlocks(shape: readonly (number | string)[]): boolean {
  const blocks = (shape[1] as number) / blockLength;
  return shape.length === 4 && blocks >= fullness * Math.ceil(blocks);
}

/** The part of a graph's arithmetic that has to be in blocks. Between blocks and channels-last, maps are reordered. */
const enough = 0.85;

/**
 * Whether nearly all arithmetic of a graph is in convolutions, depthwise or without groups, from blocks to blocks. The
 * first layer, of an image's few channels, does not count: it takes them as they come.
 */
export function isQuickInBlocks(graph: Graph): boolean {
  let [whole, all] = [0, 0];
  for (const { op, inputs, outputs, attributes } of nodesOf(graph)) {
    if (op.name !== Conv.name) continue;
    const [x, w, y] = [inputs[0]!.shape, inputs[1]!.shape, outputs[0]!.shape] as [Shape, Shape, Shape];
    if (x[1]! < blockLength / 2) continue;
    const work = sizeOf(y) * sizeOf(w.slice(1));
    all += work;
    const isGrouped = attributes.group !== 1 && attributes.group !== x[1];
    if (!isGrouped && isForBlocks(x) && isForBlocks(y)) whole += work;
  }
  return all > 0 && whole >= enough * all;
}

/**
 * Whether a node's pass takes a link of this kind after it: where the last block is filled up version 2 errs, with operands and
 * in whatever follows two of them.
 */
function takes(head: Node, kind: Link["kind"]): boolean {
  const shape = head.outputs[0]!.shape as Shape;
  const isFilledUp = isForBlocks(shape) && !isGapless({ order: "blocked", shape });
  return !isFilledUp || (kind !== "binary" && !isPair(head));
}

/** Whether a node's pass takes a link after it, of a graph whose maps lie in blocks or do not. */
export const taking =
  (dnnl: Dnnl, isBlocked: boolean, transforms: ReadonlyMap<Node, unknown>) =>
  (head: Node, link: Link): boolean => {
    if (link.kind === "depthwise") {
      const areBlocks = [head.inputs[0]!, head.outputs[0]!].every(({ shape }) => isForBlocks(shape));
      return isBlocked && areBlocks && hasDepthwise(dnnl, head, link);
    }
    return !isBlocked || (takes(head, link.kind) && !(link.kind === "binary" && transforms.has(head)));
  };
