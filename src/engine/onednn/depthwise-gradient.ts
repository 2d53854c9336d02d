/**
 * The weight gradient of a depthwise convolution as a depthwise convolution of its own: each map of each image is a channel,
 * the map's output gradient its kernel, strides and dilations exchanged; what the images give is added up. The library's
 * kernels for it end at 3x3.
 */
import { attributesOf } from "../../graph/op.ts";
import type { Node, Value } from "../../graph/value.ts";
import { ConvWeightGradient } from "../../ops/conv.ts";
import { convAxes } from "../../ops/correlate.ts";
import { type Shape, sizeOf } from "../../tensor/shape.ts";
import { full } from "../../tensor/tensor.ts";
import { argument, type Primitive } from "./dnnl.ts";
import { bytesOf, type Cell, filledUp, formOf, type Placed } from "./memory.ts";
import type { Plan } from "./plan.ts";

/** The longest kernel that the library has a gradient for in blocks. */
const longest = 3;

/** Maps in blocks, those of all images as channels of one. */
const ofOneImage = ([images, channels, ...map]: Shape): Shape => [1, images! * channels!, ...map];

/** Such a convolution, if maps lie in blocks and the library has a kernel for it. */
function primitiveFor(node: Node, plan: Plan): Primitive | undefined {
  const [x, g] = node.inputs as [Value, Value];
  const attributes = attributesOf(node, ConvWeightGradient);
  const [filters, , ...kernel] = node.outputs[0]!.shape as Shape;
  const isDepthwise = attributes.group === filters && attributes.group === x.shape[1];
  if (!isDepthwise || plan.precision !== "float32" || x.shape.length !== 4 || Math.max(...kernel) <= longest)
    return undefined;
  if ([x, g].some(({ shape }) => plan.orderOf(shape) !== "blocked")) return undefined;
  const axes = convAxes(x.shape, node.outputs[0]!.shape as Shape, attributes);
  const after = axes.map(
    ({ input, output, kernel: length, stride, dilation, before }) =>
      stride * (output - 1) + dilation * (length - 1) + 1 - input - before,
  );
  // Elements that no window reaches would have to be cut off first.
  if (after.some((amount) => amount < 0)) return undefined;
  const [maps, gradients] = [x, g].map(({ shape }) => ofOneImage(filledUp(shape as Shape))) as [Shape, Shape];
  const placed = (shape: Shape): Placed => ({ shape, order: "blocked" });
  const primitive = plan.dnnl.convolution({
    source: formOf(placed(maps)),
    weights: { shape: [maps[1]!, 1, 1, ...gradients.slice(2)] },
    result: formOf(placed([1, maps[1]!, ...kernel])),
    strides: axes.map(({ dilation }) => dilation),
    dilations: axes.map(({ stride }) => stride),
    before: axes.map(({ before }) => before),
    after,
    training: true,
  });
  return primitive.isReference ? undefined : primitive;
}

/** Lays out a weight gradient so; false where it is another. */
export function byConvolution(node: Node, plan: Plan): boolean {
  const primitive = primitiveFor(node, plan);
  if (!primitive) return false;
  const [x, g] = node.inputs.map((input) => plan.ordered(input!, "blocked")) as [Cell, Cell];
  const [filters, , ...kernel] = node.outputs[0]!.shape as Shape;
  const [images, channels, ...map] = filledUp(x.shape);
  const made = (shape: Shape): Cell => ({
    dtype: "float32",
    shape,
    order: "blocked",
    region: plan.region(bytesOf("float32", shape)),
  });
  const ofImages = made([1, images! * channels!, ...kernel]);
  plan.run(primitive, [
    [argument.source, { ...x, shape: [1, images! * channels!, ...map] }],
    // Blocks of maps are what the library takes for blocks of kernels.
    [argument.weights, { ...g, description: primitive.form(argument.weights) }],
    [argument.result, ofImages],
  ]);
  const [ones, along] = [plan.constant(full([1, images!], 1)), channels! * sizeOf(kernel)];
  const sum = made([1, channels!, ...kernel]);
  const rows = (cell: Cell, count: number): Cell => ({ ...cell, shape: [count, along], order: "plain" });
  const [all, one] = [rows(ofImages, images!), rows(sum, 1)];
  plan.run(plan.dnnl.product(formOf(ones), formOf(all), undefined, formOf(one)), [
    [argument.source, ones],
    [argument.weights, all],
    [argument.result, one],
  ]);
  const wanted = { ...sum, shape: [1, filters!, ...kernel] };
  const result = { ...plan.output(node, 0, "plain"), shape: wanted.shape };
  plan.run(plan.dnnl.reorder(plan.dnnl.describe(formOf(wanted)), plan.dnnl.describe(formOf(result))), [
    [argument.source, wanted],
    [argument.result, result],
  ]);
  return true;
}
