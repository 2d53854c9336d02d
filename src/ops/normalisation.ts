/** Normalisations to mean 0 and variance 1 of each sample by itself: by instance, group and layer. */
import { StriateError } from "../errors.ts";
import { apply, defineOp } from "../graph/op.ts";
import type { Dimension, Value } from "../graph/value.ts";
import { allocate, type DType } from "../tensor/dtype.ts";
import { broadcastStrides, formatShape, normaliseAxis, offsets, sizeOf } from "../tensor/shape.ts";
import { Tensor } from "../tensor/tensor.ts";
import { broadcastShapes, expandLike, sumTo } from "./core/broadcast.ts";
import { add, cast, div, mul, neg, sqrt, sub } from "./core/elementwise.ts";
import { elementsPer, reduceMean, reduceSum } from "./core/reduce.ts";
import { reshape, reshapeLike, unsqueeze } from "./core/shape.ts";

const epsilonAttribute = { kind: "float", default: 1e-5 } as const;

// ----------------------------------------------------------------------------------------------- shared arithmetic

/** Each run of `length` elements less its mean, over its deviation. */
function standardiseRuns(x: Tensor, length: number, epsilon: number) {
  const normal = new Float64Array(x.size);
  const [means, inverses] = [new Float64Array(x.size / length), new Float64Array(x.size / length)];
  for (let run = 0; run < means.length; run++) {
    let [sum, squares] = [0, 0];
    for (let index = run * length; index < (run + 1) * length; index++) sum += x.numbers[index]!;
    const mean = sum / length;
    for (let index = run * length; index < (run + 1) * length; index++) squares += (x.numbers[index]! - mean) ** 2;
    const inverse = 1 / Math.sqrt(squares / length + epsilon);
    for (let index = run * length; index < (run + 1) * length; index++)
      normal[index] = (x.numbers[index]! - mean) * inverse;
    [means[run], inverses[run]] = [mean, inverse];
  }
  return { normal, means, inverses };
}

/** normal scale + bias, both broadcast to the shape of x. */
function scaled(normal: Float64Array, { dtype, shape }: Tensor, scale: Tensor, bias: Tensor | undefined): Tensor {
  const scaleAt = offsets(shape, broadcastStrides(scale.shape, shape));
  const biasAt = bias && offsets(shape, broadcastStrides(bias.shape, shape));
  const data = allocate(dtype, normal.length);
  for (let index = 0; index < data.length; index++)
    data[index] = normal[index]! * scale.numbers[scaleAt[index]!]! + (biasAt ? bias.numbers[biasAt[index]!]! : 0);
  return new Tensor(dtype, shape, data);
}

/** A vector with axes after it, so that it has a number for each channel. */
const asChannels = (vector: Tensor, rank: number): Tensor =>
  vector.reshape([vector.size, ...new Array<number>(rank - 2).fill(1)]);

const channelsFirst = (vector: Value, x: Value): Value =>
  unsqueeze(
    vector,
    x.shape.slice(2).map((_, axis) => axis + 1),
  );

/** (x - mean) / sqrt(variance + epsilon) over the axes, and the divisor's inverse. */
function standardised(x: Value, axes: readonly number[], epsilon: number): { normal: Value; inverse: Value } {
  const options = { axes, keepDimensions: true };
  const centred = sub(x, reduceMean(x, options));
  const inverse = div(1, sqrt(add(reduceMean(mul(centred, centred), options), epsilon)));
  return { normal: mul(centred, inverse), inverse };
}

/** The gradient of x from that of its standardised form. */
function throughStandardised(
  g: Value,
  { normal, inverse }: { normal: Value; inverse: Value },
  axes: readonly number[],
): Value {
  const options = { axes, keepDimensions: true };
  const along = mul(normal, reduceMean(mul(g, normal), options));
  return mul(inverse, sub(sub(g, reduceMean(g, options)), along));
}

