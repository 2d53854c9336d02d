/**
 * Transposed convolutions whose windows lie side by side: each element becomes a block of its own, as after a convolution of
 * one element whose channels are places (sub-pixel convolution). Shi et al. 2016, https://arxiv.org/abs/1609.05158
 */
import type { Graph } from "../../graph/graph.ts";
import { apply, attributesOf } from "../../graph/op.ts";
import { rewrite } from "../../graph/rewrite.ts";
import { fixedShape, type Node, type Value } from "../../graph/value.ts";
import { ConvTranspose, conv } from "../../ops/conv.ts";
import { concat } from "../../ops/core/arrange.ts";
import { reshape, transpose } from "../../ops/core/shape.ts";
import { DepthToSpace } from "../../ops/depth-space.ts";
import { fillsBlocks } from "./memory.ts";

/** The length of the blocks that a transposed convolution makes of elements, where it does. */
function blockOf(node: Node): number | undefined {
  if (node.op.name !== ConvTranspose.name) return undefined;
  const { group, strides, pads, dilations, output_padding } = attributesOf(node, ConvTranspose);
  const [block, ...others] = node.inputs[1]!.shape.slice(2) as [number, ...number[]];
  const isSquare = others.length === 1 && [...others, ...(strides ?? [1])].every((each) => each === block);
  const isBare = [...(pads ?? []), ...(output_padding ?? [])].every((each) => each === 0);
  const areBeside = (dilations ?? []).every((each) => each === 1);
  return isSquare && isBare && areBeside && group === 1 && block > 1 ? block : undefined;
}

/** The graph with them as such convolutions, where channels fill the blocks in which maps are quick. */
export const subPixels = (graph: Graph): Graph =>
  rewrite(graph, (node, inputs) => {
    const [x, w, bias] = inputs as [Value, Value, Value | undefined];
    const block = blockOf(node);
    const shape = block && fixedShape(w);
    if (!block || !shape || !fillsBlocks(shape)) return undefined;
    const filters = reshape(transpose(w, [2, 3, 1, 0]), [block ** 2 * shape[1]!, shape[0]!, 1, 1]);
    const biases = bias && concat(new Array<Value>(block ** 2).fill(bias), 0);
    return apply(DepthToSpace, [conv(x, filters, biases, {})], { blocksize: block });
  }).graph;
