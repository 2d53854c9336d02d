/** What the convolutions share: their geometry, and the triples of output, input and weight that they multiply. */
import { StriateError } from "../errors.ts";
import type { Dimension } from "../graph/value.ts";
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

/**
 * Visits every product of a grouped convolution: `visit(output, input, weight)` with flat offsets into y, x and w.
 * Forward, input gradient and weight gradient are the same triples, read in three ways.
 */
export function correlate(
  x: Shape,
  w: Shape,
  group: number,
  axes: readonly WindowAxis[],
  visit: (output: number, input: number, weight: number) => void,
): void {
  const taps = tapsOf(axes);
  const positions = taps.starts.length - 1;
  const [batch, channels, filters, groupChannels] = [x[0]!, x[1]!, w[0]!, w[1]!];
  const [inputMap, kernelMap] = [sizeOf(x.slice(2)), sizeOf(w.slice(2))];
  const groupFilters = filters / group;
  for (let image = 0; image < batch; image++)
    for (let filter = 0; filter < filters; filter++)
      for (let channel = 0; channel < groupChannels; channel++) {
        const from = (image * channels + Math.floor(filter / groupFilters) * groupChannels + channel) * inputMap;
        const weight = (filter * groupChannels + channel) * kernelMap;
        const to = (image * filters + filter) * positions;
        for (let position = 0; position < positions; position++)
          for (let tap = taps.starts[position]!; tap < taps.starts[position + 1]!; tap++)
            visit(to + position, from + taps.input[tap]!, weight + taps.kernel[tap]!);
      }
}

/** The known geometry of a convolution node or of one of its gradients. */
export function convAxes(x: readonly Dimension[], w: readonly Dimension[], attributes: ConvAttributes): WindowAxis[] {
  const { axes } = convGeometry("Conv", x, w, attributes);
  if (!axes)
    throw new StriateError({ subject: "Conv", found: formatShape(x), expected: "spatial sizes that are known" });
  return axes;
}
