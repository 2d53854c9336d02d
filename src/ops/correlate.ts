/** What the convolutions share: their geometry, and the matrix products that they are made of. */
import { StriateError } from "../errors.ts";
import type { Dimension } from "../graph/value.ts";
import type { NumberArray } from "../tensor/dtype.ts";
import { formatShape, type Shape, sameShape, sizeOf } from "../tensor/shape.ts";
import { slide, tapsOf, type WindowAttributes, type WindowAxis, windowAttributes } from "./window.ts";

export interface ConvAttributes extends WindowAttributes {
  group: number;
}

export const convAttributes = { ...windowAttributes, group: { kind: "int", default: 1 } } as const;

/** The geometry of a convolution of `x` [batch, channels, ...] with `w` [filters, channels / group, ...]. */
export function convGeometry(
  subject: string,
  x: readonly Dimension[],
  w: readonly Dimension[],
  attributes: ConvAttributes,
) {
  const kernel = w.slice(2) as readonly number[];
  const { group } = attributes;
  const [channels, filters] = [x[1], w[0]];
  if (x.length !== w.length || x.length < 3)
    throw new StriateError({
      subject,
      found: `an input of ${formatShape(x)} and weights of ${formatShape(w)}`,
      expected: "[batch, channels, spatial...] and [filters, channels / groups, kernel...] of one rank",
    });
  if (typeof channels === "number" && (w[1] as number) * group !== channels)
    throw new StriateError({
      subject,
      found: `${channels} input channels, ${group} groups and weights of ${formatShape(w)}`,
      expected: `weights for ${(w[1] as number) * group} channels to match the input`,
    });
  if (typeof filters === "number" && filters % group !== 0)
    throw new StriateError({ subject, found: `${filters} filters`, expected: `a multiple of the ${group} groups` });
  if (attributes.kernel_shape && !sameShape(attributes.kernel_shape, kernel))
    throw new StriateError({
      subject,
      found: `kernel_shape ${formatShape(attributes.kernel_shape)} and weights of ${formatShape(w)}`,
      expected: "one kernel",
    });
  return slide(subject, x.slice(2), kernel, attributes);
}

/** A part of a convolution that is a matrix product: some positions of one image, and the channels of one group. */
export interface Piece {
  /** The output's part: [filters, positions], the positions side by side and each filter a map further. */
  readonly output: { readonly at: number; readonly strides: readonly [number, number] };
  /** The weights' part: [filters, elements of a patch], row-major, starting here. */
  readonly weights: number;
  readonly filters: number;
  readonly positions: number;
  /** Elements of a patch: channels by kernel. */
  readonly elements: number;
  /** The patches of an input under the kernel, [positions, elements]; zeros on padding. */
  gather(input: NumberArray): Float64Array<ArrayBuffer>;
  /** Adds patches back to where they were cut from. */
  scatter(patches: Float64Array, into: Float64Array): void;
}

/** The most numbers in the patches of one piece: they stay in cache. */
const largestPatches = 2 ** 17;

/**
 * The matrix products that a grouped convolution is made of (chapter, Algorithm 1). Forward, output = weights patches^T;
 * the gradient of the weights is output patches, that of the patches output^T weights.
 */
export function* pieces(x: Shape, w: Shape, group: number, axes: readonly WindowAxis[]): Generator<Piece> {
  const taps = tapsOf(axes);
  const total = taps.starts.length - 1;
  const [batch, channels, filters, groupChannels] = [x[0]!, x[1]!, w[0]!, w[1]!];
  const [inputMap, kernelMap] = [sizeOf(x.slice(2)), sizeOf(w.slice(2))];
  const elements = groupChannels * kernelMap;
  const groupFilters = filters / group;
  const most = Math.max(1, Math.floor(largestPatches / elements));
  for (let image = 0; image < batch; image++)
    for (let part = 0; part < group; part++)
      for (let first = 0; first < total; first += most) {
        const positions = Math.min(most, total - first);
        const from = (image * channels + part * groupChannels) * inputMap;
        const each = (visit: (input: number, patch: number) => void) => {
          for (let channel = 0; channel < groupChannels; channel++)
            for (let position = 0; position < positions; position++) {
              const [map, row] = [from + channel * inputMap, position * elements + channel * kernelMap];
              const end = taps.starts[first + position + 1]!;
              for (let tap = taps.starts[first + position]!; tap < end; tap++)
                visit(map + taps.input[tap]!, row + taps.kernel[tap]!);
            }
        };
        yield {
          output: { at: (image * filters + part * groupFilters) * total + first, strides: [total, 1] },
          weights: part * groupFilters * elements,
          filters: groupFilters,
          positions,
          elements,
          gather: (input) => {
            const patches = new Float64Array(positions * elements);
            each((at, to) => {
              patches[to] = input[at]!;
            });
            return patches;
          },
          scatter: (patches, into) =>
            each((at, to) => {
              into[at]! += patches[to]!;
            }),
        };
      }
}

/** The known geometry of a convolution node or of one of its gradients. */
export function convAxes(x: readonly Dimension[], w: readonly Dimension[], attributes: ConvAttributes): WindowAxis[] {
  const { axes } = convGeometry("Conv", x, w, attributes);
  if (!axes)
    throw new StriateError({ subject: "Conv", found: formatShape(x), expected: "spatial sizes that are known" });
  return axes;
}
