/** The standard's losses as compositions. https://onnx.ai/onnx/operators/onnx__SoftmaxCrossEntropyLoss.html */
import { StriateError } from "../errors.ts";
import { apply } from "../graph/op.ts";
import { constant, type Value } from "../graph/value.ts";
import { oneHot } from "../ops/core/arrange.ts";
import { cast, div, equal, mul, neg, where } from "../ops/core/elementwise.ts";
import { gatherAt } from "../ops/core/gather.ts";
import { reduceMean, reduceSum } from "../ops/core/reduce.ts";
import { LogSoftmax } from "../ops/softmax.ts";
import { scalar } from "../tensor/tensor.ts";
import type { Composition, NodeForm } from "./form.ts";

/**
 * The loss of log-probabilities [batch, classes, ...] and class numbers [batch, ...]: minus the logarithm of the right
 * class, times the class' weight; the mean divides by the sum of the weights that count.
 */
function negativeLogLikelihood({ inputs, attributes, type }: NodeForm, scores: Value): Value {
  const [, labels, weights] = inputs;
  const classes = scores.shape[1];
  if (!labels || typeof classes !== "number")
    throw new StriateError({
      subject: type,
      found: "no labels, or a number of classes that has a name",
      expected: "both",
    });
  const reduction = String(attributes.reduction ?? "mean");
  const ignore = attributes.ignore_index as number | undefined;
  const ignored = ignore === undefined ? undefined : equal(labels, constant(scalar(ignore, labels.dtype)));
  const label = ignored ? where(ignored, constant(scalar(0, labels.dtype)), labels) : labels;
  const counted = (value: Value): Value => (ignored ? where(ignored, 0, value) : value);
  const picked = reduceSum(mul(scores, cast(oneHot(label, classes, 1), scores.dtype)), { axes: [1] });
  const share = weights && counted(gatherAt(weights, label));
  const losses = counted(neg(weights ? mul(picked, gatherAt(weights, label)) : picked));
  if (reduction === "none") return losses;
  if (reduction === "sum") return reduceSum(losses);
  if (reduction !== "mean")
    throw new StriateError({ subject: type, found: `reduction ${reduction}`, expected: "none, sum or mean" });
  if (share) return div(reduceSum(losses), reduceSum(share));
  if (!ignored) return reduceMean(losses);
  return div(reduceSum(losses), reduceSum(cast(equalTo(ignored, 0), scores.dtype)));
}

const equalTo = (truth: Value, number: number): Value => equal(cast(truth, "int32"), constant(scalar(number, "int32")));

const scoresOf = ({ inputs, type }: NodeForm): Value => {
  if (!inputs[0]) throw new StriateError({ subject: type, found: "no scores", expected: "scores and labels" });
  return inputs[0];
};

export const lossCompositions: readonly (readonly [string, Composition])[] = [
  ["NegativeLogLikelihoodLoss", (form) => [negativeLogLikelihood(form, scoresOf(form))]],
  [
    "SoftmaxCrossEntropyLoss",
    (form) => {
      const scores = apply(LogSoftmax, [scoresOf(form)], { axis: 1 })[0]!;
      return [negativeLogLikelihood(form, scores), scores].slice(0, form.outputs);
    },
  ],
];
