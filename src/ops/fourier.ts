/** The discrete Fourier transform along an axis, as a product with a constant matrix of cosines and sines. */
import { StriateError } from "../errors.ts";
import type { Value } from "../graph/value.ts";
import { formatShape, normaliseAxis } from "../tensor/shape.ts";
import { type AxisMatrix, alongAxis, isMatrixOfSize } from "./along.ts";
import { reshape, transpose } from "./core/shape.ts";

export interface FourierOptions {
  /** Any axis but the last, which holds the real and the imaginary part; -1 is the last. */
  readonly axis: number;
  /** The signal is cut to this many elements, or zeros follow it; by default its own length. */
  readonly length?: number;
  readonly inverse?: boolean;
  /** Only the frequencies 0 to length / 2, the others of a real signal being their conjugates; inverse, from them to it. */
  readonly onesided?: boolean;
}

/**
 * X[k] = sum over j of x[j] exp(-2 pi i j k / length), or with the sign of the exponent changed and divided by the
 * length x from X. The last axis holds the real part, or the real and the imaginary part: [..., n, ..., 1 or 2] to
 * [..., k, ..., 2], or to 1 where the inverse is one-sided.
 *
 * @throws StriateError for an axis that there is not or whose length is not known, and for lengths below 1 or too large
 */
export function discreteFourierTransform(
  x: Value,
  { axis: given, length: wanted, inverse = false, onesided = false }: FourierOptions,
): Value {
  const subject = "DFT";
  const last = x.shape.length - 1;
  const axis = normaliseAxis(given, x.shape.length, subject);
  const [input, parts] = [x.shape[axis], x.shape[last]];
  if (axis === last || typeof input !== "number" || (parts !== 1 && parts !== 2))
    throw new StriateError({
      subject,
      found: `axis ${given} of ${formatShape(x.shape)}`,
      expected: "an axis of known length before the last, and 1 or 2 numbers along the last",
    });
  const toReal = inverse && onesided;
  if (onesided && !inverse && parts === 2)
    throw new StriateError({ subject, found: "the one side of a complex signal's transform", expected: "a real one" });
  const length = wanted ?? (toReal ? 2 * (input - 1) : input);
  const output = onesided && !inverse ? Math.floor(length / 2) + 1 : length;
  const outputParts = toReal ? 1 : 2;
  if (!(Number.isSafeInteger(length) && length >= 1 && isMatrixOfSize(output * outputParts, input * parts)))
    throw new StriateError({
      subject,
      found: `${length} elements, from ${input}`,
      expected: "at least 1, and at most 2048 by 2048 complex ones",
    });
  const matrix = transformMatrix({ length, input, parts, output, outputParts, inverse, onesided });
  const others = x.shape.flatMap((_, each) => (each === axis || each === last ? [] : [each]));
  const order = [...others, axis, last];
  const kept = others.map(() => 0);
  const rows = reshape(transpose(x, order), [...(kept.length > 0 ? kept : [1]), input * parts]);
  const result = reshape(alongAxis(rows, rows.shape.length - 1, matrix), [...kept, output, outputParts]);
  return transpose(
    result,
    order.map((_, each) => order.indexOf(each)),
  );
}

interface Sizes {
  readonly length: number;
  readonly input: number;
  readonly parts: number;
  readonly output: number;
  readonly outputParts: number;
  readonly inverse: boolean;
  readonly onesided: boolean;
}

/** The matrix [output * its parts, input * its parts] of a transform, real and imaginary parts side by side. */
function transformMatrix({ length, input, parts, output, outputParts, inverse, onesided }: Sizes): AxisMatrix {
  const columns = input * parts;
  const data = new Float64Array(output * outputParts * columns);
  const toReal = inverse && onesided;
  const used = toReal ? Math.floor(length / 2) + 1 : length;
  for (let row = 0; row < output; row++)
    for (let column = 0; column < Math.min(input, used); column++) {
      // Of a real signal, every frequency but 0 and half the length stands for its conjugate too.
      const times = toReal && column > 0 && 2 * column !== length ? 2 : 1;
      const scale = inverse ? times / length : 1;
      const angle = (2 * Math.PI * ((row * column) % length)) / length;
      const [real, imaginary] = [scale * Math.cos(angle), scale * (inverse ? 1 : -1) * Math.sin(angle)];
      const weights = [real, -imaginary, imaginary, real];
      for (let to = 0; to < outputParts; to++)
        for (let from = 0; from < parts; from++)
          data[(row * outputParts + to) * columns + column * parts + from] = weights[to * 2 + from]!;
    }
  return { rows: output * outputParts, columns, data };
}
