/** Batch normalisation: by given statistics, and in training by the batch's own. S. Ioffe and C. Szegedy, ICML 2015. */
import { StriateError } from "../errors.ts";
import { apply, defineOp, type GradientRule, type Op, striateDomain } from "../graph/op.ts";
import type { Dimension, Value } from "../graph/value.ts";
import { allocate } from "../tensor/dtype.ts";
import { formatShape, sizeOf } from "../tensor/shape.ts";
import { Tensor } from "../tensor/tensor.ts";
import { expandLike } from "./core/broadcast.ts";
import { add, div, mul, neg, sqrt, sub } from "./core/elementwise.ts";
import { elementsPer, reduceMean, reduceSum } from "./core/reduce.ts";
import { unsqueeze } from "./core/shape.ts";

interface Epsilon {
  epsilon: number;
}

interface BatchNormalizationAttributes extends Epsilon {
  momentum: number;
  training_mode: number;
}

const epsilonAttribute = { kind: "float", default: 1e-5 } as const;

/** The channels of an input, where every other operand has one number for each of them. */
function channelsOf(subject: string, x: Value, vectors: readonly Value[]): Dimension {
  const channels = x.shape[1];
  if (channels === undefined)
    throw new StriateError({ subject, found: formatShape(x.shape), expected: "[batch, channels, ...]" });
  for (const { shape } of vectors)
    if (shape.length !== 1 || (shape[0] !== channels && typeof shape[0] === typeof channels))
      throw new StriateError({
        subject,
        found: `an input of ${formatShape(x.shape)} and a vector of ${formatShape(shape)}`,
        expected: `one number for each of the ${channels} channels`,
      });
  return channels;
}

/** A number for each channel, with axes to broadcast it over maps. */
const overMaps = (perChannel: Value, x: Value): Value =>
  unsqueeze(
    perChannel,
    x.shape.slice(2).map((_, axis) => axis + 1),
  );

const allButChannels = (x: Value) => ({ axes: x.shape.flatMap((_, axis) => (axis === 1 ? [] : [axis])) });
const inverseDeviation = (variance: Value, epsilon: number): Value => div(1, sqrt(add(variance, epsilon)));

/** Runs `body` for every element with its channel. */
function eachElement({ shape, size }: Tensor, body: (index: number, channel: number) => void): void {
  const map = sizeOf(shape.slice(2));
  for (let index = 0; index < size; index++) body(index, Math.floor(index / map) % shape[1]!);
}

/** The mean and the biased variance of each channel. */
function statistics(x: Tensor): { mean: Float64Array; variance: Float64Array } {
  const channels = x.shape[1]!;
  const count = x.size / channels;
  const [mean, variance] = [new Float64Array(channels), new Float64Array(channels)];
  eachElement(x, (index, channel) => {
    mean[channel]! += x.numbers[index]! / count;
  });
  eachElement(x, (index, channel) => {
    variance[channel]! += (x.numbers[index]! - mean[channel]!) ** 2 / count;
  });
  return { mean, variance };
}

interface Moments {
  readonly mean: ArrayLike<number>;
  readonly variance: ArrayLike<number>;
}

function normalise(x: Tensor, scale: Tensor, bias: Tensor, { mean, variance }: Moments, epsilon: number): Tensor {
  const data = allocate(x.dtype, x.size);
  eachElement(x, (index, channel) => {
    const deviation = Math.sqrt(variance[channel]! + epsilon);
    data[index] = (scale.numbers[channel]! * (x.numbers[index]! - mean[channel]!)) / deviation + bias.numbers[channel]!;
  });
  return new Tensor(x.dtype, x.shape, data);
}

const vectorOf = (values: Float64Array, { dtype }: Tensor): Tensor =>
  new Tensor("float64", [values.length], values as Float64Array<ArrayBuffer>).cast(dtype);

