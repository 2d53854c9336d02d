/**
 * Shortcuts that take every second element and add channels of zeros (He et al. 2015, https://arxiv.org/abs/1512.03385, option A)
 * as 1x1 convolutions: one pass, in whichever order maps lie, in place of a copy for each axis.
 */
import type { Graph } from "../../graph/graph.ts";
import { rewrite } from "../../graph/rewrite.ts";
import { constant, constantOf, type Node, producerOf, type Value } from "../../graph/value.ts";
import { conv } from "../../ops/conv.ts";
import { Pad, padAmounts, Slice, sliceRanges } from "../../ops/core/arrange.ts";
import type { Shape } from "../../tensor/shape.ts";
import { Tensor } from "../../tensor/tensor.ts";
import { blockLength } from "./memory.ts";

/** The most channels: each new element is the sum of as many products. */
const mostChannels = 4 * blockLength;

/** How many channels of zeros a node puts before a map's own and after them, if that is all it does. */
function addedChannels({ op, inputs, attributes }: Node): readonly [number, number] | undefined {
  const [x, pads, filling, axes] = inputs as [Value, Value, Value?, Value?];
  if (op.name !== Pad.name || attributes.mode !== "constant" || axes || x.shape.length !== 4) return undefined;
  const given = constantOf(pads)?.toArray();
  if (!given || (filling && constantOf(filling)?.item() !== 0)) return undefined;
  const amounts = padAmounts(given, x.shape.length);
  const isOfChannels = amounts.every((around, axis) =>
    around.every((count) => (axis === 1 ? count >= 0 : count === 0)),
  );
  return isOfChannels ? amounts[1] : undefined;
}

/** How far apart the elements are that a node takes of a map's rows and columns, if those are from edge to edge. */
function stepsOf({ op, inputs: [x, ...ranges] }: Node): readonly [number, number] | undefined {
  if (op.name !== Slice.name || ranges.some((range) => range && !constantOf(range))) return undefined;
  const steps: [number, number] = [1, 1];
  for (const { axis, start, step, count } of sliceRanges(
    x!.shape,
    ranges.map((range) => range && constantOf(range)),
  )) {
    if (axis < 2 || start !== 0 || step < 1 || count !== Math.ceil((x!.shape[axis] as number) / step)) return undefined;
    steps[axis - 2] = step;
  }
  return steps;
}

/** A graph of fixed shapes with such shortcuts as convolutions. */
export function shortcutsByConvolution(graph: Graph): Graph {
  return rewrite(graph, (node, [x]) => {
    const added = addedChannels(node);
    if (!added || x?.dtype !== "float32" || (x.shape[1] as number) > mostChannels) return undefined;
    const strides = [1, 1];
    let source = x;
    for (let cut = producerOf(source); cut; cut = producerOf(source)) {
      const steps = stepsOf(cut);
      if (!steps) break;
      steps.forEach((step, axis) => {
        strides[axis]! *= step;
      });
      source = cut.inputs[0]!;
    }
    if (source === x) return undefined;
    const [filters, channels] = [node.outputs[0]!.shape[1] as number, x.shape[1] as number];
    const weights = Float32Array.from({ length: filters * channels }, (_, index) =>
      Math.floor(index / channels) === added[0] + (index % channels) ? 1 : 0,
    );
    const shape: Shape = [filters, channels, 1, 1];
    return [conv(source, constant(new Tensor("float32", shape, weights)), undefined, { strides })];
  }).graph;
}
