/** How good predictions are. */
import type { Tensor } from "../tensor/tensor.ts";

/**
 * How many rows of logits [batch, classes] have their label among the `k` highest; of equal logits the first counts as
 * higher. Rows that are not numbers count as wrong.
 */
export function countTop(logits: Tensor, labels: Tensor, k: number): number {
  const [batch, classes] = logits.shape as [number, number];
  const values = logits.numbers;
  let correct = 0;
  for (let row = 0; row < batch; row++) {
    const label = Number(labels.data[row]);
    const own = values[row * classes + label]!;
    let higher = 0;
    for (let index = 0; index < classes; index++) {
      const other = values[row * classes + index]!;
      if (other > own || (other === own && index < label)) higher++;
    }
    if (higher < k && Number.isFinite(own)) correct++;
  }
  return correct;
}
