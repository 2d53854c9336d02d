/** Probabilities from what a classifier puts out. */
import { producerOf } from "../graph/value.ts";
import type { Model } from "../models/model.ts";
import { Softmax } from "../ops/softmax.ts";
import { Tensor } from "../tensor/tensor.ts";

/** The softmax of each row of logits; the rows themselves where the model ends in a softmax of its own. */
export function probabilitiesOf(model: Model, outputs: Tensor): Tensor {
  const prediction = [...model.graph.outputs.values()][0]!;
  if (producerOf(prediction)?.op === Softmax) return outputs;
  const width = outputs.shape.at(-1) ?? 1;
  const logits = outputs.toArray();
  const data = new Float32Array(logits.length);
  for (let start = 0; start < logits.length; start += width) {
    const row = logits.slice(start, start + width);
    const highest = Math.max(...row);
    const powers = row.map((logit) => Math.exp(logit - highest));
    const sum = powers.reduce((total, power) => total + power, 0);
    data.set(
      powers.map((power) => power / sum),
      start,
    );
  }
  return new Tensor("float32", outputs.shape, data);
}
