/** Sliding windows: the geometry that convolutions and pooling share, over any number of spatial axes. */
import { StriateError } from "../errors.ts";
import type { Dimension } from "../graph/value.ts";
import { formatShape } from "../tensor/shape.ts";
import { lengthened } from "./core/shape.ts";

/** How a window slides, as ONNX writes it. */
export interface WindowAttributes {
  /** NOTSET (use `pads`), VALID, SAME_UPPER or SAME_LOWER. */
  auto_pad: string;
  dilations?: readonly number[];
  kernel_shape?: readonly number[];
  /** Before each spatial axis, then after each. */
  pads?: readonly number[];
  strides?: readonly number[];
}

const paddings: readonly string[] = ["NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"];

export const windowAttributes = {
  auto_pad: { kind: "string", default: "NOTSET" },
  dilations: { kind: "ints" },
  kernel_shape: { kind: "ints" },
  pads: { kind: "ints" },
  strides: { kind: "ints" },
} as const;

/** One spatial axis of a sliding window, everything known. */
export interface WindowAxis {
  readonly input: number;
  readonly output: number;
  readonly kernel: number;
  readonly stride: number;
  readonly dilation: number;
  readonly before: number;
  readonly after: number;
}

/** Larger kernels, strides, dilations and pads are a mistake or an attack: runtimes multiply them without care. */
const largestSetting = 2 ** 24;

interface Rounding {
  /** Count a last window that hangs over the end, as long as it starts inside the input or its front padding. */
  readonly ceil?: boolean;
}

/** Strides, dilations and pads, one for each spatial axis, whatever is left out written out. */
interface Window {
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  readonly pads: readonly number[];
}

/** @throws StriateError unless there is a kernel, stride, dilation and padding in range for each of `rank` axes */
export function windowOf(
  subject: string,
  rank: number,
  kernel: readonly number[],
  attributes: WindowAttributes,
): Window {
  const each = (given: readonly number[] | undefined, missing: number) =>
    given ?? new Array<number>(rank).fill(missing);
  if (!paddings.includes(attributes.auto_pad))
    throw new StriateError({ subject, found: `auto_pad ${attributes.auto_pad}`, expected: paddings.join(", ") });
  const strides = each(attributes.strides, 1);
  const dilations = each(attributes.dilations, 1);
  const pads = attributes.pads ?? new Array<number>(2 * rank).fill(0);
  const counts = [kernel.length, strides.length, dilations.length, pads.length / 2];
  if (rank < 1 || counts.some((count) => count !== rank))
    throw new StriateError({
      subject,
      found: `kernel [${kernel}], strides [${strides}], dilations [${dilations}], pads [${pads}]`,
      expected: `${rank} of each (and twice as many pads) for an input of ${rank} spatial axes`,
    });
  for (const [name, values, least] of [
    ["kernel", kernel, 1],
    ["stride", strides, 1],
    ["dilation", dilations, 1],
    ["padding", pads, 0],
  ] as const)
    if (values.some((value) => !Number.isSafeInteger(value) || value < least || value > largestSetting))
      throw new StriateError({
        subject,
        found: `${name} ${values.join("x")}`,
        expected: `whole numbers from ${least} to 2^24`,
      });
  return { strides, dilations, pads };
}

/** The geometry along each spatial axis; a dimension that has only a name gives an output that has only a name. */
export function slide(
  subject: string,
  spatial: readonly Dimension[],
  kernel: readonly number[],
  attributes: WindowAttributes,
  { ceil = false }: Rounding = {},
): { readonly shape: Dimension[]; readonly axes: WindowAxis[] | undefined } {
  const rank = spatial.length;
  const { strides, dilations, pads } = windowOf(subject, rank, kernel, attributes);
  const axes = spatial.map((length, axis): WindowAxis | string => {
    const [k, stride, dilation] = [kernel[axis]!, strides[axis]!, dilations[axis]!];
    const extent = dilation * (k - 1) + 1;
    if (typeof length === "string")
      return nameOutput(length, attributes.auto_pad, pads[axis]! + pads[axis + rank]! - extent, stride, ceil);
    const [before, after] = padding(attributes.auto_pad, length, extent, stride, pads[axis]!, pads[axis + rank]!);
    const room = length + before + after - extent;
    if (room < 0)
      throw new StriateError({
        subject,
        found: `a kernel of ${kernel.join("x")}${dilation > 1 ? ` (dilated to ${extent})` : ""} on an input of ${formatShape(spatial)}`,
        expected: `at most ${length + before + after} along axis ${axis + 2} with padding counted`,
        mend: 'Use a smaller kernel, a larger input, or padding ("same" keeps the size)',
      });
    let output = Math.floor(room / stride) + 1;
    if (ceil && room % stride !== 0 && output * stride < length + before) output++;
    return { input: length, output, kernel: k, stride, dilation, before, after };
  });
  const fixed = axes.every((axis): axis is WindowAxis => typeof axis !== "string");
  return {
    shape: axes.map((axis) => (typeof axis === "string" ? axis : axis.output)),
    axes: fixed ? axes : undefined,
  };
}

