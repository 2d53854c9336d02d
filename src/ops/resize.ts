/** Resampling of feature maps: along each axis a product with a constant matrix, and its transpose for the gradient. */
import { StriateError } from "../errors.ts";
import { apply, defineOp, type Op, striateDomain } from "../graph/op.ts";
import { constant, constantOf, type Dimension, type Value } from "../graph/value.ts";
import { allocate } from "../tensor/dtype.ts";
import { normaliseAxis } from "../tensor/shape.ts";
import { Tensor, tensor } from "../tensor/tensor.ts";
import { alongAxis, isMatrixOfSize, numbersAlong, transposed } from "./along.ts";
import { mul } from "./core/elementwise.ts";
import { shapeFrom, shapeOf, vector } from "./core/shape.ts";
import { averagePool } from "./pool.ts";
import { type AxisResize, checkModes, isOutside, placeOf, resizeMatrix } from "./resize-matrix.ts";

export interface ResizeAttributes {
  antialias: number;
  axes?: readonly number[];
  coordinate_transformation_mode: string;
  cubic_coeff_a: number;
  exclude_outside: number;
  extrapolation_value: number;
  keep_aspect_ratio_policy: string;
  mode: string;
  nearest_mode: string;
}

const resizeAttributes = {
  antialias: { kind: "int", default: 0 },
  axes: { kind: "ints" },
  coordinate_transformation_mode: { kind: "string", default: "half_pixel" },
  cubic_coeff_a: { kind: "float", default: -0.75 },
  exclude_outside: { kind: "int", default: 0 },
  extrapolation_value: { kind: "float", default: 0 },
  keep_aspect_ratio_policy: { kind: "string", default: "stretch" },
  mode: { kind: "string", default: "nearest" },
  nearest_mode: { kind: "string", default: "round_prefer_floor" },
} as const;

/** The operands after the first: region, scales, sizes; an empty one is as good as none. */
type Settings = readonly (readonly Dimension[] | undefined)[];

const constants = (operands: readonly (Value | undefined)[]): Settings =>
  operands.map((operand, index) => {
    if (!operand || operand.shape[0] === 0) return undefined;
    if (index === 2) return shapeFrom(operand, "Resize");
    const numbers = constantOf(operand)?.toArray();
    if (numbers) return numbers;
    throw new StriateError({ subject: "Resize", found: "scales that depend on the data", expected: "constants" });
  });

const tensors = (operands: readonly (Tensor | undefined)[]): Settings =>
  operands.map((operand) => (operand && operand.size > 0 ? operand.toArray() : undefined));

interface Resized {
  readonly output: Dimension;
  readonly scale: number;
  readonly crop: readonly [number, number];
}

const named = (length: string, scale: number): string =>
  scale === 1 ? length : Number.isInteger(scale) ? `${scale}*${length}` : `floor(${scale}*${length})`;

/** What becomes of every axis. */
function resized(shape: readonly Dimension[], settings: Settings, attributes: ResizeAttributes): Resized[] {
  const { mode, coordinate_transformation_mode, nearest_mode, keep_aspect_ratio_policy: policy } = attributes;
  checkModes(mode, coordinate_transformation_mode, nearest_mode);
  const [region, scales, sizes] = settings;
  const axes = (attributes.axes ?? shape.map((_, axis) => axis)).map((axis) =>
    normaliseAxis(axis, shape.length, "Resize"),
  );
  const given = sizes ?? scales;
  if (!given || (sizes && scales) || given.length !== axes.length)
    throw new StriateError({
      subject: "Resize",
      found: `scales [${scales ?? ""}] and sizes [${sizes ?? ""}]`,
      expected: `one of the two, with ${axes.length} numbers`,
    });
  const ratios = axes.map((axis, index) => (given[index] as number) / (shape[axis] as number));
  const common = policy === "not_larger" ? Math.min(...ratios) : Math.max(...ratios);
  return shape.map((input, axis): Resized => {
    const index = axes.indexOf(axis);
    if (index < 0) return { output: input, scale: 1, crop: [0, 1] };
    const crop = [Number(region?.[index] ?? 0), Number(region?.[index + axes.length] ?? 1)] as const;
    const wanted = given[index]!;
    if (!sizes) {
      const scale = wanted as number;
      if (!(scale > 0)) throw new StriateError({ subject: "Resize", found: `scale ${scale}`, expected: "above 0" });
      return { output: typeof input === "number" ? Math.floor(input * scale) : named(input, scale), scale, crop };
    }
    if (policy !== "stretch") return { output: Math.floor(common * (input as number) + 0.5), scale: common, crop };
    return { output: wanted, scale: wanted === input ? 1 : (wanted as number) / (input as number), crop };
  });
}