/**
 * scale (x - mean) / sqrt(variance + epsilon) + bias, a number of each for every channel; x [batch, channels, ...].
 *
 * Its form in training is PyTorch's: the batch's own mean and biased variance, with gradients through both, and running
 * statistics r' = momentum r + (1 - momentum) batch, of the unbiased variance, where mean and variance are variables.
 * With `training_mode` 1 it is ONNX's: the same, but for the biased variance in the running one.
 * ONNX: https://onnx.ai/onnx/operators/onnx__BatchNormalization.html
 */
export const BatchNormalization: Op<BatchNormalizationAttributes> = defineOp<BatchNormalizationAttributes>({
  name: "BatchNormalization",
  domain: "",
  attributes: {
    epsilon: epsilonAttribute,
    momentum: { kind: "float", default: 0.9 },
    training_mode: { kind: "int", default: 0 },
  },
  arity: [5, 5],
  statistics: [3, 4],
  infer: ([x, ...vectors], { training_mode }) => {
    channelsOf("BatchNormalization", x!, vectors as Value[]);
    return training_mode === 1 ? [x!, vectors[2]!, vectors[3]!] : [x!];
  },
  evaluate: ([x, scale, bias, mean, variance], { epsilon, momentum, training_mode }) => {
    const given = { mean: mean!.numbers, variance: variance!.numbers };
    if (training_mode !== 1) return [normalise(x!, scale!, bias!, given, epsilon)];
    const batch = statistics(x!);
    const blend = (running: Tensor, now: Float64Array) =>
      vectorOf(
        now.map((value, channel) => momentum * running.numbers[channel]! + (1 - momentum) * value),
        running,
      );
    return [normalise(x!, scale!, bias!, batch, epsilon), blend(mean!, batch.mean), blend(variance!, batch.variance)];
  },
  gradient: (node, gradients, attributes) =>
    (attributes.training_mode === 1 ? gradientByBatch : gradientByGiven)(node, gradients, attributes),
  macs: ({ outputs }) => sizeOf(outputs[0]!),
  training: (node, { epsilon, momentum, training_mode }) => {
    const [x, scale, bias, running, runningVariance] = node.inputs as Value[];
    const [y, mean, variance] = apply(BatchNormalizationTraining, [x, scale, bias], { epsilon });
    const count = elementsPer(x!, mean!);
    const unbiased = mul(variance!, typeof count === "number" ? count / (count - 1) : div(count, sub(count, 1)));
    const blend = (before: Value, now: Value) => add(mul(before, momentum), mul(now, 1 - momentum));
    const next = [blend(running!, mean!), blend(runningVariance!, unbiased)] as const;
    return {
      outputs: training_mode === 1 ? [y!, ...next] : [y!],
      updates: [running!, runningVariance!].flatMap((variable, index) =>
        isVariable(variable) ? [{ variable, next: next[index]! }] : [],
      ),
    };
  },
});

const isVariable = ({ source }: Value): boolean => source.kind === "parameter" || source.kind === "state";

const gradientByGiven: GradientRule<BatchNormalizationAttributes> = (node, [g], { epsilon }) => {
  if (!g) return [];
  const [x, scale, , mean, variance] = node.inputs as [Value, Value, Value, Value, Value];
  const inverse = inverseDeviation(variance, epsilon);
  const factor = mul(scale, inverse);
  const sum = reduceSum(g, allButChannels(x));
  const product = reduceSum(mul(g, sub(x, overMaps(mean, x))), allButChannels(x));
  return [
    mul(g, overMaps(factor, x)),
    mul(product, inverse),
    sum,
    neg(mul(sum, factor)),
    mul(mul(product, factor), mul(mul(inverse, inverse), -0.5)),
  ];
};

const gradientByBatch: GradientRule<BatchNormalizationAttributes> = (
  node,
  [g, gMean, gVariance],
  { epsilon, momentum },
) => {
  const [x, scale] = node.inputs as [Value, Value];
  const moments = momentsOf(x);
  const share = (gradient: Value | undefined) => gradient && mul(gradient, 1 - momentum);
  const kept = (gradient: Value | undefined) => gradient && mul(gradient, momentum);
  const throughBatch = gradientThroughBatch({ x, scale, ...moments, epsilon }, [g, share(gMean), share(gVariance)]);
  return [...throughBatch, kept(gMean), kept(gVariance)];
};

