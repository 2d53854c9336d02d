/** The chapter's network for the running example (section 1.3, equations 1.14 to 1.18). */

import { relu, temperature } from "../nn/activations.ts";
import { conv2d } from "../nn/convolution.ts";
import { normal } from "../nn/initialisers.ts";
import { linear } from "../nn/linear.ts";
import { globalAveragePool } from "../nn/pooling.ts";
import { type Layer, sequential } from "../nn/scope.ts";

/** The temperature that the logits are multiplied by before the softmax. */
export const linesTemperature = 10;

/**
 * Two 9x9 kernels, ReLU, the mean of each feature map, a fully connected layer and a softmax with temperature:
 * [batch, 1, height, width] to logits [batch, classes], tau already applied.
 */
export const linesNetwork = ({ classes = 2 }: { readonly classes?: number } = {}): Layer =>
  sequential({
    conv1: conv2d({ channels: 2, kernel: 9, padding: "same" }),
    relu: relu(),
    pool: globalAveragePool(),
    fc1: linear({ features: classes, initialiser: normal(Math.SQRT1_2) }),
    temperature: temperature({ tau: linesTemperature }),
  });
