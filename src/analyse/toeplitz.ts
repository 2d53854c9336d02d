/** Convolution as a matrix. Chapter, section 1.1. */
import { StriateError } from "../errors.ts";
import { each, type WindowOptions, wholeNumber, windowOf } from "../nn/options.ts";
import { convAxes, pieces } from "../ops/correlate.ts";
import { sizeOf } from "../tensor/shape.ts";
import { type Tensor, zeros } from "../tensor/tensor.ts";

export interface ToeplitzOptions extends Omit<WindowOptions, "kernel"> {
  /** The lengths of the input's spatial axes. */
  readonly size: readonly number[];
  readonly groups?: number;
}

/** More elements than this are no small matrix: 64 MB. */
const mostElements = 1 << 24;

/**
 * The matrix of a convolution layer (cross-correlation, zeros in the padding) with these weights
 * [filters, channels / groups, ...kernel]: [filters * positions, channels * places], its product with an image written
 * out as a vector, without the bias, what the layer gives, written out. Along one axis with one channel and a stride of 1
 * it is a Toeplitz matrix, every diagonal constant; in general its blocks are. Chapter, section 1.1.
 * @throws StriateError for a matrix of more than 2^24 elements
 *
 * @example
 * import { tensor, toeplitz } from "striate";
 *
 * const matrix = toeplitz(tensor([1, 2, 3], [1, 1, 3]), { size: [5] });
 * console.assert(matrix.toArray().join("") === "123000123000123");
 */
export function toeplitz(weight: Tensor, { size, groups = 1, ...options }: ToeplitzOptions): Tensor {
  const subject = "toeplitz";
  const [filters, channels, ...kernel] = weight.shape as [number, number, ...number[]];
  wholeNumber(subject, "groups", groups);
  const { stride: strides, dilation: dilations, pads } = windowOf(subject, kernel.length, { kernel, ...options });
  const image = [1, channels * groups, ...each(subject, "size", size, kernel.length)];
  const axes = convAxes(image, weight.shape, { auto_pad: "NOTSET", group: groups, strides, dilations, pads });
  const shape = [filters * sizeOf(axes.map(({ output }) => output)), sizeOf(image)] as const;
  if (sizeOf(shape) > mostElements)
    throw new StriateError({
      subject,
      found: `a matrix of ${shape.join("x")}`,
      expected: `at most ${mostElements} elements`,
      mend: "Take a smaller input or fewer channels",
    });
  const matrix = zeros(shape, weight.dtype);
  const places = Float64Array.from({ length: shape[1] }, (_, place) => place + 1);
  for (const { output, weights, filters, positions, elements, gather } of pieces(image, weight.shape, groups, axes)) {
    const patches = gather(places);
    for (let filter = 0; filter < filters; filter++)
      for (let index = 0; index < positions * elements; index++) {
        const row = output.at + filter * output.strides[0] + Math.floor(index / elements);
        const value = weight.numbers[weights + filter * elements + (index % elements)]!;
        if (patches[index]! > 0) matrix.numbers[row * shape[1] + patches[index]! - 1] = value;
      }
  }
  return matrix;
}