/** Refuses inputs without channels, and vectors that have not one number for each. */
function checkChannels(subject: string, x: Value, vectors: readonly Value[]): Dimension {
  const channels = x.shape[1];
  if (channels === undefined)
    throw new StriateError({ subject, found: formatShape(x.shape), expected: "[batch, channels, ...]" });
  for (const { shape } of vectors)
    if (shape.length !== 1 || (typeof shape[0] === typeof channels && shape[0] !== channels))
      throw new StriateError({
        subject,
        found: `an input of ${formatShape(x.shape)} and a vector of ${formatShape(shape)}`,
        expected: `one number for each of the ${channels} channels`,
      });
  return channels;
}

const macsOf = (passes: number) => ({
  macs: ({ outputs }: { readonly outputs: readonly (readonly number[])[] }) => passes * sizeOf(outputs[0]!),
});

// -------------------------------------------------------------------------------------- instance, group and layer

/**
 * scale (x - mean) / sqrt(variance + epsilon) + bias, over each map of each sample; x [batch, channels, ...].
 * D. Ulyanov et al., "Instance normalization", 2016. ONNX: https://onnx.ai/onnx/operators/onnx__InstanceNormalization.html
 */
export const InstanceNormalization = defineOp<{ epsilon: number }>({
  name: "InstanceNormalization",
  domain: "",
  attributes: { epsilon: epsilonAttribute },
  arity: [3, 3],
  infer: ([x, scale, bias]) => {
    checkChannels("InstanceNormalization", x!, [scale!, bias!]);
    if (x!.shape.length < 3)
      throw new StriateError({
        subject: "InstanceNormalization",
        found: formatShape(x!.shape),
        expected: "[batch, channels, size, ...]: maps to normalise",
      });
    return [x!];
  },
  evaluate: ([x, scale, bias], { epsilon }) => {
    const { normal } = standardiseRuns(x!, sizeOf(x!.shape.slice(2)), epsilon);
    const rank = x!.shape.length;
    return [scaled(normal, x!, asChannels(scale!, rank), asChannels(bias!, rank))];
  },
  gradient: (node, [g], { epsilon }) => {
    if (!g) return [];
    const [x, scale] = node.inputs as [Value, Value];
    const axes = x.shape.slice(2).map((_, axis) => axis + 2);
    const form = standardised(x, axes, epsilon);
    const rest = { axes: [0, ...axes] };
    return [
      throughStandardised(mul(g, channelsFirst(scale, x)), form, axes),
      reduceSum(mul(g, form.normal), rest),
      reduceSum(g, rest),
    ];
  },
  ...macsOf(3),
});

interface GroupNormalizationAttributes {
  epsilon: number;
  num_groups: number;
  stash_type: number;
}

/**
 * scale (x - mean) / sqrt(variance + epsilon) + bias, over each of `num_groups` groups of a sample's channels.
 * Y. Wu and K. He, "Group normalization", ECCV 2018. ONNX: https://onnx.ai/onnx/operators/onnx__GroupNormalization.html
 */
export const GroupNormalization = defineOp<GroupNormalizationAttributes>({
  name: "GroupNormalization",
  domain: "",
  attributes: { epsilon: epsilonAttribute, num_groups: { kind: "int" }, stash_type: { kind: "int", default: 1 } },
  arity: [3, 3],
  infer: ([x, scale, bias], { num_groups: groups }) => {
    const channels = checkChannels("GroupNormalization", x!, [scale!, bias!]);
    if (!(groups >= 1) || (typeof channels === "number" && channels % groups !== 0))
      throw new StriateError({
        subject: "GroupNormalization",
        found: `${channels} channels in ${groups} groups`,
        expected: "whole groups",
      });
    return [x!];
  },
  evaluate: ([x, scale, bias], { epsilon, num_groups }) => {
    const { normal } = standardiseRuns(x!, sizeOf(x!.shape.slice(1)) / num_groups, epsilon);
    const rank = x!.shape.length;
    return [scaled(normal, x!, asChannels(scale!, rank), asChannels(bias!, rank))];
  },
  gradient: (node, [g], { epsilon, num_groups }) => {
    if (!g) return [];
    const [x, scale] = node.inputs as [Value, Value];
    const grouped = (value: Value) => reshape(value, [0, num_groups, -1]);
    const form = standardised(grouped(x), [2], epsilon);
    const rest = { axes: x.shape.flatMap((_, axis) => (axis === 1 ? [] : [axis])) };
    return [
      reshapeLike(throughStandardised(grouped(mul(g, channelsFirst(scale, x))), form, [2]), x),
      reduceSum(mul(g, reshapeLike(form.normal, x)), rest),
      reduceSum(g, rest),
    ];
  },
  ...macsOf(3),
});

