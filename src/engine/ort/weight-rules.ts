/** Weight gradients of convolutions in ONNX Runtime. docs/engine.md says what was measured and why each is chosen. */
import { apply, attributesOf } from "../../graph/op.ts";
import { constant, fixedShape, type Value } from "../../graph/value.ts";
import { ConvWeightGradient, conv } from "../../ops/conv.ts";
import { Slice, slice } from "../../ops/core/arrange.ts";
import { reduceSum } from "../../ops/core/reduce.ts";
import { reshape, transpose, vector } from "../../ops/core/shape.ts";
import { convAxes } from "../../ops/correlate.ts";
import { gemm, matmul } from "../../ops/matmul.ts";
import { padsOf, type WindowAxis } from "../../ops/window.ts";
import { type Shape, sizeOf } from "../../tensor/shape.ts";
import { Tensor } from "../../tensor/tensor.ts";
import { covers, isPointwise } from "./conv-rules.ts";
import { imagesAtOnce, isConstant, type LoweringRule, longestRow, rows } from "./rule.ts";
import { type Blocks, blocksOf, inParts, timesTransposed } from "./runtime-ops.ts";

export const weightGradientRule: LoweringRule = ([x, g], node, target) => {
  const attributes = attributesOf(node, ConvWeightGradient);
  const [input, output] = [fixedShape(x!), fixedShape(g!)];
  if (!input || !output || x!.dtype !== "float32") return undefined;
  const shape = node.outputs[0]!.shape as Shape;
  const axes = convAxes(input, shape, attributes);
  if (covers(axes, attributes)) return [reshape(gemm(rows(g!), rows(x!), { transA: 1 }), shape)];
  if (attributes.group === 1 && isPointwise(axes)) return [reshape(product(subsample(x!, axes), g!), shape)];
  const hasBlocks = target.block > 0 && axes.length === 2 && !isConstant(x!, target) && !isConstant(g!, target);
  if (hasBlocks && attributes.group === 1 && input[1]! < target.block && sizeOf(shape.slice(1)) <= output[1]!)
    return [byPatches(x!, g!, shape, axes, blocksOf(target.block))];
  if (attributes.group === 1 && axes.length < 3) return [sliding(x!, g!, shape, axes)];
  const isDepthwise = attributes.group === input[1] && attributes.group === output[1];
  if (!isDepthwise || !hasBlocks || (input[0]! * input[1]!) % 4 !== 0) return undefined;
  return [inBlocks(x!, g!, shape, axes, blocksOf(target.block))];
};

/** The elements that a kernel of one element meets. */
function subsample(x: Value, axes: readonly WindowAxis[]): Value {
  if (axes.every(({ stride }) => stride === 1)) return x;
  const [batch, channels] = x.shape as Shape;
  const [down, across] = axes as [WindowAxis, WindowAxis];
  const isEven = axes.length === 2 && down.input === down.stride * down.output;
  const row = down.stride * (across?.input ?? 0);
  if (!isEven || row > longestRow) {
    const each = (value: (axis: WindowAxis, index: number) => number) => vector(axes.map(value));
    const ranges = [
      each(() => 0),
      each(({ input }) => input),
      each((_, index) => index + 2),
      each(({ stride }) => stride),
    ];
    return apply(Slice, [x, ...ranges])[0]!;
  }
  const picks = new Float32Array(row * across.output);
  for (let place = 0; place < across.output; place++) picks[place * across.stride * across.output + place] = 1;
  const picked = matmul(reshape(x, [-1, row]), constant(new Tensor("float32", [row, across.output], picks)));
  return reshape(picked, [batch!, channels!, down.output, across.output]);
}

/**
 * Of a kernel of one element: the product of each image, summed, or one product over all images, for which both are
 * rearranged; what is less to write.
 */
function product(x: Value, g: Value): Value {
  const [batch, channels, ...spatial] = x.shape as Shape;
  const [filters, map] = [g.shape[1] as number, sizeOf(spatial)];
  const [left, right] = [reshape(g, [batch!, filters, map]), reshape(x, [batch!, channels!, map])];
  if (2 * filters * channels! < (filters + channels!) * map)
    return reduceSum(timesTransposed(left, right), { axes: [0] });
  const whole = (each: Value) => reshape(transpose(each, [1, 0, 2]), [each.shape[1] as number, batch! * map]);
  return gemm(whole(left), whole(right), { transB: 1 });
}

/** Fewer channels than this, and the kernel's places are the longer rows. */
const fewChannels = 4;

/**
 * Of a larger kernel: a convolution of the input with the output gradient as its kernel, strides and dilations
 * exchanged. The runtime makes it a matrix product whose columns it copies from rows of the input, so channels come last,
 * unless they are few. Each image is a group of its own, and their products are summed, where a product is less to write
 * than the output gradient; otherwise the batch is what the product sums over.
 */
