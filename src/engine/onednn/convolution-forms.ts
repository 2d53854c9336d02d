/** A convolution in the library's terms. */
import { type ConvAttributes, convAxes } from "../../ops/correlate.ts";
import type { Shape } from "../../tensor/shape.ts";
import type { ConvolutionForms } from "./forms.ts";
import { formOf, type Placed } from "./memory.ts";
import type { Stored } from "./precision.ts";

/** Weights as the library has them: with groups, an axis for them. */
const grouped = (shape: Shape, group: number): Shape =>
  group === 1 ? shape : [group, shape[0]! / group, ...shape.slice(1)];

export function convolutionForms(
  x: Placed,
  w: Shape,
  y: Placed,
  attributes: ConvAttributes,
  precision: Stored = "float32",
): ConvolutionForms {
  const axes = convAxes(x.shape, w, attributes);
  return {
    source: formOf(x),
    weights: { shape: grouped(w, attributes.group), dtype: precision },
    result: formOf(y),
    strides: axes.map(({ stride }) => stride),
    dilations: axes.map(({ kernel, dilation }) => (kernel === 1 ? 1 : dilation)),
    before: axes.map(({ before }) => before),
    after: axes.map(
      ({ output, stride, kernel, dilation, input, before }) =>
        (output - 1) * stride + dilation * (kernel - 1) + 1 - input - before,
    ),
  };
}
