/** Losses: from predictions and targets to one number. */
import { StriateError } from "../errors.ts";
import type { Value, ValueType } from "../graph/value.ts";
import { constant } from "../graph/value.ts";
import { softplus } from "../ops/activation.ts";
import { oneHot } from "../ops/core/arrange.ts";
import { abs, add, cast, div, equal, greater, less, log, mul, neg, sqrt, sub, where } from "../ops/core/elementwise.ts";
import { reduceMean, reduceSum } from "../ops/core/reduce.ts";
import { unsqueeze } from "../ops/core/shape.ts";
import { logSoftmax, softmax } from "../ops/softmax.ts";
import { formatShape } from "../tensor/shape.ts";
import { tensor } from "../tensor/tensor.ts";
import { notNegative, positive } from "./options.ts";

export interface Loss {
  /** The type of the targets that go with predictions of this type. */
  readonly target: (prediction: ValueType) => ValueType;
  readonly of: (prediction: Value, target: Value) => Value;
}

/** What becomes of the losses of all elements: their mean, their sum, or nothing (which has no gradient by itself). */
export type Reduction = "mean" | "sum" | "none";

export interface ReductionOptions {
  /** The mean over everything by default. */
  readonly reduction?: Reduction;
}

const reduced = (losses: Value, reduction: Reduction): Value =>
  reduction === "none" ? losses : reduction === "sum" ? reduceSum(losses) : reduceMean(losses);

/** The number of classes that logits are of, or an error. */
function classesOf(subject: string, { shape }: ValueType): number {
  const classes = shape[1];
  if (shape.length < 2 || typeof classes !== "number")
    throw new StriateError({
      subject,
      found: `predictions of ${formatShape(shape)}`,
      expected: "logits [batch, classes], or [batch, classes, height, width]",
      mend: "End the network in `linear({ features: classes })`",
    });
  return classes;
}

/** A class number for each sample, or for each place. */
const labelsOf =
  (subject: string) =>
  (prediction: ValueType): ValueType => {
    classesOf(subject, prediction);
    return { dtype: "int64", shape: prediction.shape.toSpliced(1, 1) };
  };

export interface CrossEntropyOptions {
  /** How much each class counts; the mean is then over the weights of the labels. */
  readonly classWeights?: readonly number[] | Value;
  /** The part of each target that is spread over all classes: 0 by default. */
  readonly labelSmoothing?: number;
  /** The label of what does not count, such as 255 for the borders between objects. */
  readonly ignoreIndex?: number;
  readonly reduction?: Reduction;
}

/**
 * Cross-entropy of logits [batch, classes] and class numbers [batch], or at each place of logits
 * [batch, classes, height, width] and class numbers [batch, height, width]. With label t, smoothing e and class weights
 * w, -(1 - e) w[t] log softmax(logits)[t] - e / classes sum_c w[c] log softmax(logits)[c]; the mean divides by the sum of
 * w[t] over the labels that count, and is 0 where none does (PyTorch: not a number). C. Szegedy et al., "Rethinking the Inception architecture", CVPR 2016 (smoothing).
 *
 * @example
 * import { crossEntropyWith, fit, linesData, linesNetwork } from "striate";
 *
 * const loss = crossEntropyWith({ labelSmoothing: 0.1 });
 * const data = linesData({ seed: 1, split: "train", count: 32 });
 * await fit(linesNetwork(), data, { epochs: 1, loss, seed: 1 }).result;
 */
