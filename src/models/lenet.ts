/** LeNet-5. Y. LeCun et al., "Gradient-based learning applied to document recognition", Proceedings of the IEEE, 1998. */

import { relu, tanh } from "../nn/activations.ts";
import { conv2d } from "../nn/convolution.ts";
import { heNormal, xavierNormal } from "../nn/initialisers.ts";
import { flatten, linear } from "../nn/linear.ts";
import { averagePool2d, maxPool2d } from "../nn/pooling.ts";
import { type Layer, sequential } from "../nn/scope.ts";

export interface LeNetOptions {
  readonly classes?: number;
  /** "tanh" as published, or "relu". */
  readonly activation?: "tanh" | "relu";
  /** "average" as published, or "max". */
  readonly pooling?: "average" | "max";
}

/**
 * The network for 1x32x32 digits: convolutions C1, C3 and C5 with pooling S2 and S4 between, then F6 and the output;
 * 61,706 parameters for ten classes. C3 sees all maps of S2, where the paper saved weights by a table of connections.
 *
 * @example
 * import { lenet5, Model } from "striate";
 *
 * const modern = lenet5({ classes: 10, activation: "relu", pooling: "max" });
 * const model = Model.build(modern, { name: "lenet5", input: [1, 32, 32], seed: 1 });
 * console.assert(model.graph.outputs.get("logits")?.shape.join() === "batch,10");
 */
export function lenet5({ classes = 10, activation = "tanh", pooling = "average" }: LeNetOptions = {}): Layer {
  const nonlinearity = activation === "tanh" ? tanh : relu;
  const pool = pooling === "average" ? averagePool2d : maxPool2d;
  const initialiser = activation === "tanh" ? xavierNormal : heNormal;
  return sequential({
    c1: conv2d({ channels: 6, kernel: 5, initialiser }),
    act1: nonlinearity(),
    s2: pool({ kernel: 2 }),
    c3: conv2d({ channels: 16, kernel: 5, initialiser }),
    act3: nonlinearity(),
    s4: pool({ kernel: 2 }),
    c5: conv2d({ channels: 120, kernel: 5, initialiser }),
    act5: nonlinearity(),
    flatten: flatten(),
    f6: linear({ features: 84, initialiser }),
    act6: nonlinearity(),
    output: linear({ features: classes, initialiser: xavierNormal }),
  });
}
