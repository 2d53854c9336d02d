/** What is trained and run: LeNet-5 as published (tanh, average pooling), on images of noise. */
import { lenet5, Model, Random, Tensor } from "../src/index.ts";

export const batch = 128;
export const classes = 10;
export const learningRate = 0.01;
export const momentum = 0.9;

export const model = Model.build(lenet5({ classes }), { name: "lenet5", input: [1, 32, 32], seed: 1 });

/** A batch of images [count, 1, 32, 32], the same at every call. */
export function noise(count: number): Tensor {
  const random = new Random(1, "bench");
  const pixels = Float32Array.from({ length: count * 32 * 32 }, () => random.normal());
  return new Tensor("float32", [count, 1, 32, 32], pixels);
}

export const images = noise(batch);
export const labels = new Tensor(
  "int64",
  [batch],
  BigInt64Array.from({ length: batch }, (_, index) => BigInt(index % classes)),
);

/** The weights, in the order of the layers: weight and bias of c1, c3, c5, f6 and output. */
export const weights: readonly (readonly [name: string, Tensor])[] = [...model.variables];
