/** The fully connected layer, and what makes features of maps. */
import { flatten as flattenOf } from "../ops/core/shape.ts";
import { linearTransform } from "../ops/matmul.ts";
import { fill, heNormal, type Initialiser } from "./initialisers.ts";
import { channelsOf, wholeNumber } from "./options.ts";
import type { Layer } from "./scope.ts";

export interface LinearOptions {
  /** Outputs. */
  readonly features: number;
  /** Add a learnt number to each output; true by default. */
  readonly bias?: boolean;
  /** First values of the weights [features, in]; He's by default. */
  readonly initialiser?: Initialiser;
}

/** A fully connected layer: [batch, in] to [batch, features], x W^T + b. Chapter, equation 1.17. */
export function linear({ features, bias = true, initialiser = heNormal }: LinearOptions): Layer {
  wholeNumber("linear", "features", features);
  return (x, scope) => {
    const weight = scope.parameter("weight", [features, channelsOf("linear", x, 2)], initialiser);
    return linearTransform(x, weight, bias ? scope.parameter("bias", [features], fill(0)) : undefined);
  };
}

/** [batch, ...] to [batch, features]. */
export const flatten = (): Layer => (x) => flattenOf(x);
