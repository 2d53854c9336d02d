/** The standard's operators over the axes of maps and signals that are compositions. https://onnx.ai/onnx/operators/ */
import { StriateError } from "../errors.ts";
import { apply } from "../graph/op.ts";
import { constant, constantOf, type Value } from "../graph/value.ts";
import { type ConvTransposeAttributes, convTranspose } from "../ops/conv.ts";
import { pad } from "../ops/core/arrange.ts";
import { zerosLike } from "../ops/core/broadcast.ts";
import { add, cast, div, mul } from "../ops/core/elementwise.ts";
import { Mod } from "../ops/core/functions.ts";
import { lengthsOf, shapeFrom } from "../ops/core/shape.ts";
import { discreteFourierTransform } from "../ops/fourier.ts";
import { fold } from "../ops/patches.ts";
import { MaxPool, type PoolAttributes } from "../ops/pool.ts";
import { globalLpPool, globalMaxPool, lpPool, maxUnpool } from "../ops/pooling.ts";
import { windowOf } from "../ops/window.ts";
import { type DType, isFloat } from "../tensor/dtype.ts";
import { formatShape, sizeOf, stridesOf } from "../tensor/shape.ts";
import { scalar } from "../tensor/tensor.ts";
import { deformableConvolution } from "./deformable.ts";
import type { Composition, NodeForm } from "./form.ts";
import { affineGrid, gridSample } from "./grid-sample.ts";

const first = ({ inputs, type }: NodeForm): Value => {
  if (!inputs[0]) throw new StriateError({ subject: type, found: "no operand", expected: "at least one" });
  return inputs[0];
};

/** An operand that is one number, which the graph must know. */
function numberOf(form: NodeForm, operand: number, name: string): number | undefined {
  const value = form.inputs[operand];
  if (!value) return undefined;
  const known = constantOf(value);
  if (known?.size === 1) return known.item();
  throw new StriateError({
    subject: form.type,
    found: `its ${name}, which depends on the data`,
    expected: "a constant",
  });
}

/** Computed in float64: sums of a signal's elements that should cancel are to leave next to nothing. */
const fourier: Composition = (form) => {
  const x = first(form);
  const options = {
    axis: numberOf(form, 2, "axis") ?? -2,
    length: numberOf(form, 1, "length"),
    inverse: form.attributes.inverse === 1,
    onesided: form.attributes.onesided === 1,
  };
  return [cast(discreteFourierTransform(cast(x, "float64"), options), x.dtype)];
};

const maxima = (form: NodeForm): readonly [Value, Value] =>
  apply(MaxPool, [first(form)], form.attributes) as [Value, Value];

/** Max pooling whose indices count the elements of each map by columns, not by rows. */
const maxPoolByColumns: Composition = (form) => {
  const { storage_order, ...attributes } = form.attributes;
  if (storage_order !== 1)
    throw new StriateError({ subject: "MaxPool", found: `storage_order ${storage_order}`, expected: "0 or 1" });
  const [largest, indices] = maxima({ ...form, attributes });
  const lengths = lengthsOf(form.type, first(form), 2);
  const map = whole(sizeOf(lengths));
  const rowMajor = stridesOf(lengths);
  const columnMajor = stridesOf(lengths.toReversed()).toReversed();
  const places = lengths.map((length, axis) =>
    mul(remainder(div(indices, whole(rowMajor[axis]!)), whole(length)), whole(columnMajor[axis]!)),
  );
  return [largest, places.reduce(add, mul(div(indices, map), map))];
};

const whole = (number: number): Value => constant(scalar(number, "int64"));
const remainder = (left: Value, right: Value): Value => apply(Mod, [left, right])[0]!;