export function crossEntropyWith(options: CrossEntropyOptions = {}): Loss {
  const { classWeights, labelSmoothing = 0, ignoreIndex, reduction = "mean" } = options;
  if (!(labelSmoothing >= 0 && labelSmoothing <= 1))
    throw new StriateError({
      subject: "crossEntropy",
      found: `labelSmoothing ${labelSmoothing}`,
      expected: "between 0 and 1",
    });
  return {
    target: labelsOf("crossEntropy"),
    of: (logits, labels) => {
      const classes = classesOf("crossEntropy", logits);
      const ignored = ignoreIndex === undefined ? undefined : equal(labels, ignoreIndex);
      const counted = (value: Value) => (ignored ? where(ignored, 0, value) : value);
      const chosen = oneHot(counted(labels), classes, 1);
      const overClasses = (value: Value) => reduceSum(value, { axes: [1] });
      const weights = classWeights && weightsOf(classWeights, classes, logits.shape.length);
      const scores = weights ? mul(logSoftmax(logits, 1), weights) : logSoftmax(logits, 1);
      const hard = neg(overClasses(mul(chosen, scores)));
      const soft = labelSmoothing > 0 ? mul(neg(overClasses(scores)), labelSmoothing / classes) : undefined;
      const losses = counted(soft ? add(mul(hard, 1 - labelSmoothing), soft) : hard);
      if (reduction !== "mean" || (!weights && !ignored)) return reduced(losses, reduction);
      const share = weights ? overClasses(mul(chosen, weights)) : cast(equal(labels, labels), logits.dtype);
      const counts = reduceSum(counted(share));
      return div(reduceSum(losses), where(equal(counts, 0), 1, counts));
    },
  };
}

export interface DiceOptions extends ReductionOptions {
  /** Added above and below the line; 1 by default. */
  readonly smooth?: number;
  /** The class number of what does not count. */
  readonly ignoreIndex?: number;
}

/**
 * One minus the overlap of predicted and true regions, the mean over classes of 2 sum p t / (sum p + sum t), with p the
 * softmax of logits [batch, classes, ...] and t 1 where the class number in [batch, ...] is that class; sums over the batch
 * and all places, and `smooth` added above and below the line. A class that is nowhere, predicted or true, overlaps; `reduction` is over the classes.
 * F. Milletari et al., "V-Net", 3DV 2016.
 *
 * @example
 * import { dice } from "striate";
 *
 * const loss = dice({ ignoreIndex: 255 });
 */
export function dice({ smooth = 1, ignoreIndex, reduction = "mean" }: DiceOptions = {}): Loss {
  notNegative("dice", "smooth", smooth);
  return {
    target: labelsOf("dice"),
    of: (logits, labels) => {
      const axes = logits.shape.flatMap((_, axis) => (axis === 1 ? [] : [axis]));
      const ignored = ignoreIndex === undefined ? undefined : equal(labels, ignoreIndex);
      const counted = (value: Value) => (ignored ? where(unsqueeze(ignored, [1]), 0, value) : value);
      const chosen = counted(oneHot(ignored ? where(ignored, 0, labels) : labels, classesOf("dice", logits), 1));
      const predicted = counted(softmax(logits, 1));
      const common = add(mul(reduceSum(mul(predicted, chosen), { axes }), 2), smooth);
      const total = add(add(reduceSum(predicted, { axes }), reduceSum(chosen, { axes })), smooth);
      const isNowhere = equal(total, 0);
      return reduced(sub(1, where(isNowhere, 1, div(common, where(isNowhere, 1, total)))), reduction);
    },
  };
}

/** Class weights [classes, 1, ...], to go with logits [batch, classes, ...]. */
function weightsOf(weights: readonly number[] | Value, classes: number, rank: number): Value {
  const value = "source" in weights ? weights : constant(tensor(weights));
  if (value.shape.length !== 1 || value.shape[0] !== classes)
    throw new StriateError({
      subject: "crossEntropy",
      found: `class weights of ${formatShape(value.shape)}`,
      expected: `one for each of the ${classes} classes`,
    });
  return unsqueeze(
    value,
    Array.from({ length: rank - 2 }, (_, axis) => axis + 1),
  );
}

/** Cross-entropy of logits [batch, classes] and class numbers [batch]: the mean of -log softmax(logits)[label]. */
export const crossEntropy: Loss = crossEntropyWith();

const sameType = (prediction: ValueType): ValueType => ({ dtype: "float32", shape: prediction.shape });

/** A loss made of those of predictions and their targets. */
const elementwise = (reduction: Reduction, of: (prediction: Value, target: Value) => Value): Loss => ({
  target: sameType,
  of: (prediction, target) => reduced(of(prediction, target), reduction),
});