interface LayerNormalizationAttributes {
  axis: number;
  epsilon: number;
  stash_type: number;
}

/**
 * scale (x - mean) / sqrt(variance + epsilon) + bias, over all axes from `axis` on; also the mean and 1 / deviation.
 * J. L. Ba et al., "Layer normalization", 2016. ONNX: https://onnx.ai/onnx/operators/onnx__LayerNormalization.html
 */
export const LayerNormalization = defineOp<LayerNormalizationAttributes>({
  name: "LayerNormalization",
  domain: "",
  attributes: {
    axis: { kind: "int", default: -1 },
    epsilon: epsilonAttribute,
    stash_type: { kind: "int", default: 1 },
  },
  arity: [2, 3],
  infer: ([x, ...vectors], { axis }) => {
    const from = normaliseAxis(axis, x!.shape.length, "LayerNormalization");
    for (const vector of vectors)
      if (vector && broadcastShapes([x!.shape, vector.shape], "LayerNormalization").length > x!.shape.length)
        throw new StriateError({
          subject: "LayerNormalization",
          found: `an input of ${formatShape(x!.shape)} and a scale or bias of ${formatShape(vector.shape)}`,
          expected: "one that broadcasts to the input",
        });
    const statistic = {
      dtype: "float32" as DType,
      shape: x!.shape.map((length, each) => (each < from ? length : 1)),
    };
    return [x!, statistic, statistic];
  },
  evaluate: ([x, scale, bias], { axis, epsilon }) => {
    const from = normaliseAxis(axis, x!.shape.length, "LayerNormalization");
    const { normal, means, inverses } = standardiseRuns(x!, sizeOf(x!.shape.slice(from)), epsilon);
    const shape = x!.shape.map((length, each) => (each < from ? length : 1));
    const statistic = (values: Float64Array) =>
      new Tensor("float64", shape, values as Float64Array<ArrayBuffer>).cast(x!.dtype);
    return [scaled(normal, x!, scale!, bias), statistic(means), statistic(inverses)];
  },
  gradient: (node, [g, gMean, gInverse], { axis, epsilon }) => {
    const [x, scale, bias] = node.inputs as [Value, Value, Value | undefined];
    const from = normaliseAxis(axis, x.shape.length, "LayerNormalization");
    const axes = x.shape.flatMap((_, each) => (each < from ? [] : [each]));
    const form = standardised(x, axes, epsilon);
    const average = (value: Value) => expandLike(div(value, elementsPer(x, value)), x);
    const parts: Value[] = [];
    if (g) parts.push(throughStandardised(mul(g, scale), form, axes));
    if (gMean) parts.push(average(cast(gMean, x.dtype)));
    if (gInverse)
      parts.push(neg(mul(average(mul(cast(gInverse, x.dtype), mul(form.inverse, form.inverse))), form.normal)));
    return [
      parts.length === 0 ? undefined : parts.reduce(add),
      g && sumTo(mul(g, form.normal), scale),
      g && bias && sumTo(g, bias),
    ];
  },
  ...macsOf(3),
});

export const instanceNormalization = (x: Value, scale: Value, bias: Value, epsilon?: number): Value =>
  apply(InstanceNormalization, [x, scale, bias], { epsilon })[0]!;
export const groupNormalization = (x: Value, scale: Value, bias: Value, groups: number, epsilon?: number): Value =>
  apply(GroupNormalization, [x, scale, bias], { num_groups: groups, epsilon })[0]!;
export const layerNormalization = (x: Value, scale: Value, bias?: Value, axis?: number, epsilon?: number): Value =>
  apply(LayerNormalization, [x, scale, bias], { axis, epsilon })[0]!;
