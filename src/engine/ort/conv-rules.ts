/** Convolutions and their input gradients in ONNX Runtime. docs/engine.md says what was measured and why each is chosen. */
import { apply, attributesOf } from "../../graph/op.ts";
import { constant, fixedShape, type Node, type Value } from "../../graph/value.ts";
import { Conv, ConvInputGradient, conv } from "../../ops/conv.ts";
import { gatherAt } from "../../ops/core/gather.ts";
import { reshape, shapeFrom, transpose, vector } from "../../ops/core/shape.ts";
import { type ConvAttributes, convAxes } from "../../ops/correlate.ts";
import { gemm, matmul } from "../../ops/matmul.ts";
import { padsOf, type WindowAxis } from "../../ops/window.ts";
import { type Shape, sizeOf } from "../../tensor/shape.ts";
import { Tensor } from "../../tensor/tensor.ts";
import { fixedSample, imagesAtOnce, isConstant, type LoweringRule, rows, type Target } from "./rule.ts";
import { type Blocks, blocksOf, inParts } from "./runtime-ops.ts";

/** Whether a convolution's kernel covers its whole input, so that it is a matrix product. */
export const covers = (axes: readonly WindowAxis[], { group }: ConvAttributes): boolean =>
  group === 1 && axes.every(({ input, kernel, output, before }) => output === 1 && kernel === input && before === 0);

/** Whether each output element depends on one place of the input. */
export const isPointwise = (axes: readonly WindowAxis[]): boolean =>
  axes.every(({ kernel, before, after }) => kernel === 1 && before === 0 && after === 0);

/** Padding written out: the runtime refuses "same" with a dilation, or ignores the dilation. */
export const withPads = (inputs: readonly (Value | undefined)[], node: Node, axes: readonly WindowAxis[]) =>
  node.attributes.auto_pad === "NOTSET"
    ? undefined
    : apply(node.op, inputs, { ...node.attributes, auto_pad: "NOTSET", pads: padsOf(axes) }).slice(
        0,
        node.outputs.length,
      );

export const convRule: LoweringRule = (inputs, node, target) => {
  const [x, w, bias] = inputs;
  const [sample, weight] = [fixedSample(x!), fixedShape(w!)];
  const attributes = attributesOf(node, Conv);
  if (!sample || !weight) return undefined;
  const axes = convAxes(x!.shape, weight, attributes);
  if (covers(axes, attributes)) {
    const product = gemm(rows(x!), rows(w!), { transB: 1 }, bias);
    return [reshape(product, [0, weight[0]!, ...sample.slice(1).map(() => 1)])];
  }
  const kind = isConstant(w!, target) ? undefined : blockedKind(x!, weight, axes, attributes, target);
  if (!kind) return withPads(inputs, node, axes);
  const blocks = blocksOf(target.block);
  const [filters, channels, ...kernel] = weight as [number, number, number, number];
  // One filter after the other with those of its block beside it: [filters / block, channels, kernel, block].
  const arranged = blocks.arrange(reshape(w!, [1, filters, channels * kernel[0]!, kernel[1]!]));
  const weights =
    kind === "depthwise" || channels < blocks.size
      ? reshape(arranged, [arranged.shape[1] as number, channels, ...kernel])
      : byChannels(arranged, weight, blocks);
  const beside = bias && reshape(blocks.arrange(reshape(bias, [1, filters, 1, 1])), [-1]);
  const group = kind === "depthwise" ? (arranged.shape[1] as number) : 1;
  const { strides, dilations } = attributes;
  const isPlain = kind === "dense" && channels < blocks.size;
  const settings = { group, strides, dilations, pads: padsOf(axes), kernel_shape: kernel };
  const convolved = (part: Value, [turned, added]: readonly Value[]) =>
    blocks.restore(blocks.convolve(isPlain ? part : blocks.arrange(part), turned!, added, settings), filters);
  const whole = beside ? [weights, beside] : [weights];
  const isHeld = isPlain || (kind === "depthwise" && axes.some(({ stride }) => stride > 1));
  return [isHeld ? byImages(x!, whole, sizeOf(sample), convolved) : convolved(x!, whole)];
};

/** The same of a few images at a time, so that what is between stays in the processor's cache: of so many elements each. */
function byImages(
  x: Value,
  whole: readonly Value[],
  elements: number,
  result: (part: Value, whole: readonly Value[]) => Value,
): Value {
  const [batch] = x.shape;
  const images = imagesAtOnce(batch!, elements);
  if (images === batch) return result(x, whole);
  const y = inParts([x], whole, images, ([part], held) => result(part!, held));
  return reshape(y, [typeof batch === "number" ? batch : 0, ...(y.shape.slice(2) as Shape)]);
}

/** Weights [filters / block, channels, kernel, block] with their channels in blocks too, within the kernel. */
function byChannels(arranged: Value, [filters, channels, ...kernel]: Shape, { size }: Blocks): Value {
  const split = reshape(arranged, [filters! / size, channels! / size, size, sizeOf(kernel), size]);
  return reshape(transpose(split, [0, 1, 3, 2, 4]), [filters!, channels!, ...kernel]);
}

/** Positions in a batch from which on a convolution in blocks repays the rearranging of weights and maps. */
const fewestPositions = 512;

