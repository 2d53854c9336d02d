/** Compositions over the spatial axes of maps: adaptive and L_p pooling, unpooling, patches, sub-pixel shuffling. */
import { StriateError } from "../errors.ts";
import { apply } from "../graph/op.ts";
import { constant, type Value } from "../graph/value.ts";
import { allocate, isFloat } from "../tensor/dtype.ts";
import { formatShape, sizeOf } from "../tensor/shape.ts";
import { Tensor } from "../tensor/tensor.ts";
import { type AxisMatrix, alongAxis, isMatrixOfSize } from "./along.ts";
import { conv, convInputGradient } from "./conv.ts";
import { concat, Pad, pad, slice } from "./core/arrange.ts";
import { zerosLike } from "./core/broadcast.ts";
import { abs, equal, mul, pow, sqrt, where } from "./core/elementwise.ts";
import { ScatterElements } from "./core/index.ts";
import { type ReduceOptions, reduceMax, reduceSum } from "./core/reduce.ts";
import { reshape, reshapeLike, shapeOf, transpose, unsqueeze, vector } from "./core/shape.ts";
import { DepthToSpace } from "./depth-space.ts";
import { averagePool, MaxPool, type PoolAttributes, poolAxes, withOverhang } from "./pool.ts";
import { padsOf, slide } from "./window.ts";

/** The lengths of axes that must be known. */
export function lengthsOf(subject: string, x: Value, from: number, to?: number): readonly number[] {
  const lengths = x.shape.slice(from, to);
  const unknown = lengths.find((length) => typeof length === "string");
  if (unknown !== undefined)
    throw new StriateError({
      subject,
      found: `an axis of unknown length ${unknown}`,
      expected: "numbers",
      mend: "Bind the named dimensions first",
    });
  return lengths as readonly number[];
}

/** PyTorch's adaptive windows: from floor(i input / output) to ceil((i + 1) input / output). */
const adaptiveWindows = (input: number, output: number): readonly { start: number; end: number }[] =>
  Array.from({ length: output }, (_, index) => ({
    start: Math.floor((index * input) / output),
    end: Math.ceil(((index + 1) * input) / output),
  }));

/** The means of windows that share each spatial axis out among `size` elements: [batch, channels, ...size]. */
export function adaptiveAveragePool(x: Value, size: readonly number[]): Value {
  return lengthsOf("adaptiveAveragePool", x, 2).reduce((value, input, index): Value => {
    const windows = adaptiveWindows(input, size[index]!);
    const data = new Float64Array(windows.length * input);
    windows.forEach(({ start, end }, row) => {
      data.fill(1 / (end - start), row * input + start, row * input + end);
    });
    const matrix: AxisMatrix = { rows: windows.length, columns: input, data };
    return alongAxis(value, index + 2, matrix);
  }, x);
}

/** The largest elements of the same windows. */
export function adaptiveMaxPool(x: Value, size: readonly number[]): Value {
  return lengthsOf("adaptiveMaxPool", x, 2).reduce((value, input, index): Value => {
    const axis = index + 2;
    const parts = adaptiveWindows(input, size[index]!).map((window) =>
      reduceMax(slice(value, { axis, ...window }), { axes: [axis], keepDimensions: true }),
    );
    return concat(parts, axis);
  }, x);
}

/** |x|^p, and from sums of it the p-th root, whose gradient where the sum is 0 is taken as 0. */
function normOf(subject: string, p: number) {
  if (!(p > 0 && p < Number.POSITIVE_INFINITY))
    throw new StriateError({ subject, found: `p = ${p}`, expected: "a number above 0" });
  const root = (sum: Value): Value => (p === 1 ? sum : p === 2 ? sqrt(sum) : pow(sum, 1 / p));
  return {
    power: (x: Value): Value => {
      if (!isFloat(x.dtype)) throw new StriateError({ subject, found: x.dtype, expected: "floats" });
      if (p === 1 || p === 2) return p === 1 ? abs(x) : mul(x, x);
      if (p > 1) return pow(abs(x), p);
      // The slope of |x|^p at 0 is infinite here; 0 takes its place.
      const isZero = equal(x, 0);
      return where(isZero, 0, pow(abs(where(isZero, 1, x)), p));
    },
    root: (sum: Value): Value => {
      const isEmpty = equal(sum, 0);
      return where(isEmpty, 0, root(where(isEmpty, 1, sum)));
    },
  };
}

