/** Which convolutions are quicker by Winograd's algorithm, and when their weights are transformed for it (docs/engine.md). */
import { type Graph, nodesOf } from "../../graph/graph.ts";
import { attributesOf } from "../../graph/op.ts";
import { fixedShape, type Node, producerOf, type Value } from "../../graph/value.ts";
import { Conv } from "../../ops/conv.ts";
import { type ConvAttributes, convAxes } from "../../ops/correlate.ts";
import { takesSide } from "../../ops/kinks.ts";
import { type Shape, sizeOf } from "../../tensor/shape.ts";
import { isForBlocks } from "./blocks.ts";
import { convolutionForms } from "./convolution-forms.ts";
import { argument, type Dnnl, Unimplemented } from "./dnnl.ts";
import { fixedNodes } from "./fuse.ts";
import { blockLength, bytesOf } from "./memory.ts";

/** When weights are transformed: once, if they never change, or in every run; then also by halves or quarters of the filters. */
export type Transform = "once" | "always" | "halves" | "quarters";

const parts: Readonly<Record<Transform, number>> = { once: 1, always: 1, halves: 2, quarters: 4 };

/** In how many parts filters are taken. */
export const partsIn = (transform: Transform = "once"): number => parts[transform];

/** Bytes that it takes for good, and while the convolution runs. */
export interface Cost {
  readonly lasting: number;
  readonly passing: number;
}

/** The outputs of one tile, along each axis. */
const tile = 4;

/** How many tiles a convolution has that the algorithm is for: 3x3 with stride 1 and no groups, of enough channels. */
function tilesOf(attributes: ConvAttributes, x: Shape, w: Shape): number {
  const axes = convAxes(x, w, attributes);
  const fits = axes.every(
    ({ kernel, stride, dilation, before, after }) =>
      kernel === 3 && stride === 1 && dilation === 1 && before <= 1 && after <= 1,
  );
  if (!fits || x.length !== 4 || attributes.group !== 1 || Math.min(w[0]!, w[1]!) < 2 * blockLength) return 0;
  return axes.reduce((count, { output }) => count * Math.ceil(output / tile), x[0]!);
}

/**
 * Whether Winograd's algorithm is quicker for a convolution's gradients, whose weights are transformed in every run.
 * Lavin and Gray 2016, https://arxiv.org/abs/1509.09308
 */
export const isForWinograd = (attributes: ConvAttributes, x: Shape, w: Shape): boolean =>
  tilesOf(attributes, x, w) >= 64;

/** The fewest tiles for which it is quicker: of weights that are transformed in every run, of others, and with few channels. */
const fewest = { always: 48, once: 16, fewChannels: 64 } as const;
const fewChannels = 4 * blockLength;

/** From so many tiles on, a transformation in every run is a small part of it. */
const many = 256;

/** The part of the bytes of convolutions' weights that transformed ones may take beside them. */
const lastingPart = 0.12;

/** The part of weights and largest maps that a scratchpad may take beside these maps, and what it may always. */
const passingPart = 1 / 3;
const leastPassing = 2 ** 23;

/**
 * The convolutions of a graph in blocks that are by Winograd's algorithm. Transformed weights take up to four times the bytes,
 * for good or while the convolution runs: they may take a part of what the graph takes without. None where gradients take sides.
 * @param costOf nothing where the library has it not
 */
export function transformsOf(
  graph: Graph,
  costOf: (node: Node, transform: Transform) => Cost | undefined,
): Map<Node, Transform> {
  const fixed = fixedNodes(graph);
  const changing = new Set<Value>(graph.updates.map(({ variable }) => variable));
  const isFixed = (value: Value | undefined): boolean => {
    const producer = value && producerOf(value);
    return producer ? fixed.has(producer) : value?.source.kind !== "input" && !(value && changing.has(value));
  };
  const bytes = (values: readonly (Value | undefined)[]): number =>
    values.reduce((sum, value) => {
      const shape = value && !isFixed(value) && fixedShape(value);
      return sum + (shape ? bytesOf(value.dtype, shape) : 0);
    }, 0);
  const through = ({ inputs, outputs }: Node): number => bytes([...inputs, ...outputs]);
  const nodes = nodesOf(graph).filter((node) => !fixed.has(node));
  // What is near a kink falls on its other side the more often the larger the error, which direct convolution has a third of (docs/zoo.md).
  if (nodes.some(({ op }) => takesSide(op))) return new Map();
  const convolutions = nodes.filter(({ op }) => op.name === Conv.name);
  const weights = convolutions.reduce((sum, { inputs }) => sum + 4 * sizeOf(inputs[1]!.shape as Shape), 0);
  const largest = nodes.reduce((most, node) => Math.max(most, through(node)), 0);
  const room = largest + Math.max(leastPassing, passingPart * (weights + largest));
  let left = lastingPart * weights;

  const transforms = new Map<Node, Transform>();
  const possible = convolutions.flatMap((node) => {
    const [x, w] = node.inputs.map((input) => input?.shape) as [Shape, Shape];
    const tiles = tilesOf(attributesOf(node, Conv), x, w);
    const isWide = Math.min(w[0]!, w[1]!) >= fewChannels;
    const areEnough = tiles >= (isWide ? fewest.once : fewest.fewChannels);
    return areEnough && isForBlocks(x) && isForBlocks(node.outputs[0]!.shape) ? [{ node, x, w, tiles }] : [];
  });
  const affordable = (node: Node, transform: Transform): Cost | undefined => {
    const cost = costOf(node, transform);
    return cost && cost.lasting <= left && through(node) + cost.passing <= room ? cost : undefined;
  };
  // Of few tiles the transformation is the larger part.
  for (const { node } of possible
    .filter(({ node, tiles }) => tiles < many && isFixed(node.inputs[1]))
    .toSorted((one, other) => one.tiles - other.tiles)) {
    const cost = affordable(node, "once");
    if (cost) transforms.set(node, "once");
    left -= cost?.lasting ?? 0;
  }
  for (const { node, x, w, tiles } of possible) {
    if (transforms.has(node) || tiles < fewest.always) continue;
    const found = (["always", "halves", "quarters"] as const).find((transform) => {
      // Only of one image do the maps of some filters lie together.
      const isWhole = partsIn(transform) === 1 || (x[0] === 1 && w[0]! % (partsIn(transform) * blockLength) === 0);
      return isWhole && affordable(node, transform);
    });
    if (found) transforms.set(node, found);
  }
  return transforms;
}

/** What a convolution by Winograd's algorithm takes, or nothing where the library cannot. */
export function costOf(dnnl: Dnnl, node: Node, transform: Transform): Cost | undefined {
  const { inputs, outputs } = node;
  const [x, w, y] = [inputs[0]!, inputs[1]!, outputs[0]!].map(({ shape }) => shape) as [Shape, Shape, Shape];
  const placed = (shape: Shape) => ({ shape, order: "blocked" as const });
  const filters = w[0]! / partsIn(transform);
  const [part, map] = [
    [filters, ...w.slice(1)],
    [y[0]!, filters, ...y.slice(2)],
  ] as const;
  const forms = convolutionForms(placed(x), part, placed(map), attributesOf(node, Conv));
  try {
    const primitive = dnnl.convolution({ ...forms, training: transform !== "once", winograd: true });
    return {
      lasting: Math.max(0, dnnl.bytesOf(primitive.form(argument.weights)) - bytesOf("float32", part)),
      passing: primitive.scratchpad ? dnnl.bytesOf(primitive.scratchpad) : 0,
    };
  } catch (error) {
    if (error instanceof Unimplemented) return undefined;
    throw error;
  }
}
