/** How far apart tensors are. */
import { isFloat } from "../../src/tensor/dtype.ts";
import { formatShape, sameShape } from "../../src/tensor/shape.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";

/** The largest magnitude among the finite elements of several tensors, 0 if there are none. */
export function largestMagnitude(tensors: Iterable<Tensor>): number {
  let largest = 0;
  for (const each of tensors)
    for (const value of each.toArray()) if (Number.isFinite(value)) largest = Math.max(largest, Math.abs(value));
  return largest;
}

/** The largest |found - expected|; infinite where one of two is not a number or they are infinite in different ways. */
export function largestDifference(found: Tensor, expected: Tensor): number {
  const [left, right] = [found.toArray(), expected.toArray()];
  let largest = 0;
  for (let index = 0; index < left.length; index++) {
    const [a, b] = [left[index]!, right[index]!];
    if (Object.is(a, b)) continue;
    const difference = Math.abs(a - b);
    largest = Math.max(largest, Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference);
  }
  return largest;
}

export interface Tolerance {
  /** The difference that is forgiven, as a part of the largest expected magnitude. */
  readonly relative: number;
  /** The magnitude to measure against, where that of the expected tensor alone would be too small. */
  readonly scale?: number;
}

/**
 * Demands one shape, and elements that differ by at most `relative` times the largest expected magnitude (integers: not
 * at all).
 * @throws Error that says what differs and by how much
 */
export function expectClose(subject: string, found: Tensor | undefined, expected: Tensor, tolerance: Tolerance): void {
  if (found === undefined) throw new Error(`${subject}: there is no result`);
  if (!sameShape(found.shape, expected.shape))
    throw new Error(`${subject}: shape ${formatShape(found.shape)}; expected ${formatShape(expected.shape)}`);
  const difference = largestDifference(found, expected);
  const scale = tolerance.scale ?? largestMagnitude([expected]);
  const allowed = isFloat(expected.dtype) ? tolerance.relative * scale : 0;
  if (difference > allowed)
    throw new Error(
      `${subject}: off by ${difference.toExponential(2)}; at most ${allowed.toExponential(2)} is allowed\n` +
        `  found    ${excerpt(found)}\n  expected ${excerpt(expected)}`,
    );
}

const excerpt = (each: Tensor): string => {
  const shown = each
    .toArray()
    .slice(0, 12)
    .map((value) => Number(value.toPrecision(7)));
  return `${formatShape(each.shape)} [${shown.join(", ")}${each.size > shown.length ? ", ..." : ""}]`;
};
