/** Convolution (cross-correlation, as everywhere in deep learning) over any number of spatial axes, and its gradients. */
import { StriateError } from "../errors.ts";
import { apply, defineOp, type Op, striateDomain } from "../graph/op.ts";
import { type Dimension, fixedShape, type Value } from "../graph/value.ts";
import { allocate, type NumberArray } from "../tensor/dtype.ts";
import { formatShape, type Shape, sameShape, sizeOf } from "../tensor/shape.ts";
import { Tensor } from "../tensor/tensor.ts";
import { pad, slice } from "./core/arrange.ts";
import { add } from "./core/elementwise.ts";
import { reduceSum } from "./core/reduce.ts";
import { lengthened, reshape, shapeFrom, shapeOf, transpose } from "./core/shape.ts";
import { type ConvAttributes, convAttributes, convAxes, convGeometry, pieces } from "./correlate.ts";
import { product } from "./product.ts";
import { padsOf, windowOf } from "./window.ts";

function checkBias(subject: string, bias: Value | undefined, filters: Dimension): void {
  if (bias && !sameShape(bias.shape, [filters]))
    throw new StriateError({ subject, found: `a bias of ${formatShape(bias.shape)}`, expected: `${filters} numbers` });
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
  infer: ([x, w, bias], attributes) => {
    const { shape } = convGeometry("Conv", x!.shape, w!.shape, attributes);
    checkBias("Conv", bias, w!.shape[0]!);
    return [{ dtype: x!.dtype, shape: [x!.shape[0]!, w!.shape[0]!, ...shape] }];
  },
  evaluate: ([x, w, bias], attributes) => {
    const axes = convGeometry("Conv", x!.shape, w!.shape, attributes).axes!;
    const shape = [x!.shape[0]!, w!.shape[0]!, ...axes.map((axis) => axis.output)];
    const [input, weight] = [x!.numbers, w!.numbers];
    const sums = new Float64Array(sizeOf(shape));
    if (bias) {
      const map = sizeOf(shape.slice(2));
      for (let index = 0; index < sums.length; index++)
        sums[index] = bias.numbers[Math.floor(index / map) % bias.size]!;
    }
    for (const piece of pieces(x!.shape, w!.shape, attributes.group, axes)) {
      const { output, filters, positions, elements } = piece;
      const weights = { numbers: weight, at: piece.weights, strides: [elements, 1] } as const;
      const patches = { numbers: piece.gather(input), at: 0, strides: [1, elements] } as const;
      const part = product(weights, patches, [filters, elements, positions]);
      for (let filter = 0; filter < filters; filter++)
        for (let position = 0; position < positions; position++)
          sums[output.at + filter * output.strides[0] + position]! += part[filter * positions + position]!;
    }
    const data = allocate(x!.dtype, sums.length) as Float64Array<ArrayBuffer>;
    data.set(sums);
    return [new Tensor(x!.dtype, shape, data)];
  },
  gradient: (node, [g], given) => {
    if (!g) return [];
    const [x, w, bias] = node.inputs as [Value, Value, Value | undefined];
    const attributes = explicit(x, w, given);
    return [
      convInputGradient(g, w, shapeOf(x), attributes),
      convWeightGradient(x, g, w.shape as Shape, attributes),
      bias && reduceSum(g, { axes: g.shape.flatMap((_, axis) => (axis === 1 ? [] : [axis])) }),
    ];
  },
  macs: ({ inputs, outputs }) => macsOf(outputs[0]!, inputs[1]!),
});

/** Adds to each element of an input (of shape x) what the outputs that it meets, each by its weight, give back to it. */
function spread(sums: Float64Array, x: Shape, given: NumberArray, w: Tensor, attributes: ConvAttributes): void {
  for (const piece of pieces(x, w.shape, attributes.group, convAxes(x, w.shape, attributes))) {
    const { at, strides } = piece.output;
    const { filters, positions, elements } = piece;
    const output = { numbers: given, at, strides: [strides[1], strides[0]] } as const;
    const weights = { numbers: w.numbers, at: piece.weights, strides: [elements, 1] } as const;
    piece.scatter(product(output, weights, [positions, filters, elements]), sums);
  }
}

