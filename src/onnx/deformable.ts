/** Deformable convolution, whose kernel's elements are each moved at every place: sampling, then a product of matrices. */
import { StriateError } from "../errors.ts";
import { constant, type Value } from "../graph/value.ts";
import { isMatrixOfSize } from "../ops/along.ts";
import { concat, slice } from "../ops/core/arrange.ts";
import { add, mul } from "../ops/core/elementwise.ts";
import { reshape, shapeOf, squeeze, vector } from "../ops/core/shape.ts";
import { type ConvAttributes, convAxes } from "../ops/correlate.ts";
import { matmul } from "../ops/matmul.ts";
import type { WindowAxis } from "../ops/window.ts";
import { formatShape, type Shape, sizeOf, stridesOf } from "../tensor/shape.ts";
import { tensor } from "../tensor/tensor.ts";
import type { Composition } from "./form.ts";
import { tapsOf, weighted, within } from "./grid-sample.ts";

/** Where along one axis every element of the kernel meets the input at every place of the output: [taps, places]. */
function placesAlong(axes: readonly WindowAxis[], at: number, dtype: Value["dtype"]): Value {
  const [kernel, output] = [axes.map((axis) => axis.kernel), axes.map((axis) => axis.output)];
  const [taps, positions] = [sizeOf(kernel), sizeOf(output)];
  const { stride, dilation, before } = axes[at]!;
  const along = (flat: number, lengths: Shape) => Math.floor(flat / stridesOf(lengths)[at]!) % lengths[at]!;
  const numbers = Array.from({ length: taps * positions }, (_, index) => {
    const [tap, position] = [Math.floor(index / positions), index % positions];
    return along(position, output) * stride - before + along(tap, kernel) * dilation;
  });
  return constant(tensor(numbers, [taps, positions], dtype));
}

/**
 * y[b, k, p] = bias[k] + sum over c, t of w[k, c, t] mask[b, t, p] x[b, c, stride p + dilation t - padding + offset[b, t, p]],
 * x linear between its elements and zero outside (X. Zhu et al., CVPR 2019).
 * ONNX: https://onnx.ai/onnx/operators/onnx__DeformConv.html
 */
export const deformableConvolution: Composition = ({ inputs, attributes }) => {
  const [x, w, offset, bias, mask] = inputs;
  const { offset_group: groups = 1, ...given } = attributes as Partial<ConvAttributes> & { offset_group?: number };
  const window: ConvAttributes = { auto_pad: "NOTSET", group: 1, ...given };
  const refuse = (found: string, expected: string): never => {
    throw new StriateError({ subject: "DeformConv", found, expected });
  };
  if (!x || !w || !offset) return refuse(`${inputs.filter(Boolean).length} operands`, "x, weights and offsets");
  const axes = convAxes(x.shape, w.shape, window);
  const [filters, groupChannels] = w.shape as Shape;
  const channels = window.group * groupChannels!;
  const output = axes.map((axis) => axis.output);
  const [taps, positions] = [sizeOf(w.shape.slice(2) as Shape), sizeOf(output)];
  if (!isMatrixOfSize(taps, positions))
    refuse(`${taps} taps at ${positions} places`, "a smaller kernel or smaller maps");
  if (!(groups >= 1 && channels % groups === 0)) refuse(`${groups} groups of offsets`, `a divisor of ${channels}`);
  for (const [name, value, each] of [
    ["offsets", offset, axes.length],
    ["a mask", mask, 1],
  ] as const) {
    const expected = [groups * taps * each, ...output];
    if (value && formatShape(value.shape.slice(1)) !== formatShape(expected))
      refuse(`${name} of ${formatShape(value.shape)}`, `[batch, ${expected.join(", ")}]`);
  }
  const moves = reshape(offset, [-1, taps, axes.length, positions]);
  const perAxis = axes.map(({ input }, axis) => {
    const moved = squeeze(slice(moves, { axis: 2, start: axis, end: axis + 1 }), [2]);
    const places = reshape(add(moved, placesAlong(axes, axis, offset.dtype)), [0, taps * positions]);
    return tapsOf("linear", places).map((tap) => within(tap, "zeros", input, 0, input - 1));
  });
  const lengths = axes.map(({ input }) => input);
  const sampled = weighted(reshape(x, [-1, channels / groups, sizeOf(lengths)]), perAxis, stridesOf(lengths));
  const masked = mask ? mul(sampled, reshape(mask, [-1, 1, taps * positions])) : sampled;
  const columns = reshape(masked, [-1, window.group, groupChannels! * taps, positions]);
  const kernels = reshape(w, [window.group, filters! / window.group, groupChannels! * taps]);
  const batch = slice(shapeOf(x), { axis: 0, start: 0, end: 1 });
  const y = reshape(matmul(kernels, columns), concat([batch, vector([filters!, ...output])], 0));
  return [bias ? add(y, reshape(bias, [-1, ...output.map(() => 1)])) : y];
};
