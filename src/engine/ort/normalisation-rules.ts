/** Batch normalisation in training in ONNX Runtime. docs/engine.md says what was measured and why it is chosen. */
import { apply } from "../../graph/op.ts";
import { constant, type Value } from "../../graph/value.ts";
import {
  BatchNormalization,
  BatchNormalizationGradient,
  BatchNormalizationTraining,
} from "../../ops/batch-normalisation.ts";
import { conv } from "../../ops/conv.ts";
import { add, div, mul, neg, sqrt, sub } from "../../ops/core/elementwise.ts";
import { elementsPer, reduceMean, reduceSum } from "../../ops/core/reduce.ts";
import { reshape } from "../../ops/core/shape.ts";
import { type Shape, sizeOf } from "../../tensor/shape.ts";
import { full } from "../../tensor/tensor.ts";
import { fixedSample, type LoweringRule } from "./rule.ts";
import { timesTransposed } from "./runtime-ops.ts";

/** Elements of a map from which on products of rows, and convolutions that scale maps, repay their start. */
const largeMap = 256;

const isLarge = (x: Value): boolean => sizeOf(x.shape.slice(2) as Shape) >= largeMap;

/** Whether x is maps of known size. */
const isMaps = (x: Value): boolean => x.dtype === "float32" && fixedSample(x)?.length === 3;

const allButChannels = { axes: [0, 2, 3] };

/** The sum of the products of two tensors' elements, by channel: of large maps by a product of rows each. */
function sumOfProducts(a: Value, b: Value): Value {
  if (!isLarge(a)) return reduceSum(mul(a, b), allButChannels);
  const [, channels, ...spatial] = a.shape as Shape;
  const maps = (x: Value) => reshape(x, [0, channels!, 1, sizeOf(spatial)]);
  return reduceSum(timesTransposed(maps(a), maps(b)), allButChannels);
}

/** x less the mean of its channel. */
const centred = (x: Value, mean: Value): Value => sub(x, reshape(mean, [-1, 1, 1]));

/**
 * factor (x - mean) + shift by channel, in one pass: of large maps a depthwise convolution, with kernels of one element,
 * of `rest`, which is x - mean; of small ones the runtime's batch normalisation, which has one thread only.
 */
function scaled(x: Value, rest: Value, mean: Value, factor: Value, shift: Value): Value {
  const group = x.shape[1] as number;
  if (isLarge(x)) return conv(rest, reshape(factor, [-1, 1, 1, 1]), shift, { group });
  const one = constant(full([group], 1));
  return apply(BatchNormalization, [x, factor, shift, mean, one], { epsilon: 0 })[0]!;
}

const inverseDeviation = (variance: Value, epsilon: unknown): Value => div(1, sqrt(add(variance, epsilon as number)));

/** The variance is that of what is left after the mean, since E[x^2] - mean^2 would cancel. */
const trainingRule: LoweringRule = ([x, scale, bias], { attributes }) => {
  if (!isMaps(x!)) return undefined;
  const mean = reduceMean(x!, allButChannels);
  const rest = centred(x!, mean);
  const variance = div(sumOfProducts(rest, rest), elementsPer(x!, mean));
  const factor = mul(scale!, inverseDeviation(variance, attributes.epsilon));
  return [scaled(x!, rest, mean, factor, bias!), mean, variance];
};

/** The gradient of x is a g + (b z + c) with numbers a, b, c for each channel, z being x less its mean. */
const gradientRule: LoweringRule = ([x, scale, mean, variance, g], { attributes }) => {
  if (!isMaps(x!)) return undefined;
  const inverse = inverseDeviation(variance!, attributes.epsilon);
  const rest = centred(x!, mean!);
  const sum = reduceSum(g!, allButChannels);
  const ofScale = mul(sumOfProducts(g!, rest), inverse);
  const count = elementsPer(x!, mean!);
  const factor = mul(scale!, inverse);
  const share = neg(div(factor, count));
  const along = scaled(x!, rest, mean!, mul(share, mul(ofScale, inverse)), mul(share, sum));
  return [add(mul(g!, reshape(factor, [-1, 1, 1])), along), ofScale, sum];
};

export const normalisationRules: readonly (readonly [object, LoweringRule])[] = [
  [BatchNormalizationTraining, trainingRule],
  [BatchNormalizationGradient, gradientRule],
];