/** Attributes with the padding written out, where the input's size is known. */
function explicit(x: Value, w: Value, attributes: ConvAttributes): ConvAttributes {
  const { axes } = convGeometry("Conv", x.shape, w.shape, attributes);
  const kernel_shape = w.shape.slice(2) as readonly number[];
  return axes
    ? { ...attributes, kernel_shape, auto_pad: "NOTSET", pads: padsOf(axes) }
    : { ...attributes, kernel_shape };
}

/** The gradient of a convolution for its input, from that of its output, the weights and the input's shape. */
export const ConvInputGradient: Op<ConvAttributes> = defineOp<ConvAttributes>({
  name: "ConvInputGradient",
  domain: striateDomain,
  attributes: convAttributes,
  arity: [3, 3],
  infer: ([g, , shape]) => [{ dtype: g!.dtype, shape: shapeFrom(shape!, "ConvInputGradient") }],
  evaluate: ([g, w, shape], attributes) => {
    const x = shape!.toArray();
    const sums = new Float64Array(sizeOf(x));
    spread(sums, x, g!.numbers, w!, attributes);
    const data = allocate(g!.dtype, sums.length) as Float64Array<ArrayBuffer>;
    data.set(sums);
    return [new Tensor(g!.dtype, x, data)];
  },
  gradient: (node, [h], attributes) => {
    if (!h) return [];
    const [g, w] = node.inputs as [Value, Value];
    return [apply(Conv, [h, w], attributes)[0], convWeightGradient(h, g, w.shape as Shape, attributes)];
  },
  macs: ({ inputs }) => macsOf(inputs[0]!, inputs[1]!),
  composition: ([g, w, shape], attributes) => {
    const axes = convAxes(shapeFrom(shape!, "ConvInputGradient"), w!.shape, attributes);
    const output_padding = axes.map(
      ({ input, output, kernel, stride, dilation, before, after }) =>
        input + before + after - ((output - 1) * stride + dilation * (kernel - 1) + 1),
    );
    return [convTranspose(g!, w!, { ...attributes, auto_pad: "NOTSET", pads: padsOf(axes), output_padding })];
  },
});

/** The gradient of a convolution for its weights, from its input and the gradient of its output. */
export const ConvWeightGradient: Op<ConvAttributes> = defineOp<ConvAttributes>({
  name: "ConvWeightGradient",
  domain: striateDomain,
  attributes: convAttributes,
  arity: [2, 2],
  infer: ([x, g], attributes) => [{ dtype: x!.dtype, shape: weightShape(x!.shape, g!.shape, attributes) }],
  evaluate: ([x, g], attributes) => {
    const shape = weightShape(x!.shape, g!.shape, attributes) as Shape;
    const axes = convGeometry("ConvWeightGradient", x!.shape, shape, attributes).axes!;
    const [input, gradient] = [x!.numbers, g!.numbers];
    const sums = new Float64Array(sizeOf(shape));
    for (const piece of pieces(x!.shape, shape, attributes.group, axes)) {
      const { output, filters, positions, elements } = piece;
      const patches = { numbers: piece.gather(input), at: 0, strides: [elements, 1] } as const;
      const part = product({ numbers: gradient, ...output }, patches, [filters, positions, elements]);
      for (let index = 0; index < part.length; index++) sums[piece.weights + index]! += part[index]!;
    }
    const data = allocate(x!.dtype, sums.length) as Float64Array<ArrayBuffer>;
    data.set(sums);
    return [new Tensor(x!.dtype, shape, data)];
  },
  gradient: (node, [h], attributes) => {
    if (!h) return [];
    const [x, g] = node.inputs as [Value, Value];
    return [convInputGradient(g, h, shapeOf(x), attributes), apply(Conv, [x, h], attributes)[0]];
  },
  macs: ({ inputs, outputs }) => macsOf(inputs[1]!, outputs[0]!),
  composition: ([x, g], attributes) => [swappedConvolution(x!, g!, attributes)],
});

/**
 * A weight gradient as a convolution with its axes swapped: channels as the batch, the output gradient as the kernel,
 * strides and dilations exchanged. What remains of the input beyond the last stride is cut off.
 */