/**
 * Whether a convolution is the faster one in the runtime's blocked layout, with the rearranging counted: a depthwise one,
 * which the plain layout does channel by channel, and one with a kernel, which it first unfolds, if it is not short.
 */
function blockedKind(
  x: Value,
  [filters, groupChannels]: Shape,
  axes: readonly WindowAxis[],
  { group }: ConvAttributes,
  target: Target,
): "depthwise" | "dense" | undefined {
  const { block } = target;
  if (block === 0 || x.dtype !== "float32" || axes.length !== 2 || isPointwise(axes) || isConstant(x, target))
    return undefined;
  if (group > 1) return groupChannels === 1 && group === filters && group % 4 === 0 ? "depthwise" : undefined;
  const [batch] = x.shape;
  const positions = typeof batch === "number" ? batch * sizeOf(axes.map(({ output }) => output)) : 0;
  const fills = filters! % block === 0 && (groupChannels! % block === 0 || groupChannels! < block);
  return fills && positions >= fewestPositions ? "dense" : undefined;
}

export const inputGradientRule: LoweringRule = ([g, w, shape], node, target) => {
  const attributes = attributesOf(node, ConvInputGradient);
  const input = shapeFrom(shape!, "ConvInputGradient");
  const axes = convAxes(input, w!.shape, attributes);
  if (covers(axes, attributes)) return [reshape(gemm(rows(g!), rows(w!)), input as Shape)];
  const [filters, channels, ...kernel] = w!.shape as Shape;
  const isWhole = axes.every(({ stride }) => stride === 1);
  if (isWhole && attributes.group === 1 && isPointwise(axes)) {
    const turned = transpose(reshape(w!, [filters!, channels!]), [1, 0]);
    return [conv(g!, reshape(turned, [channels!, filters!, ...kernel]), undefined, {})];
  }
  const spread = axes.map(spreadAxis);
  const opposite = attributes.group > 1 ? [filters!, channels!] : [channels!, filters!];
  const kind = blockedKind(g!, opposite, spread, attributes, target);
  if (!kind || spread.some(({ before, after }) => before < 0 || after < 0)) return undefined;
  if (kind === "dense" && (!isWhole || filters! % target.block !== 0)) return undefined;
  if (!isWhole && wideOf(axes) > longestSpread) return undefined;
  const blocks = blocksOf(target.block);
  const arranged = blocks.arrange(kind === "depthwise" ? reshape(w!, [1, filters!, ...kernel]) : w!);
  const whole = arranged.shape[1] as number;
  const last = sizeOf(kernel) - 1;
  const backwards = vector(Array.from({ length: last + 1 }, (_, place) => last - place));
  const split = [arranged.shape[0] as number, whole / blocks.size, last + 1, blocks.size];
  const turned = gatherAt(reshape(arranged, split), backwards, 2);
  const weights = kind === "depthwise" ? reshape(turned, [whole, 1, ...kernel]) : byFilters(turned, kernel, blocks);
  const settings = {
    group: kind === "depthwise" ? whole : 1,
    dilations: attributes.dilations,
    pads: padsOf(spread),
    kernel_shape: kernel,
  };
  const convolved = (part: Value, [held]: readonly Value[]) => {
    const from = blocks.arrange(isWhole ? part : withGaps(part, axes));
    return blocks.restore(blocks.convolve(from, held!, undefined, settings), input[1] as number);
  };
  return [isWhole ? convolved(g!, [weights]) : byImages(g!, [weights], sizeOf(input.slice(1) as Shape), convolved)];
};

/** The axis of the convolution, of stride 1, that the output gradient with gaps between its elements goes through back. */
function spreadAxis({ input, output, kernel, stride, dilation, before }: WindowAxis): WindowAxis {
  const [length, reach] = [output * stride, dilation * (kernel - 1)];
  const first = reach - before;
  return {
    input: length,
    output: input,
    kernel,
    stride: 1,
    dilation,
    before: first,
    after: input + reach - length - first,
  };
}

/** Weights [filters, channels / block, kernel, block] as those of the opposite direction. */
function byFilters(turned: Value, kernel: Shape, { size }: Blocks): Value {
  const [filters, channelBlocks, places] = turned.shape as Shape;
  const split = reshape(turned, [filters! / size, size, channelBlocks!, places!, size]);
  return reshape(transpose(split, [2, 0, 3, 1, 4]), [channelBlocks! * size, filters!, ...kernel]);
}

/** The longest row with gaps, zero rows after it counted, that is made by a product; beyond it the runtime is faster. */
const longestSpread = 256;

const wideOf = ([down, across]: readonly WindowAxis[]): number => down!.stride * across!.output * across!.stride;

/** The maps with stride - 1 zeros after every element, along both axes: each row by a product, zero rows with it. */
function withGaps(g: Value, axes: readonly WindowAxis[]): Value {
  const [down, across] = axes as [WindowAxis, WindowAxis];
  const [channels, row, wide] = [g.shape[1] as number, across.output, wideOf(axes)];
  const matrix = new Float32Array(row * wide);
  for (let place = 0; place < row; place++) matrix[place * wide + place * across.stride] = 1;
  const product = matmul(g, constant(new Tensor("float32", [row, wide], matrix)));
  return reshape(product, [0, channels, down.output * down.stride, across.output * across.stride]);
}
