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
  if (counts.some((count) => count !== rank))
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
    if (values.some((value) => !Number.isSafeInteger(value) || value < least || value > 2 ** 31 - 1))
      throw new StriateError({
        subject,
        found: `${name} ${values.join("x")}`,
        expected: `whole numbers from ${least}`,
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
        expected: `at most ${length + before + after} along axis ${axis} with padding counted`,
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

/** Every (output, input, kernel) triple of a sliding window; taps that fall on padding are left out. */
export function tapsOf(axes: readonly WindowAxis[]): WindowTaps {
  let taps: { input: number; kernel: number }[][] = [[{ input: 0, kernel: 0 }]];
  for (const axis of axes) {
    const next: { input: number; kernel: number }[][] = [];
    for (const outer of taps)
      for (let output = 0; output < axis.output; output++) {
        const here: { input: number; kernel: number }[] = [];
        for (const tap of outer)
          for (let k = 0; k < axis.kernel; k++) {
            const place = output * axis.stride - axis.before + k * axis.dilation;
            if (place >= 0 && place < axis.input)
              here.push({ input: tap.input * axis.input + place, kernel: tap.kernel * axis.kernel + k });
          }
        next.push(here);
      }
    taps = next;
  }
  const flat = taps.flat();
  const begin = new Int32Array(taps.length + 1);
  taps.forEach((here, output) => {
    begin[output + 1] = begin[output]! + here.length;
  });
  return {
    starts: begin,
    input: Int32Array.from(flat, (tap) => tap.input),
    kernel: Int32Array.from(flat, (tap) => tap.kernel),
  };
}