function swappedConvolution(x: Value, g: Value, attributes: ConvAttributes): Value {
  const { group, kernel_shape, strides, dilations } = attributes;
  const [, channels, ...spatial] = x.shape as Shape;
  const swap = (rank: number, first: readonly number[]) => [
    ...first,
    ...Array.from({ length: rank - first.length }, (_, axis) => axis + first.length),
  ];
  const rank = x.shape.length;
  const pads = padsOf(convAxes(x.shape, weightShape(x.shape, g.shape, attributes), attributes));
  const grouped = transpose(reshape(x, [0, group, channels! / group, ...spatial]), swap(rank + 1, [2, 1, 0]));
  const full = conv(
    reshape(grouped, [channels! / group, -1, ...spatial]),
    transpose(g, swap(rank, [1, 0])),
    undefined,
    { group, pads, strides: dilations, dilations: strides },
  );
  const cropped = kernel_shape!.reduce<Value>(
    (value, end, axis) => (value.shape[axis + 2] === end ? value : slice(value, { axis: axis + 2, start: 0, end })),
    full,
  );
  return transpose(cropped, swap(rank, [1, 0]));
}

const weightShape = (x: readonly Dimension[], g: readonly Dimension[], { group, kernel_shape }: ConvAttributes) => [
  g[1]!,
  (x[1] as number) / group,
  ...kernel_shape!,
];

/** The gradient for its input of the convolution with weights `w`, from that of its output. */
export const convInputGradient = (g: Value, w: Value, shape: Value, attributes: Partial<ConvAttributes>): Value =>
  apply(ConvInputGradient, [g, w, shape], attributes)[0]!;

const convWeightGradient = (x: Value, g: Value, shape: Shape, attributes: ConvAttributes): Value =>
  apply(ConvWeightGradient, [x, g], { ...attributes, kernel_shape: shape.slice(2) })[0]!;

/** Applies `Conv` to values. */
export const conv = (x: Value, weight: Value, bias: Value | undefined, attributes: Partial<ConvAttributes>): Value =>
  apply(Conv, bias ? [x, weight, bias] : [x, weight], {
    ...attributes,
    kernel_shape: fixedShape(weight)?.slice(2),
  })[0]!;

export interface ConvTransposeAttributes extends ConvAttributes {
  /** Elements added at the end of each spatial axis, to choose among the sizes that one convolution maps to. */
  output_padding?: readonly number[];
}

/** The output's shape, which is the input's of the convolution that this transposes. */
function transposedShape(x: readonly Dimension[], w: readonly Dimension[], attributes: ConvTransposeAttributes) {
  const rank = x.length - 2;
  const { group, auto_pad, kernel_shape, output_padding } = attributes;
  if (auto_pad !== "NOTSET")
    throw new StriateError({ subject: "ConvTranspose", found: `auto_pad ${auto_pad}`, expected: "explicit padding" });
  if (
    x.length !== w.length ||
    rank < 1 ||
    (typeof x[1] === "number" && x[1] !== w[0]) ||
    !(group >= 1 && (w[0] as number) % group === 0)
  )
    throw new StriateError({
      subject: "ConvTranspose",
      found: `an input of ${formatShape(x)} and weights of ${formatShape(w)}`,
      expected: `[batch, channels, spatial...] and [channels, filters / groups, kernel...], channels a multiple of ${group}`,
    });
  const kernel = w.slice(2) as Shape;
  if ((kernel_shape && !sameShape(kernel_shape, kernel)) || (output_padding && output_padding.length !== rank))
    throw new StriateError({
      subject: "ConvTranspose",
      found: `kernel_shape [${kernel_shape ?? ""}] and output padding [${output_padding ?? ""}]`,
      expected: `${formatShape(kernel)}, the weights' own, and ${rank} numbers`,
    });
  const { strides, dilations, pads } = windowOf("ConvTranspose", rank, kernel, attributes);
  const spatial = x.slice(2).map((length, axis): Dimension => {
    const stride = strides[axis]!;
    const extent = dilations[axis]! * (kernel[axis]! - 1) + 1;
    const cut = pads[axis]! + pads[axis + rank]!;
    const extra = output_padding?.[axis] ?? 0;
    if (extra < 0 || extra >= stride)
      throw new StriateError({
        subject: "ConvTranspose",
        found: `output padding ${output_padding!.join("x")}`,
        expected: `less than the stride, ${stride}, along axis ${axis}`,
      });
    const added = extent - stride - cut + extra;
    if (typeof length === "string") return lengthened(stride === 1 ? length : `${stride}*(${length})`, added);
    const size = stride * length + added;
    if (size < 1)
      throw new StriateError({ subject: "ConvTranspose", found: `padding ${cut}`, expected: "less than the output" });
    return size;
  });
  return [x[0]!, (w[1] as number) * group, ...spatial];
}

