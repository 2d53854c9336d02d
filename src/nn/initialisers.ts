/** First values of parameters, from a seeded stream of random numbers. */
import type { Random } from "../tensor/random.ts";
import { type Shape, sizeOf } from "../tensor/shape.ts";
import { full, type Tensor, tensor } from "../tensor/tensor.ts";

export type Initialiser = (shape: Shape, random: Random) => Tensor;

/** How many inputs feed one output and how many outputs one input feeds, for weights [out, in, kernel...]. */
function fans(shape: Shape): { fanIn: number; fanOut: number } {
  const receptive = sizeOf(shape.slice(2));
  return { fanIn: (shape[1] ?? 1) * receptive, fanOut: (shape[0] ?? 1) * receptive };
}

const draw = (shape: Shape, next: () => number): Tensor => tensor(Array.from({ length: sizeOf(shape) }, next), shape);

/** Every element the same. */
export const fill =
  (value: number): Initialiser =>
  (shape) =>
    full(shape, value);

/** Normal with the deviation given. */
export const normal =
  (deviation: number): Initialiser =>
  (shape, random) =>
    draw(shape, () => random.normal(0, deviation));

/** Uniform on [-bound, bound). */
export const uniform =
  (bound: number): Initialiser =>
  (shape, random) =>
    draw(shape, () => random.uniform(-bound, bound));

/**
 * He's: normal with variance 2 / fan-in, which keeps the variance of activations through ReLUs.
 * K. He et al., "Delving deep into rectifiers", ICCV 2015.
 */
export const heNormal: Initialiser = (shape, random) => normal(Math.sqrt(2 / fans(shape).fanIn))(shape, random);

/** The same variance, uniform. */
export const heUniform: Initialiser = (shape, random) => uniform(Math.sqrt(6 / fans(shape).fanIn))(shape, random);

/**
 * Xavier's: variance 2 / (fan-in + fan-out), for activations that are linear about 0 such as tanh.
 * X. Glorot and Y. Bengio, "Understanding the difficulty of training deep feedforward neural networks", AISTATS 2010.
 */
export const xavierNormal: Initialiser = (shape, random) => {
  const { fanIn, fanOut } = fans(shape);
  return normal(Math.sqrt(2 / (fanIn + fanOut)))(shape, random);
};

/** The same variance, uniform. */
export const xavierUniform: Initialiser = (shape, random) => {
  const { fanIn, fanOut } = fans(shape);
  return uniform(Math.sqrt(6 / (fanIn + fanOut)))(shape, random);
};
