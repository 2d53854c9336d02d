/** How one axis is resized: the matrix of what every element of the result takes from every element of the axis. */
import { StriateError } from "../errors.ts";
import { type AxisMatrix, isMatrixOfSize } from "./along.ts";

/** What decides the weights along an axis. */
export interface AxisResize {
  readonly input: number;
  readonly output: number;
  readonly scale: number;
  /** The part of the axis that `tf_crop_and_resize` takes, in fractions of it. */
  readonly crop: readonly [number, number];
  readonly antialias: boolean;
  readonly mode: string;
  readonly coordinates: string;
  readonly rounding: string;
  readonly cubic: number;
  readonly excludeOutside: boolean;
}

type Place = (index: number, axis: AxisResize) => number;

const halfPixel: Place = (index, { scale }) => (index + 0.5) / scale - 0.5;

const places: Readonly<Record<string, Place>> = {
  half_pixel: halfPixel,
  half_pixel_symmetric: (index, axis) =>
    (axis.input / 2) * (1 - axis.output / (axis.scale * axis.input)) + halfPixel(index, axis),
  pytorch_half_pixel: (index, axis) => (axis.output > 1 ? halfPixel(index, axis) : 0),
  align_corners: (index, { input, output, scale }) => {
    // By the standard, the length before it is rounded down.
    const length = Math.abs(scale * input - output) < 1e-6 ? output : scale * input;
    return output > 1 ? (index * (input - 1)) / (length - 1) : 0;
  },
  asymmetric: (index, { scale }) => index / scale,
  tf_half_pixel_for_nn: (index, { scale }) => (index + 0.5) / scale,
  tf_crop_and_resize: (index, { input, output, crop: [start, end] }) =>
    output > 1
      ? start * (input - 1) + (index * (end - start) * (input - 1)) / (output - 1)
      : 0.5 * (start + end) * (input - 1),
};

const roundings: Readonly<Record<string, (place: number) => number>> = {
  round_prefer_floor: (place) => Math.ceil(place - 0.5),
  round_prefer_ceil: (place) => Math.floor(place + 0.5),
  floor: Math.floor,
  ceil: Math.ceil,
};

/** What an element this far from a place weighs: by linear interpolation, or by Keys' cubic convolution kernel. */
const kernels: Readonly<Record<string, { readonly reach: number; weight(distance: number, a: number): number }>> = {
  linear: { reach: 1, weight: (distance) => 1 - distance },
  cubic: {
    reach: 2,
    weight: (distance, a) =>
      distance <= 1
        ? ((a + 2) * distance - (a + 3)) * distance * distance + 1
        : a * (((distance - 5) * distance + 8) * distance - 4),
  },
};

/**
 * The first element that a place takes from, and the weights of it and those after it. Against aliasing, where elements
 * grow fewer the kernel grows as wide as they lie apart.
 */
function taps(place: number, axis: AxisResize): { first: number; weights: readonly number[] } {
  if (axis.mode === "nearest") return { first: roundings[axis.rounding]!(place), weights: [1] };
  const { reach, weight } = kernels[axis.mode]!;
  const step = axis.antialias ? Math.min(axis.scale, 1) : 1;
  const first = Math.floor(place - reach / step) + 1;
  const count = Math.ceil(place + reach / step) - first;
  const weights: number[] = [];
  for (let tap = first; tap < first + count; tap++) weights.push(weight(Math.abs(tap - place) * step, axis.cubic));
  if (step === 1) return { first, weights };
  const total = weights.reduce((sum, each) => sum + each, 0);
  return { first, weights: weights.map((each) => each / total) };
}

/** @throws StriateError for a mode that ONNX does not have */
export function checkModes(mode: string, coordinates: string, rounding: string): void {
  const refuse = (found: string, known: readonly string[]) => {
    throw new StriateError({ subject: "Resize", found, expected: `one of ${known.join(", ")}` });
  };
  const modes = ["nearest", "linear", "cubic"];
  if (!modes.includes(mode)) refuse(`mode ${mode}`, modes);
  if (!Object.hasOwn(places, coordinates)) refuse(`coordinates ${coordinates}`, Object.keys(places));
  if (!Object.hasOwn(roundings, rounding)) refuse(`rounding ${rounding}`, Object.keys(roundings));
}

/** Where in the axis an element of the result stands. */
export const placeOf = (index: number, axis: AxisResize): number => places[axis.coordinates]!(index, axis);

/** Whether a place of `tf_crop_and_resize` is off the axis, so that the extrapolation value stands there. */
export const isOutside = (place: number, { coordinates, input }: AxisResize): boolean =>
  coordinates === "tf_crop_and_resize" && (place < 0 || place > input - 1);

/** The weights [output, input] of resizing one axis; elements beyond the border are those at it, unless excluded. */
export function resizeMatrix(axis: AxisResize): AxisMatrix {
  const { input, output } = axis;
  if (!isMatrixOfSize(output, input))
    throw new StriateError({ subject: "Resize", found: `an axis of ${input} to ${output}`, expected: "shorter ones" });
  const data = new Float64Array(output * input);
  for (let row = 0; row < output; row++) {
    const place = placeOf(row, axis);
    if (isOutside(place, axis)) continue;
    const { first, weights } = taps(place, axis);
    const excludes = axis.excludeOutside && (axis.mode === "cubic" || axis.antialias);
    const isExcluded = (tap: number) => excludes && (first + tap < 0 || first + tap >= input);
    const total = axis.excludeOutside
      ? weights.reduce((sum, weight, tap) => (isExcluded(tap) ? sum : sum + weight), 0)
      : 1;
    for (let tap = 0; tap < weights.length; tap++)
      if (!isExcluded(tap)) data[row * input + Math.min(Math.max(first + tap, 0), input - 1)]! += weights[tap]! / total;
  }
  return { rows: output, columns: input, data };
}
