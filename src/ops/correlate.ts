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

/** The positions of a map at which one element of a kernel meets the input, and where in the input's map. */
export interface Meetings {
  readonly outputs: Int32Array;
  readonly inputs: Int32Array;
}

/**
 * Visits every product of a grouped convolution: for each output map and each input map that it sees
 * `visit(output, input, weight, kernel)`, with the flat offsets of the maps into y and x and of the kernel into w, and
 * for each element of the kernel what it meets. Forward, input gradient and weight gradient are the same products, read
 * in three ways.
 */
export function correlate(
  x: Shape,
  w: Shape,
  group: number,
  axes: readonly WindowAxis[],
  visit: (output: number, input: number, weight: number, kernel: readonly Meetings[]) => void,
): void {
  const kernel = meetingsOf(axes);
  const positions = axes.reduce((size, { output }) => size * output, 1);
  const [batch, channels, filters, groupChannels] = [x[0]!, x[1]!, w[0]!, w[1]!];
  const inputMap = sizeOf(x.slice(2));
  const groupFilters = filters / group;
  for (let image = 0; image < batch; image++)
    for (let filter = 0; filter < filters; filter++)
      for (let channel = 0; channel < groupChannels; channel++) {
        const from = (image * channels + Math.floor(filter / groupFilters) * groupChannels + channel) * inputMap;
        const weight = (filter * groupChannels + channel) * kernel.length;
        visit((image * filters + filter) * positions, from, weight, kernel);
      }
}

/** For each element of a kernel, what it meets. */
function meetingsOf(axes: readonly WindowAxis[]): Meetings[] {
  const taps = tapsOf(axes);
  const size = axes.reduce((product, { kernel }) => product * kernel, 1);
  const counts = new Int32Array(size);
  for (const element of taps.kernel) counts[element]!++;
  const kernel = Array.from(counts, (count) => ({ outputs: new Int32Array(count), inputs: new Int32Array(count) }));
  counts.fill(0);
  for (let position = 0; position < taps.starts.length - 1; position++)
    for (let tap = taps.starts[position]!; tap < taps.starts[position + 1]!; tap++) {
      const element = taps.kernel[tap]!;
      const place = counts[element]!++;
      kernel[element]!.outputs[place] = position;
      kernel[element]!.inputs[place] = taps.input[tap]!;
    }
  return kernel;
}

/** The known geometry of a convolution node or of one of its gradients. */
export function convAxes(x: readonly Dimension[], w: readonly Dimension[], attributes: ConvAttributes): WindowAxis[] {
  const { axes } = convGeometry("Conv", x, w, attributes);
  if (!axes)
    throw new StriateError({ subject: "Conv", found: formatShape(x), expected: "spatial sizes that are known" });
  return axes;
}
