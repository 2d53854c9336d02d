/** Convolution (cross-correlation, as everywhere in deep learning) over any number of spatial axes, and its gradients. */
import { StriateError } from "../errors.ts";
import { apply, defineOp } from "../graph/op.ts";
import { type Dimension, fixedShape, type Value } from "../graph/value.ts";
import { allocate } from "../tensor/dtype.ts";
import { formatShape, type Shape, sizeOf } from "../tensor/shape.ts";
import { Tensor } from "../tensor/tensor.ts";
import { reduceSum } from "./core/reduce.ts";
import { shapeFrom, shapeOf } from "./core/shape.ts";
import { padsOf, slide, tapsOf, type WindowAttributes, type WindowAxis, windowAttributes } from "./window.ts";

export interface ConvAttributes extends WindowAttributes {
  group: number;
}

const convAttributes = { ...windowAttributes, group: { kind: "int", default: 1 } } as const;

/** The geometry of a convolution of `x` [batch, channels, ...] with `w` [filters, channels / group, ...]. */
function geometry(subject: string, x: readonly Dimension[], w: readonly Dimension[], attributes: ConvAttributes) {
  const kernel = w.slice(2) as readonly number[];
  const { group } = attributes;
  const [channels, filters] = [x[1], w[0]];
  if (x.length !== w.length || x.length < 3)
    throw new StriateError({
      subject,
      found: `an input of ${formatShape(x)} and weights of ${formatShape(w)}`,
      expected: "[batch, channels, spatial...] and [filters, channels / groups, kernel...] of one rank",
    });
  if (typeof channels === "number" && (w[1] as number) * group !== channels)
    throw new StriateError({
      subject,
      found: `${channels} input channels, ${group} groups and weights of ${formatShape(w)}`,
      expected: `weights for ${(w[1] as number) * group} channels to match the input`,
    });
  if (typeof filters === "number" && filters % group !== 0)
    throw new StriateError({ subject, found: `${filters} filters`, expected: `a multiple of the ${group} groups` });
  return slide(subject, x.slice(2), kernel, attributes);
}

/**
 * Visits every product of a grouped convolution: `visit(output, input, weight)` with flat offsets into y, x and w.
 * Forward, input gradient and weight gradient are the same triples, read in three ways.
 */
function correlate(
  x: Shape,
  w: Shape,
  group: number,
  axes: readonly WindowAxis[],
  visit: (output: number, input: number, weight: number) => void,
): void {
  const taps = tapsOf(axes);
  const positions = taps.starts.length - 1;
  const [batch, channels, filters, groupChannels] = [x[0]!, x[1]!, w[0]!, w[1]!];
  const [inputMap, kernelMap] = [sizeOf(x.slice(2)), sizeOf(w.slice(2))];
  const groupFilters = filters / group;
  for (let image = 0; image < batch; image++)
    for (let filter = 0; filter < filters; filter++)
      for (let channel = 0; channel < groupChannels; channel++) {
        const from = (image * channels + Math.floor(filter / groupFilters) * groupChannels + channel) * inputMap;
        const weight = (filter * groupChannels + channel) * kernelMap;
        const to = (image * filters + filter) * positions;
        for (let position = 0; position < positions; position++)
          for (let tap = taps.starts[position]!; tap < taps.starts[position + 1]!; tap++)
            visit(to + position, from + taps.input[tap]!, weight + taps.kernel[tap]!);
      }
}

const macsOf = (output: Shape, weight: Shape): number => sizeOf(output) * sizeOf(weight.slice(1));

/**
 * y[b, k, p] = bias[k] + sum over c, t of w[k, c, t] x[b, c, stride p + dilation t - padding] (chapter, equation 1.3 with
 * the kernel not flipped). ONNX: https://onnx.ai/onnx/operators/onnx__Conv.html
 */
export const Conv = defineOp<ConvAttributes>({
  name: "Conv",
  domain: "",
  attributes: convAttributes,
  arity: [2, 3],
  infer: ([x, w], attributes) => {
    const { shape } = geometry("Conv", x!.shape, w!.shape, attributes);
    return [{ dtype: x!.dtype, shape: [x!.shape[0]!, w!.shape[0]!, ...shape] }];
  },
  evaluate: ([x, w, bias], attributes) => {
    const axes = geometry("Conv", x!.shape, w!.shape, attributes).axes!;
    const shape = [x!.shape[0]!, w!.shape[0]!, ...axes.map((axis) => axis.output)];
    const [input, weight] = [x!.numbers, w!.numbers];
    const sums = new Float64Array(sizeOf(shape));
    if (bias) {
      const map = sizeOf(shape.slice(2));
      for (let index = 0; index < sums.length; index++)
        sums[index] = bias.numbers[Math.floor(index / map) % bias.size]!;
    }
    correlate(x!.shape, w!.shape, attributes.group, axes, (to, from, at) => {
      sums[to]! += input[from]! * weight[at]!;
    });
    const data = allocate(x!.dtype, sums.length) as Float64Array<ArrayBuffer>;
    data.set(sums);
    return [new Tensor(x!.dtype, shape, data)];
  },
  gradient: (node, [g]) => {
    if (!g) return [];
    const [x, w, bias] = node.inputs as [Value, Value, Value | undefined];
    const attributes = explicit(x, w, node.attributes as unknown as ConvAttributes);
    return [
      convInputGradient(g, w, shapeOf(x), attributes),
      convWeightGradient(x, g, w.shape as Shape, attributes),
      bias && reduceSum(g, { axes: g.shape.flatMap((_, axis) => (axis === 1 ? [] : [axis])) }),
    ];
  },
  macs: ({ inputs, outputs }) => macsOf(outputs[0]!, inputs[1]!),
});

