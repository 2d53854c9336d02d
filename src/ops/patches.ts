/** Patches of maps as columns, and columns summed back to maps. */
import { StriateError } from "../errors.ts";
import { constant, type Value } from "../graph/value.ts";
import { allocate } from "../tensor/dtype.ts";
import { formatShape, sizeOf } from "../tensor/shape.ts";
import { Tensor } from "../tensor/tensor.ts";
import { isMatrixOfSize } from "./along.ts";
import { conv, convInputGradient } from "./conv.ts";
import { concat, slice } from "./core/arrange.ts";
import { lengthsOf, reshape, shapeOf, vector } from "./core/shape.ts";
import { slide } from "./window.ts";

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
