/** Zeros around maps that a convolution can put there itself. */
import type { Graph } from "../../graph/graph.ts";
import type { Attributes } from "../../graph/op.ts";
import { apply } from "../../graph/op.ts";
import { rewrite } from "../../graph/rewrite.ts";
import { constantOf, fixedShape, type Node, producerOf, type Value } from "../../graph/value.ts";
import { Conv, ConvInputGradient, ConvWeightGradient, convInputGradient } from "../../ops/conv.ts";
import { Pad, padAmounts } from "../../ops/core/arrange.ts";
import { vector } from "../../ops/core/shape.ts";

type Amounts = readonly (readonly [number, number])[];

/** What a node pads its maps with, before and after each spatial axis, when that is zeros or, `sign` being -1, cut off. */
function paddingOf(node: Node | undefined, sign: 1 | -1): Amounts | undefined {
  if (node?.op.name !== Pad.name || node.attributes.mode !== "constant") return undefined;
  const [x, pads, value, axes] = node.inputs as [Value, Value, Value?, Value?];
  const given = constantOf(pads)?.toArray();
  const chosen = constantOf(axes)?.toArray();
  if (!given || (axes && !chosen) || (value && constantOf(value)?.item() !== 0)) return undefined;
  const amounts = padAmounts(given, x.shape.length, chosen);
  const isWithin = amounts.every(([before, after], axis) =>
    [before, after].every((count) => (axis < 2 ? count === 0 : count * sign >= 0)),
  );
  return isWithin ? amounts.slice(2).map(([before, after]) => [before * sign, after * sign]) : undefined;
}

/** The attributes of a convolution that pads by so much more. */
function widerBy(attributes: Attributes, amounts: Amounts | undefined): Attributes | undefined {
  if (!amounts || attributes.auto_pad !== "NOTSET") return undefined;
  const pads = (attributes.pads as readonly number[] | undefined) ?? amounts.flatMap(() => [0, 0]);
  const more = [...amounts.map(([before]) => before), ...amounts.map(([, after]) => after)];
  return { ...attributes, pads: pads.map((count, index) => count + more[index]!) };
}

/** Of a graph of fixed shapes: convolutions of padded maps become ones that pad, and so do their gradients; padding of nothing goes. */
export function padWithin(graph: Graph): Graph {
  return rewrite(graph, (node, [x, w, bias]) => {
    const before = x && producerOf(x);
    if (node.op.name === Pad.name && before?.op.name === ConvInputGradient.name) {
      const wider = widerBy(before.attributes, paddingOf(node, -1));
      const shape = fixedShape(node.outputs[0]!);
      return wider && shape && [convInputGradient(before.inputs[0]!, before.inputs[1]!, vector(shape), wider)];
    }
    if (
      paddingOf(node, 1)
        ?.flat()
        .every((count) => count === 0)
    )
      return [x!];
    if (node.op.name !== Conv.name && node.op.name !== ConvWeightGradient.name) return undefined;
    const wider = widerBy(node.attributes, paddingOf(before, 1));
    return wider && apply(node.op, bias ? [before!.inputs[0], w, bias] : [before!.inputs[0], w], wider);
  }).graph;
}