/** Attributes with the padding written out, where the input's size is known. */
function explicit(x: Value, w: Value, attributes: ConvAttributes): ConvAttributes {
  const { axes } = geometry("Conv", x.shape, w.shape, attributes);
  const kernel_shape = w.shape.slice(2) as readonly number[];
  return axes
    ? { ...attributes, kernel_shape, auto_pad: "NOTSET", pads: padsOf(axes) }
    : { ...attributes, kernel_shape };
}

/** The gradient of a convolution for its input, from that of its output, the weights and the input's shape. */
export const ConvInputGradient = defineOp<ConvAttributes>({
  name: "ConvInputGradient",
  domain: "ai.striate",
  attributes: convAttributes,
  arity: [3, 3],
  infer: ([g, , shape]) => [{ dtype: g!.dtype, shape: shapeFrom(shape!, "ConvInputGradient") }],
  evaluate: ([g, w, shape], attributes) => {
    const x = shape!.toArray();
    const axes = geometry("ConvInputGradient", x, w!.shape, attributes).axes!;
    const [gradient, weight] = [g!.numbers, w!.numbers];
    const data = allocate(g!.dtype, sizeOf(x)) as Float64Array<ArrayBuffer>;
    correlate(x, w!.shape, attributes.group, axes, (from, to, at) => {
      data[to]! += gradient[from]! * weight[at]!;
    });
    return [new Tensor(g!.dtype, x, data)];
  },
  gradient: (node, [h]) => {
    if (!h) return [];
    const [g, w] = node.inputs as [Value, Value];
    const attributes = node.attributes as unknown as ConvAttributes;
    return [apply(Conv, [h, w], attributes)[0], convWeightGradient(h, g, w.shape as Shape, attributes)];
  },
  macs: ({ inputs }) => macsOf(inputs[0]!, inputs[1]!),
});

/** The gradient of a convolution for its weights, from its input and the gradient of its output. */
export const ConvWeightGradient = defineOp<ConvAttributes>({
  name: "ConvWeightGradient",
  domain: "ai.striate",
  attributes: convAttributes,
  arity: [2, 2],
  infer: ([x, g], attributes) => [{ dtype: x!.dtype, shape: weightShape(x!.shape, g!.shape, attributes) }],
  evaluate: ([x, g], attributes) => {
    const shape = weightShape(x!.shape, g!.shape, attributes) as Shape;
    const axes = geometry("ConvWeightGradient", x!.shape, shape, attributes).axes!;
    const [input, gradient] = [x!.numbers, g!.numbers];
    const sums = new Float64Array(sizeOf(shape));
    correlate(x!.shape, shape, attributes.group, axes, (from, at, to) => {
      sums[to]! += gradient[from]! * input[at]!;
    });
    const data = allocate(x!.dtype, sums.length) as Float64Array<ArrayBuffer>;
    data.set(sums);
    return [new Tensor(x!.dtype, shape, data)];
  },
  gradient: (node, [h]) => {
    if (!h) return [];
    const [x, g] = node.inputs as [Value, Value];
    const attributes = node.attributes as unknown as ConvAttributes;
    return [convInputGradient(g, h, shapeOf(x), attributes), apply(Conv, [x, h], attributes)[0]];
  },
  macs: ({ inputs, outputs }) => macsOf(inputs[1]!, outputs[0]!),
});

const weightShape = (x: readonly Dimension[], g: readonly Dimension[], { group, kernel_shape }: ConvAttributes) => [
  g[1]!,
  (x[1] as number) / group,
  ...kernel_shape!,
];

const convInputGradient = (g: Value, w: Value, shape: Value, attributes: ConvAttributes): Value =>
  apply(ConvInputGradient, [g, w, shape], attributes)[0]!;

const convWeightGradient = (x: Value, g: Value, shape: Shape, attributes: ConvAttributes): Value =>
  apply(ConvWeightGradient, [x, g], { ...attributes, kernel_shape: shape.slice(2) })[0]!;

/** Applies `Conv` to values. */
export const conv = (x: Value, weight: Value, bias: Value | undefined, attributes: Partial<ConvAttributes>): Value =>
  apply(Conv, bias ? [x, weight, bias] : [x, weight], {
    ...attributes,
    kernel_shape: fixedShape(weight)?.slice(2),
  })[0]!;

/** The known geometry of a convolution node or of one of its gradients. */
export function convAxes(x: readonly Dimension[], w: readonly Dimension[], attributes: ConvAttributes): WindowAxis[] {
  const { axes } = geometry("Conv", x, w, attributes);
  if (!axes)
    throw new StriateError({ subject: "Conv", found: formatShape(x), expected: "spatial sizes that are known" });
  return axes;
}
