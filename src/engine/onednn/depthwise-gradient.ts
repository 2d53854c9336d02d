/**
 * The weight gradient of a depthwise convolution as a depthwise convolution of its own: each map of each image is a channel,
 * the map's output gradient its kernel, strides and dilations exchanged; what the images give is added up. For maps in blocks
 * where the library's own is its reference: kernels wider than three, dilations, large strides.
 */
import { attributesOf } from "../../graph/op.ts";
import type { Node, Value } from "../../graph/value.ts";
import { ConvWeightGradient } from "../../ops/conv.ts";
import { type Shape, sizeOf } from "../../tensor/shape.ts";
import { full } from "../../tensor/tensor.ts";
import { convolutionForms } from "./convolution-forms.ts";
import { argument, type Primitive, Unimplemented } from "./dnnl.ts";
import { type Cell, filledUp, formOf } from "./memory.ts";
import { between } from "./moving.ts";
import type { Plan } from "./plan.ts";

/** Maps in blocks, those of all images as channels of one. */
const ofOneImage = ([images, channels, ...map]: Shape): Shape => [1, images! * channels!, ...map];

/** A primitive that the library has more for than its reference. */
function quick(make: () => Primitive): Primitive | undefined {
  try {
    const primitive = make();
    return primitive.isReference ? undefined : primitive;
  } catch (error) {
    if (error instanceof Unimplemented) return undefined;
    throw error;
  }
}

/** The convolution that such a gradient is, if the library is quick with it and not with the gradient as such. */
function primitiveFor(node: Node, plan: Plan): Primitive | undefined {
  const [x, g] = node.inputs as [Value, Value];
  const attributes = attributesOf(node, ConvWeightGradient);
  const w = node.outputs[0]!.shape as Shape;
  const isDepthwise = attributes.group === w[0] && attributes.group === x.shape[1];
  if (!isDepthwise || plan.orderOf(x.shape) !== "blocked") return undefined;
  const placed = ({ shape }: Value) => ({ shape: shape as Shape, order: "blocked" as const });
  const own = convolutionForms(placed(x), w, placed(g), attributes);
  // Elements that no window reaches would have to be cut off first.
  if (own.after.some((amount) => amount < 0)) return undefined;
  if (quick(() => plan.dnnl.convolutionWeightGradient(own))) return undefined;
  const [maps, gradients] = [x, g].map(({ shape }) => ofOneImage(filledUp(shape as Shape))) as [Shape, Shape];
  const channels = maps[1]!;
  return quick(() =>
    plan.dnnl.convolution({
      source: { shape: maps, inBlocks: "channels" },
      // Blocks of maps are blocks of kernels: nothing moves.
      weights: { shape: [channels, 1, 1, ...gradients.slice(2)], inBlocks: "groups" },
      result: { shape: [1, channels, ...w.slice(2)], inBlocks: "channels" },
      strides: own.dilations,
      dilations: own.strides,
      before: own.before,
      after: own.after,
    }),
  );
}

/** The sum over all images of what lies for each of them in blocks, as channels of one. */
function sumOfImages(plan: Plan, all: Cell, images: number): Cell {
  const [, channels, ...map] = all.shape as [number, number, ...number[]];
  const sum = between(plan, all, [1, channels / images, ...map]);
  const rows = (cell: Cell): Cell => ({
    ...cell,
    shape: [sizeOf(cell.shape) / sizeOf(sum.shape), sizeOf(sum.shape)],
    order: "plain",
  });
  const [ones, from, to] = [plan.constant(full([1, images], 1)), rows(all), rows(sum)];
  plan.run(plan.dnnl.product(formOf(ones), formOf(from), undefined, formOf(to)), [
    [argument.source, ones],
    [argument.weights, from],
    [argument.result, to],
  ]);
  return sum;
}

/** Lays out a weight gradient so; false where it is not one of these. */
export function byConvolution(node: Node, plan: Plan): boolean {
  const primitive = primitiveFor(node, plan);
  if (!primitive) return false;
  const [x, g] = node.inputs.map((input) => plan.ordered(input!, "blocked")) as [Cell, Cell];
  const [filters, , ...kernel] = node.outputs[0]!.shape as Shape;
  const [images, channels, ...map] = filledUp(x.shape) as [number, number, ...number[]];
  const all = between(plan, x, ofOneImage([images, channels, ...kernel]));
  plan.run(primitive, [
    [argument.source, { ...x, shape: ofOneImage([images, channels, ...map]) }],
    [argument.weights, { ...g, description: primitive.form(argument.weights) }],
    [argument.result, all],
  ]);
  const sum = images === 1 ? all : sumOfImages(plan, all, images);
  const shape = [1, filters!, ...kernel];
  const [from, to] = [
    { ...sum, shape },
    { ...plan.output(node, 0, "plain"), shape },
  ];
  plan.run(plan.dnnl.reorder(plan.dnnl.describe(formOf(from)), plan.dnnl.describe(formOf(to))), [
    [argument.source, from],
    [argument.result, to],
  ]);
  return true;
}