/** A window whose last place hangs over the end (`ceil_mode`) as one with so much more padding. */
export function explicitWindow(subject: string, x: Value, window: PoolAttributes): PoolAttributes {
  if (window.ceil_mode !== 1) return window;
  const axes = poolAxes([1, 1, ...lengthsOf(subject, x, 2)], window);
  return { ...window, auto_pad: "NOTSET", ceil_mode: 0, pads: padsOf(axes.map(withOverhang)) };
}

/** (sum under each window of |x|^p)^(1/p); windows lie inside the input or over zeros. */
export function lpPool(x: Value, p: number, attributes: Partial<PoolAttributes>): Value {
  const { power, root } = normOf("lpPool", p);
  const window = explicitWindow("lpPool", x, { auto_pad: "NOTSET", ceil_mode: 0, ...attributes });
  const means = averagePool(power(x), { ...window, count_include_pad: 1 });
  return root(mul(means, sizeOf(attributes.kernel_shape!)));
}

/** (sum along axes of |x|^p)^(1/p). */
export function lpNorm(subject: string, x: Value, p: number, options: ReduceOptions): Value {
  const { power, root } = normOf(subject, p);
  return root(reduceSum(power(x), options));
}

/** (sum over each whole map of |x|^p)^(1/p), spatial axes kept with length 1. */
export const globalLpPool = (x: Value, p: number): Value => lpNorm("globalLpPool", x, p, overMaps("globalLpPool", x));

/** The largest element of each whole map, spatial axes kept with length 1. */
export const globalMaxPool = (x: Value): Value => reduceMax(x, overMaps("globalMaxPool", x));

function overMaps(subject: string, x: Value): ReduceOptions {
  if (x.shape.length < 3)
    throw new StriateError({ subject, found: formatShape(x.shape), expected: "[batch, channels, spatial...]" });
  return { axes: x.shape.slice(2).map((_, axis) => axis + 2), keepDimensions: true };
}

/** Every window's largest element where it stood, zeros elsewhere (Zeiler and Fergus 2014); windows do not overlap. */
export function maxUnpoolOfMaxPool(x: Value, attributes: Partial<PoolAttributes>): Value {
  const [largest, indices] = apply(MaxPool, [x], attributes);
  return maxUnpool(largest!, indices!, zerosLike(x));
}

/** Elements put at their flat offsets into zeros. */
export const maxUnpool = (x: Value, indices: Value, zeros: Value): Value => {
  const [into, at, from] = [zeros, indices, x].map((value) => reshape(value, [-1]));
  return reshapeLike(apply(ScatterElements, [into, at, from])[0]!, zeros);
};

/** Sub-pixel shuffle: [batch, r^d channels, ...n] to [batch, channels, ...r n]. W. Shi et al., CVPR 2016. */
export function pixelShuffle(x: Value, factor: number): Value {
  const axes = x.shape.length - 2;
  const maps = Number(x.shape[1]) / factor ** axes;
  if (!Number.isInteger(maps))
    throw new StriateError({
      subject: "pixelShuffle",
      found: `${x.shape[1]} channels`,
      expected: `a multiple of ${factor ** axes}`,
    });
  if (axes === 2) return apply(DepthToSpace, [x], { blocksize: factor, mode: "CRD" })[0]!;
  const spatial = lengthsOf("pixelShuffle", x, 2);
  const apart = reshape(x, [0, maps, ...spatial.map(() => factor), ...spatial]);
  const places = spatial.flatMap((_, axis) => [2 + spatial.length + axis, 2 + axis]);
  return reshape(transpose(apart, [0, 1, ...places]), [0, maps, ...spatial.map((length) => length * factor)]);
}

/** The inverse: [batch, channels, ...r n] to [batch, r^d channels, ...n]. */
export function pixelUnshuffle(x: Value, factor: number): Value {
  const [channels, ...spatial] = lengthsOf("pixelUnshuffle", x, 1);
  if (spatial.some((length) => length % factor !== 0))
    throw new StriateError({
      subject: "pixelUnshuffle",
      found: `maps of ${formatShape(spatial)}`,
      expected: `multiples of ${factor}`,
    });
  const small = spatial.map((length) => length / factor);
  const apart = reshape(x, [0, channels!, ...small.flatMap((length) => [length, factor])]);
  const places = [...small.map((_, axis) => 3 + 2 * axis), ...small.map((_, axis) => 2 + 2 * axis)];
  return reshape(transpose(apart, [0, 1, ...places]), [0, channels! * factor ** small.length, ...small]);
}