function sliding(x: Value, g: Value, shape: Shape, axes: readonly WindowAxis[]): Value {
  const [batch, channels, ...spatial] = x.shape as Shape;
  const [, filters, ...positions] = g.shape as Shape;
  const kernel = shape.slice(2);
  const isLast = channels! >= fewChannels;
  const axis = channels === 1 ? [] : [1];
  const around = <T>(inner: readonly T[], outer: readonly T[]) =>
    isLast ? [...inner, ...outer] : [...outer, ...inner];
  const order = [0, ...spatial.map((_, each) => each + 2), 1];
  const images = reshape(isLast ? transpose(x, order) : x, [
    1,
    batch!,
    ...around(spatial, channels === 1 ? [] : [channels!]),
  ]);
  const byImages = channels! * sizeOf(kernel) < sizeOf(positions);
  const gradients = byImages ? g : transpose(g, [1, 0, ...positions.map((_, each) => each + 2)]);
  const [count, group] = byImages ? [batch! * filters!, batch!] : [filters!, 1];
  const full = conv(images, reshape(gradients, [count, batch! / group, ...around(positions, axis)]), undefined, {
    group,
    strides: around(
      axes.map(({ dilation }) => dilation),
      axis,
    ),
    dilations: around(
      axes.map(({ stride }) => stride),
      axis,
    ),
    pads: [0, 1].flatMap((end) =>
      around(
        axes.map((each) => [each.before, afterOf(each)][end]!),
        axis.map(() => 0),
      ),
    ),
  });
  const cropped = axes.reduce(
    (value, each, index) => cropTo(value, index + (isLast || axis.length === 0 ? 2 : 3), each),
    full,
  );
  const each = reshape(cropped, [group, filters!, ...around(kernel, [channels!])]);
  const sum = group === 1 ? reshape(each, each.shape.slice(1) as Shape) : reduceSum(each, { axes: [0] });
  return isLast ? transpose(sum, [0, kernel.length + 1, ...kernel.map((_, index) => index + 1)]) : reshape(sum, shape);
}

/** The padding that windows reach, which may be less than there is. */
const afterOf = ({ input, output, kernel, stride, dilation, before }: WindowAxis): number =>
  Math.max(0, (output - 1) * stride + dilation * (kernel - 1) + 1 - before - input);

/** Without what the input's rest beyond the last window gave. */
const cropTo = (value: Value, axis: number, { kernel }: WindowAxis): Value =>
  value.shape[axis] === kernel ? value : slice(value, { axis, start: 0, end: kernel });

/**
 * Of few channels, with no more elements in a patch than there are filters: the patches by a convolution in blocks that
 * takes the input as it is and has the identity for weights, then the product of each image, summed.
 */
function byPatches(x: Value, g: Value, shape: Shape, axes: readonly WindowAxis[], blocks: Blocks): Value {
  const [batch, filters, ...positions] = g.shape as Shape;
  const [, channels, ...kernel] = shape;
  const elements = sizeOf(shape.slice(1));
  const count = Math.ceil(elements / blocks.size);
  const identity = new Float32Array(count * elements * blocks.size);
  for (let element = 0; element < elements; element++) {
    const [block, lane] = [Math.floor(element / blocks.size), element % blocks.size];
    identity[(block * elements + element) * blocks.size + lane] = 1;
  }
  const weights = constant(new Tensor("float32", [count * blocks.size, channels!, ...kernel], identity));
  const patches = blocks.convolve(x, weights, undefined, {
    strides: axes.map(({ stride }) => stride),
    dilations: axes.map(({ dilation }) => dilation),
    pads: padsOf(axes),
    kernel_shape: kernel,
  });
  const map = sizeOf(positions);
  const products = matmul(reshape(g, [batch!, 1, filters!, map]), reshape(patches, [batch!, count, map, blocks.size]));
  const sum = reshape(transpose(reduceSum(products, { axes: [0] }), [1, 0, 2]), [filters!, count * blocks.size]);
  return reshape(slice(sum, { axis: 1, start: 0, end: elements }), shape);
}

/**
 * Depthwise, in blocks: every channel of every image is a channel, its output gradient the kernel; sum over images. A few
 * images at a time, so that their maps in blocks stay in the processor's cache.
 */
function inBlocks(x: Value, g: Value, shape: Shape, axes: readonly WindowAxis[], blocks: Blocks): Value {
  const [batch, ...sample] = x.shape as Shape;
  const images = imagesAtOnce(batch!, sizeOf(sample) + sizeOf(g.shape.slice(1) as Shape));
  const isWhole = images === batch || (images * shape[0]!) % 4 !== 0;
  const full = isWhole
    ? eachKernel(x, g, axes, blocks)
    : inParts([x, g], [], images, ([part, gradient]) => eachKernel(part!, gradient!, axes, blocks));
  const kernels = reshape(full, [batch!, ...shape.slice(0, 2), ...(full.shape.slice(-2) as Shape)]);
  return reduceSum(
    axes.reduce((value, each, index) => cropTo(value, index + 3, each), kernels),
    { axes: [0] },
  );
}

/** The weight gradient of each image [1, images channels, kernel], with what the input's rest beyond the last window gave. */
function eachKernel(x: Value, g: Value, axes: readonly WindowAxis[], blocks: Blocks): Value {
  const [batch, channels] = x.shape as Shape;
  const [images, gradients] = [allChannels(x, blocks), allChannels(g, blocks)];
  const [, group, ...positions] = gradients.shape as Shape;
  const full = blocks.convolve(images, reshape(gradients, [group!, 1, ...positions]), undefined, {
    group: group!,
    strides: axes.map(({ dilation }) => dilation),
    dilations: axes.map(({ stride }) => stride),
    pads: [...axes.map(({ before }) => before), ...axes.map(afterOf)],
    kernel_shape: positions,
  });
  return blocks.restore(full, batch! * channels!);
}

/** Maps in blocks, those of all images as one image's: arranged as the convolution itself does, if it can be shared. */
function allChannels(x: Value, blocks: Blocks): Value {
  const [batch, channels, ...spatial] = x.shape as Shape;
  const together = [1, batch! * channels!, ...spatial];
  return channels! % blocks.size === 0 ? reshape(blocks.arrange(x), together) : blocks.arrange(reshape(x, together));
}