/** The axes that change, with all that decides their weights, from the settings after the first operand. */
export const resizedAxes = (
  shape: readonly Dimension[],
  settings: readonly (Value | undefined)[],
  attributes: ResizeAttributes,
) => changes(shape, constants(settings), attributes);

function changes(
  shape: readonly Dimension[],
  settings: Settings,
  attributes: ResizeAttributes,
): readonly { readonly axis: number; readonly change: AxisResize }[] {
  return resized(shape, settings, attributes).flatMap(({ output, scale, crop }, axis) => {
    const input = shape[axis]!;
    const coordinates = attributes.coordinate_transformation_mode;
    const whole = coordinates !== "tf_crop_and_resize" || (crop[0] === 0 && crop[1] === 1);
    if (input === output && scale === 1 && whole && coordinates !== "tf_half_pixel_for_nn") return [];
    if (typeof input === "string" || typeof output === "string")
      throw new StriateError({
        subject: "Resize",
        found: `axis ${axis} of unknown length ${input}`,
        expected: "a number",
        mend: "Bind the named dimensions first",
      });
    const { mode, nearest_mode: rounding, cubic_coeff_a: cubic } = attributes;
    const [antialias, excludeOutside] = [attributes.antialias === 1, attributes.exclude_outside === 1];
    return [
      { axis, change: { input, output, scale, crop, antialias, mode, coordinates, rounding, cubic, excludeOutside } },
    ];
  });
}

function floats(dtype: Tensor["dtype"], shape: readonly number[], numbers: ArrayLike<number>): Tensor {
  const data = allocate(dtype, numbers.length) as Float64Array<ArrayBuffer>;
  data.set(numbers);
  return new Tensor(dtype, shape, data);
}

/** The whole factors of an enlargement that only repeats elements of maps, or undefined for any other resizing. */
function repeats(scales: Tensor | undefined, attributes: ResizeAttributes): readonly number[] | undefined {
  const { mode, coordinate_transformation_mode: coordinates, nearest_mode: rounding, axes } = attributes;
  if (axes || mode !== "nearest" || coordinates !== "asymmetric" || rounding !== "floor") return undefined;
  const by = scales?.toArray() ?? [];
  if (by.length < 3 || by[0] !== 1 || by[1] !== 1) return undefined;
  return by.every((scale) => Number.isInteger(scale) && scale >= 1) ? by.slice(2) : undefined;
}

/** Whether a Resize only repeats elements, which every engine does well. */
export const onlyRepeats = (inputs: readonly (Value | undefined)[], attributes: ResizeAttributes): boolean =>
  repeats(constantOf(inputs[2]), attributes) !== undefined;

/**
 * Maps resampled to sizes, or by scales: the nearest element, linear or cubic interpolation (Keys 1981) between them,
 * along one axis after the other. ONNX: https://onnx.ai/onnx/operators/onnx__Resize.html
 */
