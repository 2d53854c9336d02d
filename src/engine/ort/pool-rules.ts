/** Pooling and its gradients in ONNX Runtime. docs/engine.md says what was measured and why each is chosen. */
import { attributesOf } from "../../graph/op.ts";
import { constant, fixedShape, type Value } from "../../graph/value.ts";
import { mul, sub } from "../../ops/core/elementwise.ts";
import { reduceMean } from "../../ops/core/reduce.ts";
import { reshape, shapeFrom } from "../../ops/core/shape.ts";
import { matmul } from "../../ops/matmul.ts";
import {
  AveragePool,
  AveragePoolGradient,
  GlobalAveragePool,
  MaxPool,
  MaxPoolGradient,
  maxPool,
  type PoolAttributes,
  poolAxes,
} from "../../ops/pool.ts";
import { repeatNearest } from "../../ops/resize.ts";
import type { WindowAxis } from "../../ops/window.ts";
import { type Shape, sizeOf } from "../../tensor/shape.ts";
import { Tensor } from "../../tensor/tensor.ts";
import { withPads } from "./conv-rules.ts";
import { fixedSample, isZero, type LoweringRule, longestRow } from "./rule.ts";

const poolRule: LoweringRule = (inputs, node) => {
  const sample = fixedSample(inputs[0]!);
  return (
    sample && withPads(inputs, node, poolAxes([1, ...sample], attributesOf<PoolAttributes>(node, MaxPool, AveragePool)))
  );
};

/** Whether windows lie side by side and cover the input exactly. */
const tiles = (axes: readonly WindowAxis[]): boolean =>
  axes.every(
    ({ input, kernel, stride, output, before, after, dilation }) =>
      kernel === stride && dilation === 1 && before === 0 && after === 0 && output * kernel === input,
  );

/** Channels come in blocks of this many in the runtime's own layout, whose pooling is fast. */
const block = 16;

/** The windows of one row lie in whole rows of the map: their means are a product with a constant matrix. */
const averagePoolRule: LoweringRule = (inputs, node, target) => {
  const x = inputs[0]!;
  const sample = fixedSample(x);
  if (sample?.length !== 3 || sample[0]! % block === 0 || x.dtype !== "float32") return poolRule(inputs, node, target);
  const attributes = attributesOf(node, AveragePool);
  const [down, across] = poolAxes([1, ...sample], attributes) as [WindowAxis, WindowAxis];
  const row = down.kernel * across.input;
  if (!tiles([down, across]) || row > longestRow) return poolRule(inputs, node, target);
  const means = new Float32Array(row * across.output);
  for (let place = 0; place < row; place++)
    means[place * across.output + Math.floor((place % across.input) / across.kernel)] =
      1 / (down.kernel * across.kernel);
  const matrix = constant(new Tensor("float32", [row, across.output], means));
  const product = matmul(reshape(x, [0, sample[0]! * down.output, row]), matrix);
  return [reshape(product, [0, sample[0]!, down.output, across.output])];
};

const averagePoolGradientRule: LoweringRule = ([g, shape], node) => {
  const axes = poolAxes(shapeFrom(shape!, "AveragePoolGradient") as Shape, attributesOf(node, AveragePoolGradient));
  if (!tiles(axes)) return undefined;
  const kernel = axes.map((axis) => axis.kernel);
  return [repeatNearest(mul(g!, 1 / sizeOf(kernel)), kernel)];
};

/**
 * The largest are where the input equals the repeated maximum; of equal ones the first is found by a second pooling, of
 * places numbered downwards.
 */
const maxPoolGradientRule: LoweringRule = ([x, g], node) => {
  const attributes = attributesOf(node, MaxPoolGradient);
  const shape = fixedShape(x!);
  const axes = shape && poolAxes(shape, attributes);
  if (!axes || !tiles(axes)) return undefined;
  const kernel = axes.map((axis) => axis.kernel);
  const repeat = (value: Value) => repeatNearest(value, kernel);
  const largest = isZero(sub(x!, repeat(maxPool(x!, attributes))));
  const numbered = mul(largest, constant(placesOf(axes)));
  const first = isZero(sub(numbered, repeat(maxPool(numbered, attributes))));
  return [mul(mul(largest, first), repeat(g!))];
};

/** For every element of a map, the number of its place in its window, from the window's size down to 1. */
function placesOf(axes: readonly WindowAxis[]): Tensor {
  const spatial = axes.map((axis) => axis.input);
  const window = sizeOf(axes.map((axis) => axis.kernel));
  const places = Float32Array.from({ length: sizeOf(spatial) }, (_, index) => {
    let [rest, place, step] = [index, 0, 1];
    for (const { input, kernel } of axes.toReversed()) {
      place += ((rest % input) % kernel) * step;
      step *= kernel;
      rest = Math.floor(rest / input);
    }
    return window - place;
  });
  return new Tensor("float32", [1, 1, ...spatial], places);
}

/** In training, where maps are in no blocks already: the mean of rows. */
const globalAverageRule: LoweringRule = ([x], _, { training }) =>
  training ? [reduceMean(x!, { axes: x!.shape.slice(2).map((_, axis) => axis + 2), keepDimensions: true })] : undefined;

export const poolRules: readonly (readonly [object, LoweringRule])[] = [
  [AveragePool, averagePoolRule],
  [AveragePoolGradient, averagePoolGradientRule],
  [GlobalAveragePool, globalAverageRule],
  [MaxPool, poolRule],
  [MaxPoolGradient, maxPoolGradientRule],
];
