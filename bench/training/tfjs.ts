/** TensorFlow.js on its CPU backend, in JavaScript. Its WebAssembly backend cannot train a convolution. */
import * as tf from "@tensorflow/tfjs";
import { timed } from "../measure.ts";
import { batch, classes, images, labels, learningRate, momentum, weights } from "../network.ts";
import type { Trainer } from "./trainer.ts";

export const tfjsNote =
  `TensorFlow.js ${tf.version.tfjs}: the CPU backend, one thread. Its WebAssembly backend is left out: it has no kernel ` +
  "for the gradient of a convolution's filters (Conv2DBackpropFilter), so it cannot train this network.";

/** Channels come last here: filters are [height, width, in, out], matrices [in, out]. */
const orders: Readonly<Record<number, number[]>> = { 1: [0], 2: [1, 0], 4: [2, 3, 1, 0] };

export async function tfjs(): Promise<Trainer> {
  tf.enableProdMode();
  await tf.setBackend("cpu");
  await tf.ready();
  const variables = weights.map(([, { data, shape }]) =>
    tf.variable(tf.transpose(tf.tensor(data as Float32Array, [...shape]), orders[shape.length])),
  );
  const [c1, b1, c3, b3, c5, b5, f6, b6, out, bOut] = variables as tf.Tensor[];
  const x = tf.tensor4d(images.data as Float32Array, [batch, 32, 32, 1]);
  const y = tf.oneHot(tf.tensor1d(labels.toArray(), "int32"), classes);
  const optimiser = tf.train.momentum(learningRate, momentum);
  const block = (value: tf.Tensor4D, weight: tf.Tensor, bias: tf.Tensor): tf.Tensor4D =>
    tf.tanh(tf.add(tf.conv2d(value, weight as tf.Tensor4D, 1, "valid"), bias));
  const pool = (value: tf.Tensor4D): tf.Tensor4D => tf.avgPool(value, 2, 2, "valid");
  const forward = (): tf.Scalar => {
    const maps = block(pool(block(pool(block(x, c1!, b1!)), c3!, b3!)), c5!, b5!);
    const hidden = tf.tanh(tf.add(tf.matMul(tf.reshape(maps, [batch, 120]), f6!), b6!));
    return tf.losses.softmaxCrossEntropy(y, tf.add(tf.matMul(hidden, out!), bOut!)) as tf.Scalar;
  };
  let loss = Number.NaN;
  return {
    name: "TensorFlow.js, cpu",
    run: (steps) =>
      timed(steps, async () => {
        const value = optimiser.minimize(forward, true)!;
        loss = (await value.data())[0]!;
        value.dispose();
      }),
    loss: () => loss,
    close: async () => tf.dispose([...variables, x, y]),
  };
}