/** The mean and the biased variance of each channel. */
function momentsOf(x: Value): { mean: Value; variance: Value } {
  const mean = reduceMean(x, allButChannels(x));
  const centred = sub(x, overMaps(mean, x));
  return { mean, variance: reduceMean(mul(centred, centred), allButChannels(x)) };
}

interface BatchForm {
  readonly x: Value;
  readonly scale: Value;
  readonly mean: Value;
  readonly variance: Value;
  readonly epsilon: number;
}

/** Gradients of x, scale and bias from those of the output, and of the batch's mean and variance. */
function gradientThroughBatch(
  { x, scale, mean, variance, epsilon }: BatchForm,
  [g, gMean, gVariance]: readonly (Value | undefined)[],
): (Value | undefined)[] {
  const [ofOutput, ofScale, ofBias] = g
    ? apply(BatchNormalizationGradient, [x, scale, mean, variance, g], { epsilon })
    : [];
  const count = elementsPer(x, mean);
  const parts = [ofOutput];
  if (gMean) parts.push(expandLike(overMaps(div(gMean, count), x), x));
  if (gVariance) parts.push(mul(overMaps(div(mul(gVariance, 2), count), x), sub(x, overMaps(mean, x))));
  return [parts.reduce((sum, part) => (sum && part ? add(sum, part) : (sum ?? part))), ofScale, ofBias];
}

/**
 * Batch normalisation in training: x, scale, bias to the output, and the batch's mean and biased variance by channel.
 */
export const BatchNormalizationTraining: Op<Epsilon> = defineOp<Epsilon>({
  name: "BatchNormalizationTraining",
  domain: striateDomain,
  attributes: { epsilon: epsilonAttribute },
  arity: [3, 3],
  infer: ([x, scale, bias]) => {
    channelsOf("BatchNormalization", x!, [scale!, bias!]);
    if (x!.shape.every((length, axis) => axis === 1 || length === 1))
      throw new StriateError({
        subject: "BatchNormalization",
        found: `one number for each channel, ${formatShape(x!.shape)}, in training`,
        expected: "at least two, to have a variance",
        mend: "Train with a larger batch, or drop the last partial one",
      });
    return [x!, scale!, scale!];
  },
  evaluate: ([x, scale, bias], { epsilon }) => {
    const batch = statistics(x!);
    return [normalise(x!, scale!, bias!, batch, epsilon), vectorOf(batch.mean, x!), vectorOf(batch.variance, x!)];
  },
  gradient: (node, gradients, { epsilon }) => {
    const [x, scale] = node.inputs as [Value, Value];
    const [, mean, variance] = node.outputs as [Value, Value, Value];
    return gradientThroughBatch({ x, scale, mean, variance, epsilon }, gradients);
  },
  macs: ({ outputs }) => 3 * sizeOf(outputs[0]!),
  composition: ([x, scale, bias], { epsilon }) => {
    const { mean, variance } = momentsOf(x!);
    return [apply(BatchNormalization, [x, scale, bias, mean, variance], { epsilon })[0]!, mean, variance];
  },
});

/**
 * The gradients of batch normalisation in training, from x, scale, the batch's mean and biased variance, and the
 * output's gradient g. With z = (x - mean) / d, d = sqrt(variance + epsilon), over the n elements of a channel:
 * that of x is scale / d (g - sum(g) / n - z sum(g z) / n), that of scale sum(g z), that of bias sum(g).
 */