function padding(autoPad: string, length: number, extent: number, stride: number, before: number, after: number) {
  if (autoPad === "NOTSET") return [before, after] as const;
  if (autoPad === "VALID") return [0, 0] as const;
  const total = Math.max(0, (Math.ceil(length / stride) - 1) * stride + extent - length);
  const less = Math.floor(total / 2);
  return autoPad === "SAME_UPPER" ? ([less, total - less] as const) : ([total - less, less] as const);
}

function nameOutput(length: string, autoPad: string, added: number, stride: number, ceil: boolean): string {
  if (autoPad.startsWith("SAME")) return stride === 1 ? length : `ceil(${length}/${stride})`;
  if (stride === 1) return lengthened(length, added + 1);
  return `${ceil ? "ceil" : "floor"}((${lengthened(length, added)})/${stride})+1`;
}

/** The padding of known geometry, as ONNX writes it. */
export const padsOf = (axes: readonly WindowAxis[]): number[] => [
  ...axes.map((axis) => axis.before),
  ...axes.map((axis) => axis.after),
];

/** What a window visits at one output position: flat offsets into a map of the input and into the kernel. */
export interface WindowTaps {
  /** For each output position (row-major), where its taps start and end in the two arrays below. */
  readonly starts: Int32Array;
  readonly input: Int32Array;
  readonly kernel: Int32Array;
}

/** More triples than this take more memory and time than plain loops are for. */
const mostTaps = 2 ** 25;

/**
 * Every (output, input, kernel) triple of a sliding window; taps that fall on padding are left out.
 * @throws StriateError when they are more than 2^25
 */
export function tapsOf(axes: readonly WindowAxis[]): WindowTaps {
  return axes.map(tapsAlong).reduce(product, {
    starts: Int32Array.of(0, 1),
    input: Int32Array.of(0),
    kernel: Int32Array.of(0),
    lengths: [1, 1],
  });
}

/** Taps, and the lengths of the input and kernel that their offsets go through. */
interface AxisTaps extends WindowTaps {
  readonly lengths: readonly [input: number, kernel: number];
}

const checkCount = (count: number): void => {
  if (count > mostTaps)
    throw new StriateError({
      subject: "window",
      found: `${count} products of elements and weights for one map`,
      expected: "at most 2^25, to be computed one by one",
    });
};

function tapsAlong(axis: WindowAxis): AxisTaps {
  const { dilation, stride, before } = axis;
  const ranges = Array.from({ length: axis.output }, (_, output) => {
    const start = output * stride - before;
    const first = Math.max(0, Math.ceil(-start / dilation));
    return { start, first, end: Math.max(first, Math.min(axis.kernel, Math.ceil((axis.input - start) / dilation))) };
  });
  const count = ranges.reduce((sum, { first, end }) => sum + end - first, 0);
  checkCount(count);
  const starts = new Int32Array(ranges.length + 1);
  const [input, kernel] = [new Int32Array(count), new Int32Array(count)];
  let tap = 0;
  for (const [output, { start, first, end }] of ranges.entries()) {
    for (let k = first; k < end; k++, tap++) [input[tap], kernel[tap]] = [start + k * dilation, k];
    starts[output + 1] = tap;
  }
  return { starts, input, kernel, lengths: [axis.input, axis.kernel] };
}

/** The taps over two axes, or several and one: the second's innermost. */
function product(outer: AxisTaps, inner: AxisTaps): AxisTaps {
  const count = outer.input.length * inner.input.length;
  checkCount(count);
  const [inputLength, kernelLength] = inner.lengths;
  const [outerPositions, innerPositions] = [outer.starts.length - 1, inner.starts.length - 1];
  const starts = new Int32Array(outerPositions * innerPositions + 1);
  const [input, kernel] = [new Int32Array(count), new Int32Array(count)];
  let tap = 0;
  for (let position = 0; position < starts.length - 1; position++) {
    const [row, column] = [Math.floor(position / innerPositions), position % innerPositions];
    for (let from = outer.starts[row]!; from < outer.starts[row + 1]!; from++)
      for (let along = inner.starts[column]!; along < inner.starts[column + 1]!; along++, tap++) {
        input[tap] = outer.input[from]! * inputLength + inner.input[along]!;
        kernel[tap] = outer.kernel[from]! * kernelLength + inner.kernel[along]!;
      }
    starts[position + 1] = tap;
  }
  return { starts, input, kernel, lengths: [inputLength, kernelLength] };
}
