/** Losses: from predictions and targets to one number, the mean over the batch. */
import { StriateError } from "../errors.ts";
import type { Value, ValueType } from "../graph/value.ts";
import { oneHot } from "../ops/core/arrange.ts";
import { mul, neg, sub } from "../ops/core/elementwise.ts";
import { reduceMean, reduceSum } from "../ops/core/reduce.ts";
import { logSoftmax } from "../ops/softmax.ts";
import { formatShape } from "../tensor/shape.ts";

export interface Loss {
  /** The type of the targets that go with predictions of this type. */
  readonly target: (prediction: ValueType) => ValueType;
  readonly of: (prediction: Value, target: Value) => Value;
}

/**
 * Cross-entropy of logits [batch, classes] and class numbers [batch]: the mean of -log softmax(logits)[label].
 */
export const crossEntropy: Loss = {
  target: ({ shape }) => {
    if (shape.length !== 2)
      throw new StriateError({
        subject: "crossEntropy",
        found: `predictions of ${formatShape(shape)}`,
        expected: "logits [batch, classes]",
        mend: "End the network in `linear({ features: classes })`",
      });
    return { dtype: "int64", shape: [shape[0]!] };
  },
  of: (logits, labels) => {
    const chosen = mul(oneHot(labels, logits.shape[1] as number), logSoftmax(logits));
    return neg(reduceMean(reduceSum(chosen, { axes: [1] })));
  },
};

/** The mean of squared differences, over everything. */
export const meanSquaredError: Loss = {
  target: (prediction) => ({ dtype: "float32", shape: prediction.shape }),
  of: (prediction, target) => {
    const difference = sub(prediction, target);
    return reduceMean(mul(difference, difference));
  },
};