/** Zeros between neighbours, so that they come to stand `stride` apart: length' = (length - 1) stride + 1. */
export const dilate = (x: Value, stride: readonly number[]): Value =>
  lengthsOf("dilate", x, 2).reduce((value, length, index): Value => {
    const [axis, step] = [index + 2, stride[index]!];
    if (step === 1) return value;
    const gaps = Array.from(
      { length: value.shape.length + 1 },
      (_, each) => [0, each === axis + 1 ? step - 1 : 0] as const,
    );
    const spaced = pad(unsqueeze(value, [axis + 1]), gaps);
    const after = (value.shape as readonly number[]).slice(axis + 1);
    const joined = reshape(spaced, [...value.shape.slice(0, axis).map(() => 0), length * step, ...after]);
    return slice(joined, { axis, start: 0, end: (length - 1) * step + 1 });
  }, x);

/** Where patches are taken: [per spatial axis]. */
export interface PatchOptions {
  readonly kernel: readonly number[];
  readonly stride?: readonly number[];
  readonly dilation?: readonly number[];
  /** Zeros before and after each axis, or before each and then after each. */
  readonly padding?: readonly number[];
}

/** Kernels that pick one element of the window each. */
function pickers(channels: number, kernel: readonly number[], dtype: Value["dtype"]): Value {
  const taps = sizeOf(kernel);
  if (!isMatrixOfSize(channels * taps, taps))
    throw new StriateError({
      subject: "patches",
      found: `${formatShape(kernel)} in ${channels} channels`,
      expected: "smaller ones",
    });
  const data = allocate(dtype, channels * taps * taps);
  for (let row = 0; row < channels * taps; row++) data[row * taps + (row % taps)] = 1;
  return constant(new Tensor(dtype, [channels * taps, 1, ...kernel], data));
}

const patchAttributes = (channels: number, { kernel, stride, dilation, padding }: PatchOptions) => {
  const border = padding ?? kernel.map(() => 0);
  return {
    group: channels,
    kernel_shape: kernel,
    strides: stride ?? kernel.map(() => 1),
    dilations: dilation ?? kernel.map(() => 1),
    pads: border.length === kernel.length ? [...border, ...border] : border,
  };
};

/** Patches as columns (Algorithm 1): [batch, channels, ...] to [batch, channels * taps, positions]. */
export function unfold(x: Value, options: PatchOptions): Value {
  const [channels] = lengthsOf("unfold", x, 1, 2);
  const columns = conv(x, pickers(channels!, options.kernel, x.dtype), undefined, patchAttributes(channels!, options));
  return reshape(columns, [0, channels! * sizeOf(options.kernel), -1]);
}

/** Columns summed back to where patches came from: unfold's transpose, to [batch, channels, ...size]. */
export function fold(columns: Value, size: readonly number[], options: PatchOptions): Value {
  const rows = columns.shape[1];
  const { kernel } = options;
  const channels = typeof rows === "number" ? rows / sizeOf(kernel) : Number.NaN;
  const attributes = { auto_pad: "NOTSET", ...patchAttributes(channels, options) };
  const { axes } = slide("fold", size, kernel, attributes);
  const positions = axes!.map(({ output }) => output);
  if (columns.shape.length !== 3 || !Number.isInteger(channels) || columns.shape[2] !== sizeOf(positions))
    throw new StriateError({
      subject: "fold",
      found: `columns of ${formatShape(columns.shape)}`,
      expected: `[batch, channels * ${sizeOf(kernel)}, ${sizeOf(positions)}] for maps of ${formatShape(size)}`,
    });
  const maps = reshape(columns, [0, 0, ...positions]);
  const shape = concat([slice(shapeOf(columns), { axis: 0, start: 0, end: 1 }), vector([channels, ...size])], 0);
  return convInputGradient(maps, pickers(channels, kernel, columns.dtype), shape, attributes);
}

/** Borders by PyTorch's names for them, and ONNX's. */
const borderModes = { zeros: "constant", reflect: "reflect", replicate: "edge", circular: "wrap" } as const;
export type Border = keyof typeof borderModes;

/** Elements before and after each spatial axis, by kind of border. */
export const padBorders = (x: Value, pads: readonly (readonly [number, number])[], border: Border): Value =>
  apply(Pad, [x, vector([0, 0, ...pads.map(([before]) => before), 0, 0, ...pads.map(([, after]) => after)])], {
    mode: borderModes[border],
  })[0]!;