/**
 * (prediction - target)^2: the L2 loss.
 *
 * @example
 * import { inputValue, squaredError } from "striate";
 *
 * const maps = { dtype: "float32", shape: ["batch", 8] } as const;
 * const each = squaredError({ reduction: "none" }).of(inputValue("prediction", maps), inputValue("target", maps));
 * console.assert(each.shape.join() === "batch,8");
 */
export const squaredError = ({ reduction = "mean" }: ReductionOptions = {}): Loss =>
  elementwise(reduction, (prediction, target) => {
    const difference = sub(prediction, target);
    return mul(difference, difference);
  });

/** The mean of squared differences, over everything. */
export const meanSquaredError: Loss = squaredError();

/** |prediction - target|: the L1 loss. */
export const absoluteError = ({ reduction = "mean" }: ReductionOptions = {}): Loss =>
  elementwise(reduction, (prediction, target) => abs(sub(prediction, target)));

/** The mean of |prediction - target|, over everything. */
export const meanAbsoluteError: Loss = absoluteError();

/**
 * d^2 / (2 beta) where d = |prediction - target| is below beta, else d - beta / 2: squared near zero, absolute far off.
 * R. Girshick, "Fast R-CNN", ICCV 2015.
 */
export function smoothL1({ beta = 1, reduction = "mean" }: ReductionOptions & { readonly beta?: number } = {}): Loss {
  positive("smoothL1", "beta", beta);
  return elementwise(reduction, (prediction, target) => {
    const difference = sub(prediction, target);
    const distance = abs(difference);
    return where(less(distance, beta), mul(mul(difference, difference), 0.5 / beta), sub(distance, beta / 2));
  });
}

/** Binary cross-entropy of logits x and probabilities t of the same shape: log(1 + e^x) - x t. */
export const binaryCrossEntropy = ({ reduction = "mean" }: ReductionOptions = {}): Loss =>
  elementwise(reduction, (logits, target) => sub(softplus(logits), mul(logits, target)));

/**
 * The Kullback-Leibler divergence of log-probabilities x [batch, ...] from probabilities t: t (log t - x), 0 where t is 0.
 * By default, "batchmean", the sum over the number of samples in the batch, which is the divergence by its definition; the
 * "mean" is over everything.
 *
 * @example
 * import { inputValue, klDivergenceWith } from "striate";
 *
 * const x = inputValue("logProbabilities", { dtype: "float32", shape: ["batch", 10] });
 * const loss = klDivergenceWith({ reduction: "sum" });
 * console.assert(loss.of(x, inputValue("target", loss.target(x))).shape.length === 0);
 */
export function klDivergenceWith({ reduction = "batchmean" }: { reduction?: Reduction | "batchmean" } = {}): Loss {
  return elementwise(reduction === "batchmean" ? "mean" : reduction, (logProbabilities, target) => {
    const present = greater(target, 0);
    const entropy = log(where(present, target, 1));
    const losses = where(present, mul(target, sub(entropy, logProbabilities)), 0);
    const axes = losses.shape.flatMap((_, axis) => (axis === 0 ? [] : [axis]));
    return reduction === "batchmean" && axes.length > 0 ? reduceSum(losses, { axes }) : losses;
  });
}

/** The Kullback-Leibler divergence of log-probabilities from probabilities, the mean over the samples of the batch. */
export const klDivergence: Loss = klDivergenceWith();

/** The cosine of the angle between vectors along an axis: x . t / (max(|x|, epsilon) max(|t|, epsilon)). */
export function cosineSimilarity(x: Value, target: Value, axis = 1, epsilon = 1e-8): Value {
  const along = { axes: [axis] };
  const floor = epsilon * epsilon;
  const length = (value: Value) => {
    const squares = reduceSum(mul(value, value), along);
    return sqrt(where(greater(squares, floor), squares, floor));
  };
  return div(reduceSum(mul(x, target), along), mul(length(x), length(target)));
}

/** 1 - cosine similarity of vectors along axis 1: for directions, such as surface normals. */
export const cosineDistanceWith = ({ reduction = "mean" }: ReductionOptions = {}): Loss =>
  elementwise(reduction, (prediction, target) => sub(1, cosineSimilarity(prediction, target)));

/** The mean of 1 - cosine similarity of vectors along axis 1. */
export const cosineDistance: Loss = cosineDistanceWith();