export const BatchNormalizationGradient: Op<Epsilon> = defineOp<Epsilon>({
  name: "BatchNormalizationGradient",
  domain: striateDomain,
  attributes: { epsilon: epsilonAttribute },
  arity: [5, 5],
  infer: ([x, scale, mean, variance]) => {
    channelsOf("BatchNormalizationGradient", x!, [scale!, mean!, variance!]);
    return [x!, scale!, scale!];
  },
  evaluate: ([x, scale, mean, variance, g], { epsilon }) => {
    const channels = x!.shape[1]!;
    const count = x!.size / channels;
    const [sums, products] = [new Float64Array(channels), new Float64Array(channels)];
    const inverse = Float64Array.from(variance!.numbers, (value) => 1 / Math.sqrt(value + epsilon));
    const normal = (index: number, channel: number) =>
      (x!.numbers[index]! - mean!.numbers[channel]!) * inverse[channel]!;
    eachElement(x!, (index, channel) => {
      sums[channel]! += g!.numbers[index]!;
      products[channel]! += g!.numbers[index]! * normal(index, channel);
    });
    const data = allocate(x!.dtype, x!.size);
    eachElement(x!, (index, channel) => {
      const centred = g!.numbers[index]! - (sums[channel]! + normal(index, channel) * products[channel]!) / count;
      data[index] = scale!.numbers[channel]! * inverse[channel]! * centred;
    });
    return [new Tensor(x!.dtype, x!.shape, data), vectorOf(products, x!), vectorOf(sums, x!)];
  },
  gradient: (node, gradients, attributes) => gradientOfGradient(node, gradients, attributes),
  macs: ({ outputs }) => 4 * sizeOf(outputs[0]!),
  composition: ([x, scale, mean, variance, g], { epsilon }) => {
    const inverse = inverseDeviation(variance!, epsilon);
    const centred = sub(x!, overMaps(mean!, x!));
    const sum = reduceSum(g!, allButChannels(x!));
    const product = mul(reduceSum(mul(g!, centred), allButChannels(x!)), inverse);
    const count = elementsPer(x!, scale!);
    const along = overMaps(div(mul(product, inverse), count), x!);
    const rest = sub(sub(g!, overMaps(div(sum, count), x!)), mul(centred, along));
    return [mul(rest, overMaps(mul(scale!, inverse), x!)), product, sum];
  },
});

/**
 * With means over a channel's n elements a = mean g, b = mean g z, and of the gradient h of x's gradient c = mean h,
 * k = mean h z, the seeded sum is, for each channel, n (scale / d (mean h g - a c - b k) + p b + q a), p and q being the
 * gradients of the other two outputs; these are its derivatives, mean and variance taken as independent of x.
 */
const gradientOfGradient: GradientRule<{ epsilon: number }> = (node, [h, ofScale, ofBias], { epsilon }) => {
  const [x, scale, mean, variance, g] = node.inputs as [Value, Value, Value, Value, Value];
  const inverse = inverseDeviation(variance, epsilon);
  const over = (perChannel: Value) => overMaps(perChannel, x);
  const average = (value: Value) => reduceMean(value, allButChannels(x));
  const total = (value: Value) => reduceSum(value, allButChannels(x));
  const sum = (parts: readonly (Value | undefined)[]) => {
    const present = parts.filter((part) => part !== undefined);
    return present.length === 0 ? undefined : present.reduce(add);
  };
  const centred = sub(x, over(mean));
  const z = mul(centred, over(inverse));
  const factor = mul(scale, inverse);
  const [b, c, k] = [average(mul(g, z)), h && average(h), h && average(mul(h, z))];
  const inner = h && c && k && sub(average(mul(h, g)), add(mul(average(g), c), mul(b, k)));
  const ofG = sum([
    h && c && k && mul(over(factor), sub(sub(h, over(c)), mul(z, over(k)))),
    ofScale && mul(over(ofScale), z),
    ofBias && expandLike(over(ofBias), x),
  ]);
  const ofZ = sum([
    h && k && neg(mul(over(factor), add(mul(g, over(k)), mul(h, over(b))))),
    ofScale && mul(over(ofScale), g),
  ]);
  const weighted = inner && mul(mul(inner, elementsPer(x, mean)), scale);
  const ofInverse = sum([weighted, ofZ && total(mul(ofZ, centred))]);
  const ofX = ofZ && mul(ofZ, over(inverse));
  return [
    ofX,
    inner && mul(mul(inner, elementsPer(x, mean)), inverse),
    ofX && neg(total(ofX)),
    ofInverse && mul(ofInverse, mul(mul(inverse, mul(inverse, inverse)), -0.5)),
    ofG,
  ];
};