/** Maxima put back where they stood, into maps of the size that the pooling's windows cover, or a given one. */
const unpool: Composition = (form) => {
  const [x, indices, shape] = form.inputs;
  const { kernel_shape = [], ...attributes } = form.attributes as Partial<PoolAttributes>;
  const spatial = lengthsOf(form.type, first(form), 2);
  const { strides, pads } = windowOf("MaxUnpool", spatial.length, kernel_shape, { auto_pad: "NOTSET", ...attributes });
  const covered = spatial.map(
    (length, axis) => (length - 1) * strides[axis]! + kernel_shape[axis]! - pads[axis]! - pads[axis + spatial.length]!,
  );
  const wanted = shape ? (shapeFrom(shape, "MaxUnpool").slice(2) as readonly number[]) : covered;
  if (!indices || wanted.length !== covered.length || [...covered, ...wanted].some((length) => !(length >= 1)))
    throw new StriateError({
      subject: "MaxUnpool",
      found: `maps of ${formatShape(spatial)} to ${formatShape(wanted)}, through ${formatShape(covered)}`,
      expected: "indices, and a size above 0 along each spatial axis",
    });
  const longer = (value: Value, from: readonly number[], to: readonly number[]) =>
    pad(value, [[0, 0], [0, 0], ...to.map((length, axis): [number, number] => [0, length - from[axis]!])]);
  return [longer(maxUnpool(x!, indices, longer(zerosLike(x!), spatial, covered)), covered, wanted)];
};

/** A transposed convolution whose output padding is a stride or more, as PyTorch's may be below the dilation. */
const transposeBeyondStride: Composition = ({ inputs: [x, w, bias], attributes }) => {
  if (!x || !w) throw new StriateError({ subject: "ConvTranspose", found: "no weights", expected: "x and weights" });
  return [convTranspose(x, w, attributes as Partial<ConvTransposeAttributes>, bias)];
};

/** Whole numbers whose sums float32 holds. */
const narrow: readonly DType[] = ["int8", "uint8", "int16", "uint16"];

/** Columns summed back to where patches came from. */
const columnsToImage: Composition = (form) => {
  const [columns, size, kernel] = form.inputs;
  const { dilations: dilation, pads: padding, strides: stride } = form.attributes as Partial<PoolAttributes>;
  if (!columns || !size || !kernel)
    throw new StriateError({ subject: "Col2Im", found: "no size of the image or of the blocks", expected: "both" });
  const { dtype } = columns;
  if (!isFloat(dtype) && !narrow.includes(dtype))
    throw new StriateError({ subject: "Col2Im", found: dtype, expected: "floats, or whole numbers of up to 16 bits" });
  const options = { kernel: numbersOf(form, kernel), dilation, padding, stride };
  return [cast(fold(isFloat(dtype) ? columns : cast(columns, "float32"), numbersOf(form, size), options), dtype)];
};

/** The numbers of an operand that the graph must know. */
const numbersOf = ({ type }: NodeForm, value: Value): readonly number[] =>
  shapeFrom(value, type).map((length) => {
    if (typeof length === "number") return length;
    throw new StriateError({ subject: type, found: `a length of ${length}`, expected: "a number" });
  });

const powerOf = ({ attributes: { p = 2, ...window } }: NodeForm) => ({ p: Number(p), window });

/** By the name of an operator of the standard domain. */
export const spatialCompositions: readonly (readonly [string, Composition])[] = [
  ["AffineGrid", affineGrid],
  ["Col2Im", columnsToImage],
  ["DFT", fourier],
  ["ConvTransposeBeyondStride", transposeBeyondStride],
  ["DeformConv", deformableConvolution],
  ["GlobalLpPool", (form) => [globalLpPool(first(form), powerOf(form).p)]],
  ["GlobalMaxPool", (form) => [globalMaxPool(first(form))]],
  ["GridSample", gridSample],
  ["LpPool", (form) => [lpPool(first(form), powerOf(form).p, powerOf(form).window)]],
  ["MaxPoolByColumns", maxPoolByColumns],
  ["MaxUnpool", unpool],
];