/**
 * y = the input gradient of the convolution with these weights for the output gradient x: every input element spreads
 * the kernel over the output. Weights are [channels, filters / groups, kernel...].
 * ONNX: https://onnx.ai/onnx/operators/onnx__ConvTranspose.html
 */
export const ConvTranspose = defineOp<ConvTransposeAttributes>({
  name: "ConvTranspose",
  domain: "",
  attributes: { ...convAttributes, output_padding: { kind: "ints" } },
  arity: [2, 3],
  infer: ([x, w, bias], attributes) => {
    const shape = transposedShape(x!.shape, w!.shape, attributes);
    checkBias("ConvTranspose", bias, shape[1]!);
    return [{ dtype: x!.dtype, shape }];
  },
  evaluate: ([x, w, bias], attributes) => {
    const shape = transposedShape(x!.shape, w!.shape, attributes) as Shape;
    const map = sizeOf(shape.slice(2));
    const sums = new Float64Array(sizeOf(shape));
    if (bias)
      for (let index = 0; index < sums.length; index++)
        sums[index] = bias.numbers[Math.floor(index / map) % bias.size]!;
    spread(sums, shape, x!.numbers, w!, attributes);
    const data = allocate(x!.dtype, sums.length) as Float64Array<ArrayBuffer>;
    data.set(sums);
    return [new Tensor(x!.dtype, shape, data)];
  },
  gradient: (node, [g], { output_padding: _, ...attributes }) => {
    if (!g) return [];
    const [x, w, bias] = node.inputs as [Value, Value, Value | undefined];
    const kernel_shape = w.shape.slice(2) as Shape;
    return [
      apply(Conv, [g, w], { ...attributes, kernel_shape })[0],
      apply(ConvWeightGradient, [g, x], { ...attributes, kernel_shape })[0],
      bias && reduceSum(g, { axes: g.shape.flatMap((_dimension, axis) => (axis === 1 ? [] : [axis])) }),
    ];
  },
  macs: ({ inputs }) => sizeOf(inputs[0]!) * sizeOf(inputs[1]!.slice(1)),
  /** Of one image and group, every input element times every weight, before they are added where they fall. */
  workspace: ({ inputs }) => sizeOf(inputs[0]!.slice(2)) * sizeOf(inputs[1]!.slice(1)),
});

/**
 * Applies `ConvTranspose` to values. Output padding of a stride or more, which PyTorch has below the dilation and ONNX
 * has not, takes the place of padding after, and what is still more of it is zeros.
 */
export function convTranspose(
  x: Value,
  weight: Value,
  attributes: Partial<ConvTransposeAttributes>,
  bias?: Value,
): Value {
  const { strides, dilations, output_padding } = attributes;
  const rank = x.shape.length - 2;
  const isMore = (extra: number, axis: number) => extra >= (strides?.[axis] ?? 1) && extra < (dilations?.[axis] ?? 1);
  if (!output_padding?.some(isMore))
    return apply(ConvTranspose, bias ? [x, weight, bias] : [x, weight], attributes)[0]!;
  const pads = [...(attributes.pads ?? new Array<number>(2 * rank).fill(0))];
  const zeros = output_padding.map((extra, axis) => {
    const beyond = isMore(extra, axis) ? Math.max(0, extra - pads[axis + rank]!) : 0;
    if (isMore(extra, axis)) pads[axis + rank]! -= extra - beyond;
    return beyond;
  });
  const within = output_padding.map((extra, axis) => (isMore(extra, axis) ? 0 : extra));
  const y = apply(ConvTranspose, [x, weight], { ...attributes, pads, output_padding: within })[0]!;
  const padded = pad(y, [[0, 0], [0, 0], ...zeros.map((after) => [0, after] as const)]);
  return bias ? add(padded, reshape(bias, [-1, ...zeros.map(() => 1)])) : padded;
}
