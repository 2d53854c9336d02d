import type { Contender } from "../measure.ts";

/** One that trains LeNet-5 on the same batch, from the same weights. */
export interface Trainer extends Contender {
  /** The loss of the last step that was made, before its update. */
  loss(): number;
}
