/** Convolutions as their definitions say, element by element: written without looking at the operators they check. */
import type { Shape } from "../../src/tensor/shape.ts";
import { type Tensor, tensor } from "../../src/tensor/tensor.ts";

/** Every index into a shape, in row-major order. */
export const indicesOf = (shape: Shape): number[][] =>
  shape.reduce<number[][]>(
    (found, length) => found.flatMap((index) => Array.from({ length }, (_, each) => [...index, each])),
    [[]],
  );

export const elementAt = (x: Tensor, index: readonly number[]): number =>
  x.numbers[index.reduce((offset, each, axis) => offset * x.shape[axis]! + each, 0)]!;

/** A tensor from a function of the index. */
export const tensorOf = (shape: Shape, element: (index: readonly number[]) => number): Tensor =>
  tensor(indicesOf(shape).map(element), shape);

export interface PlainConvolution {
  readonly stride: readonly number[];
  readonly dilation: readonly number[];
  readonly pads: readonly (readonly [number, number])[];
  readonly groups: number;
  readonly border: "zeros" | "reflect" | "replicate" | "circular";
  readonly flip: boolean;
}

/** The element of a line of so many that stands at a place beyond its ends, or undefined for a zero. */
function placeOf(place: number, length: number, border: PlainConvolution["border"]): number | undefined {
  if (place >= 0 && place < length) return place;
  if (border === "zeros") return undefined;
  if (border === "replicate") return place < 0 ? 0 : length - 1;
  if (border === "circular") return (place + length) % length;
  return place < 0 ? -place : 2 * (length - 1) - place;
}

/** y[b, k, p] = bias[k] + the sum over c and t of w[k, c, t] x[b, c, stride p + dilation t - before], t turned over if flipped. */
export function plainConvolution(x: Tensor, w: Tensor, bias: Tensor | undefined, options: PlainConvolution): Tensor {
  const { stride, dilation, pads, groups, border, flip } = options;
  const [batch, , ...size] = x.shape;
  const [filters, inputs, ...kernel] = w.shape as [number, number, ...number[]];
  const out = size.map((length, axis) =>
    Math.floor(
      (length + pads[axis]![0] + pads[axis]![1] - dilation[axis]! * (kernel[axis]! - 1) - 1) / stride[axis]! + 1,
    ),
  );
  const taps = indicesOf([inputs, ...kernel]);
  return tensorOf([batch!, filters, ...out], ([image, filter, ...place]) => {
    let sum = bias ? bias.numbers[filter!]! : 0;
    const first = Math.floor(filter! / (filters / groups)) * inputs;
    for (const [channel, ...tap] of taps) {
      const from = place.map((at, axis) =>
        placeOf(at * stride[axis]! + tap[axis]! * dilation[axis]! - pads[axis]![0], size[axis]!, border),
      );
      if (from.includes(undefined)) continue;
      const turned = flip ? tap.map((each, axis) => kernel[axis]! - 1 - each) : tap;
      sum +=
        elementAt(w, [filter!, channel!, ...turned]) * elementAt(x, [image!, first + channel!, ...(from as number[])]);
    }
    return sum;
  });
}

/** x with `stride - 1` zeros between its elements (chapter, equation 1.9). */
export const plainDilation = (x: Tensor, stride: readonly number[]): Tensor =>
  tensorOf(
    [...x.shape.slice(0, 2), ...x.shape.slice(2).map((length, axis) => (length - 1) * stride[axis]! + 1)],
    ([image, channel, ...place]) =>
      place.every((at, axis) => at % stride[axis]! === 0)
        ? elementAt(x, [image!, channel!, ...place.map((at, axis) => at / stride[axis]!)])
        : 0,
  );