export const Resize: Op<ResizeAttributes> = defineOp<ResizeAttributes>({
  name: "Resize",
  domain: "",
  attributes: resizeAttributes,
  arity: [2, 4],
  optional: [1, 2, 3],
  settings: [1, 2, 3],
  infer: ([x, ...settings], attributes) => [
    { dtype: x!.dtype, shape: resized(x!.shape, constants(settings), attributes).map(({ output }) => output) },
  ],
  evaluate: ([x, ...settings], attributes) => {
    let result: { numbers: ArrayLike<number>; shape: readonly number[] } = { numbers: x!.toArray(), shape: x!.shape };
    const changed = changes(x!.shape, tensors(settings), attributes);
    for (const { axis, change } of changed)
      result = numbersAlong(result.numbers, result.shape, axis, resizeMatrix(change));
    const numbers = Float64Array.from(result.numbers);
    for (const { axis, change } of changed) {
      const inner = result.shape.slice(axis + 1).reduce((size, length) => size * length, 1);
      const outside = Array.from({ length: change.output }, (_, index) => isOutside(placeOf(index, change), change));
      if (!outside.includes(true)) continue;
      for (let index = 0; index < numbers.length; index++)
        if (outside[Math.floor(index / inner) % change.output]) numbers[index] = attributes.extrapolation_value;
    }
    return [floats(x!.dtype, result.shape, numbers)];
  },
  gradient: (node, [g], attributes) => {
    if (!g) return [];
    const [x, ...settings] = node.inputs;
    const by = repeats(constantOf(settings[1]), attributes);
    const mean = by && averagePool(g, { kernel_shape: by, strides: by });
    if (mean)
      return [
        mul(
          mean,
          by.reduce((size, each) => size * each, 1),
        ),
      ];
    return [apply(ResizeGradient, [g, shapeOf(x!), ...settings], attributes)[0]];
  },
});

/** Resize in products with matrices, for engines whose own is wrong or slow; undefined where they would be too large. */
export function resizeByMatrices(
  [x, ...settings]: readonly (Value | undefined)[],
  attributes: ResizeAttributes,
): Value | undefined {
  const changed = changes(x!.shape, constants(settings), attributes);
  if (!changed.every(({ change }) => isMatrixOfSize(change.output, change.input))) return undefined;
  return changed.reduce((value, { axis, change }) => alongAxis(value, axis, resizeMatrix(change)), x!);
}

/** The gradient of a resizing for its input, from that of its output, the input's shape and Resize's settings. */
export const ResizeGradient: Op<ResizeAttributes> = defineOp<ResizeAttributes>({
  name: "ResizeGradient",
  domain: striateDomain,
  attributes: resizeAttributes,
  arity: [3, 5],
  optional: [2],
  settings: [2, 3, 4],
  infer: ([g, shape]) => [{ dtype: g!.dtype, shape: shapeFrom(shape!, "ResizeGradient") }],
  evaluate: ([g, shape, ...settings], attributes) => {
    let result: { numbers: ArrayLike<number>; shape: readonly number[] } = { numbers: g!.toArray(), shape: g!.shape };
    for (const { axis, change } of changes(shape!.toArray(), tensors(settings), attributes))
      result = numbersAlong(result.numbers, result.shape, axis, transposed(resizeMatrix(change)));
    return [floats(g!.dtype, result.shape, result.numbers)];
  },
  gradient: (node, [h], attributes) => {
    const flat = { ...attributes, extrapolation_value: 0 };
    return [h && apply(Resize, [h, ...node.inputs.slice(2)], flat)[0]];
  },
  composition: ([g, shape, ...settings], attributes) => [
    changes(shapeFrom(shape!, "ResizeGradient"), constants(settings), attributes).reduce(
      (value, { axis, change }) => alongAxis(value, axis, transposed(resizeMatrix(change))),
      g!,
    ),
  ],
});

/** Each element of the maps repeated `by` times along each spatial axis. */
export const repeatNearest = (x: Value, by: readonly number[]): Value =>
  apply(Resize, [x, undefined, constant(tensor([1, 1, ...by]))], {
    coordinate_transformation_mode: "asymmetric",
    mode: "nearest",
    nearest_mode: "floor",
  })[0]!;

/** Maps resized to a size, axes named from the third on. */
export const resizeTo = (x: Value, size: readonly number[], attributes: Partial<ResizeAttributes>): Value =>
  apply(Resize, [x, undefined, undefined, vector(size)], { ...attributes, axes: size.map((_, axis) => axis + 2) })[0]!;
