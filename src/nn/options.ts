/** Options as users write them, made uniform once, at the edge. */
import { StriateError } from "../errors.ts";
import type { Dimension, Value } from "../graph/value.ts";
import { formatShape } from "../tensor/shape.ts";

/** One number for every spatial axis, or one for each. */
export type Each = number | readonly number[];

/** @throws StriateError when the number is not whole, or below `least` */
export function wholeNumber(subject: string, name: string, value: number, least = 1): number {
  if (!Number.isSafeInteger(value) || value < least)
    throw new StriateError({ subject, found: `${name} ${value}`, expected: `a whole number of at least ${least}` });
  return value;
}

/** @throws StriateError when the number is not finite */
export function finite(subject: string, name: string, value: number): number {
  if (!Number.isFinite(value))
    throw new StriateError({ subject, found: `${name} ${value}`, expected: "a finite number" });
  return value;
}

/** @throws StriateError when the number is not finite, or not above 0 */
export function positive(subject: string, name: string, value: number): number {
  if (!(value > 0 && Number.isFinite(value)))
    throw new StriateError({ subject, found: `${name} ${value}`, expected: "a number above 0" });
  return value;
}

/** @throws StriateError when the number is not finite, or below 0 */
export function notNegative(subject: string, name: string, value: number): number {
  if (!(value >= 0 && Number.isFinite(value)))
    throw new StriateError({ subject, found: `${name} ${value}`, expected: "a number of at least 0" });
  return value;
}

/** A whole number for every spatial axis. */
export function each(subject: string, name: string, value: Each, axes: number, least = 1): readonly number[] {
  const values = typeof value === "number" ? new Array<number>(axes).fill(value) : value;
  if (values.length !== axes)
    throw new StriateError({ subject, found: `${name} [${values}]`, expected: `one number or ${axes}` });
  return values.map((length) => wholeNumber(subject, name, length, least));
}

/**
 * Borders: "valid" for none; "same" for a stride of 1 to keep the size, and any other to pick every stride-th of what a
 * stride of 1 gives: ceil(size / stride) elements; numbers of elements for all sides, or for each axis one, or [before, after].
 */
export type Padding = "valid" | "same" | number | readonly (number | readonly [number, number])[];

/** The padding as ONNX writes it: before every axis (top, left), then after (bottom, right). */
export function paddingOf(
  subject: string,
  padding: Padding,
  kernel: readonly number[],
  dilation: readonly number[],
): readonly number[] {
  if (padding === "valid") return kernel.flatMap(() => [0, 0]);
  if (padding === "same") {
    const total = kernel.map((length, axis) => dilation[axis]! * (length - 1));
    const before = total.map((each) => Math.floor(each / 2));
    return [...before, ...total.map((each, axis) => each - before[axis]!)];
  }
  const sides = typeof padding === "object" ? padding : kernel.map(() => padding);
  const pairs = sides.map((side) => (typeof side === "number" ? [side, side] : side));
  if (pairs.length !== kernel.length || pairs.some((pair) => pair.length !== 2))
    throw new StriateError({
      subject,
      found: `padding ${JSON.stringify(padding)}`,
      expected: `"valid", "same", one number or ${kernel.length}, each a number or [before, after]`,
    });
  return [0, 1].flatMap((end) => pairs.map((pair) => wholeNumber(subject, "padding", pair[end]!, 0)));
}

/** How a window slides, as layers are told. */
export interface WindowOptions {
  readonly kernel: Each;
  readonly stride?: Each;
  /** Distance between the kernel's taps. */
  readonly dilation?: Each;
  /** "valid" (the default), "same", or elements before and after each axis. */
  readonly padding?: Padding;
}

/** The same with a number for every spatial axis, and the padding as ONNX writes it. */
export function windowOf(
  subject: string,
  axes: number,
  { kernel, stride = 1, dilation = 1, padding = "valid" }: WindowOptions,
) {
  const taps = each(subject, "kernel", kernel, axes);
  const spacing = each(subject, "dilation", dilation, axes);
  return {
    kernel: taps,
    stride: each(subject, "stride", stride, axes),
    dilation: spacing,
    pads: paddingOf(subject, padding, taps, spacing),
  };
}

/** A number of channels that must be known to make weights for. */
export function channelsOf(subject: string, x: Value, rank: number): number {
  const channels: Dimension | undefined = x.shape[1];
  if (x.shape.length !== rank || typeof channels !== "number")
    throw new StriateError({
      subject,
      found: `an input of ${formatShape(x.shape)}`,
      expected: rank === 2 ? "[batch, features]" : `[batch, channels${", size".repeat(rank - 2)}]`,
      mend: rank === 2 ? "Put `flatten()` before it" : undefined,
    });
  return channels;
}

/** How many spatial axes an input has, at least one. */
export function axesOf(subject: string, x: Value): number {
  if (x.shape.length < 3)
    throw new StriateError({
      subject,
      found: `an input of ${formatShape(x.shape)}`,
      expected: "[batch, channels, size, ...]",
    });
  return x.shape.length - 2;
}

/**
 * Refuses windows that leave a remainder: output = (input + padding - kernel) / stride + 1 must be whole.
 */
export function requireExact(
  subject: string,
  x: Value,
  { kernel, stride, pads, dilation }: Readonly<Record<"kernel" | "stride" | "pads" | "dilation", readonly number[]>>,
): void {
  x.shape.slice(2).forEach((length, axis) => {
    const extent = dilation[axis]! * (kernel[axis]! - 1) + 1;
    const added = pads[axis]! + pads[axis + kernel.length]!;
    const room = typeof length === "number" ? length + added - extent : Number.NaN;
    if (room % stride[axis]! === 0) return;
    throw new StriateError({
      subject,
      found: `(${length} + ${added} - ${extent}) / ${stride[axis]} + 1 positions along axis ${axis + 2}`,
      expected: "a whole number, since `exact` is set (fractions are illegal)",
      mend: "Change the input's size, kernel, stride or padding, or leave `exact` out to round down",
    });
  });
}
