/**
 * The fast forms of operators in ONNX Runtime: what was measured to beat both the composition and, for some standard
 * operators, the runtime's own kernel. docs/engine.md has the figures. A rule that does not apply gives undefined.
 */
import { apply } from "../../graph/op.ts";
import { constant, constantOf, fixedShape, type Node, type Value } from "../../graph/value.ts";
import { Conv, ConvInputGradient, ConvWeightGradient, conv } from "../../ops/conv.ts";
import { cast, hardSigmoid, mul, ReluGradient, sub } from "../../ops/core/elementwise.ts";
import { Max, Min } from "../../ops/core/functions.ts";
import { ReduceSum, reduceSum } from "../../ops/core/reduce.ts";
import { reshape, shapeFrom, transpose } from "../../ops/core/shape.ts";
import { type ConvAttributes, convAxes } from "../../ops/correlate.ts";
import { DepthToSpace, SpaceToDepth } from "../../ops/depth-space.ts";
import { gemm, matmul } from "../../ops/matmul.ts";
import {
  AveragePool,
  AveragePoolGradient,
  MaxPool,
  MaxPoolGradient,
  maxPool,
  type PoolAttributes,
  poolAxes,
} from "../../ops/pool.ts";
import { repeatNearest } from "../../ops/resize.ts";
import { padsOf, type WindowAxis } from "../../ops/window.ts";
import type { DType } from "../../tensor/dtype.ts";
import { type Shape, sizeOf } from "../../tensor/shape.ts";
import { Tensor } from "../../tensor/tensor.ts";
import { resizeRules } from "./resize-rules.ts";

export type LoweringRule = (inputs: readonly (Value | undefined)[], node: Node) => readonly Value[] | undefined;

/** So steep that a hard sigmoid is a step: 1 for any normal number above 0. */
const steep = 1e38;

/** 1 where a value is above 0, else 0. */
const isPositive = (x: Value): Value => hardSigmoid(x, { alpha: steep, beta: 0 });

/** 1 where a value that is never above 0 is 0, else 0. */
const isZero = (x: Value): Value => hardSigmoid(x, { alpha: steep, beta: 1 });

/** Whether a convolution's kernel covers its whole input, so that it is a matrix product. */
const covers = (axes: readonly WindowAxis[], { group }: ConvAttributes): boolean =>
  group === 1 && axes.every(({ input, kernel, output, before }) => output === 1 && kernel === input && before === 0);

/** A matrix of one row for each element of the first axis, which may have a name for its length. */
const rows = (x: Value): Value => reshape(x, [0, sizeOf(x.shape.slice(1) as Shape)]);

/** The shape without the batch, where that is known. */
const fixedSample = ({ dtype, shape }: Value): Shape | undefined => fixedShape({ dtype, shape: shape.slice(1) });

/** Padding written out: the runtime refuses "same" with a dilation, or ignores the dilation. */
const withPads = (inputs: readonly (Value | undefined)[], node: Node, axes: readonly WindowAxis[]) =>
  node.attributes.auto_pad === "NOTSET"
    ? undefined
    : apply(node.op, inputs, { ...node.attributes, auto_pad: "NOTSET", pads: padsOf(axes) }).slice(
        0,
        node.outputs.length,
      );

const poolRule: LoweringRule = (inputs, node) => {
  const sample = fixedSample(inputs[0]!);
  return sample && withPads(inputs, node, poolAxes([1, ...sample], node.attributes as unknown as PoolAttributes));
};

const convRule: LoweringRule = (inputs, node) => {
  const [x, w, bias] = inputs;
  const [sample, weight] = [fixedSample(x!), fixedShape(w!)];
  const attributes = node.attributes as unknown as ConvAttributes;
  if (!sample || !weight) return undefined;
  const axes = convAxes(x!.shape, weight, attributes);
  if (!covers(axes, attributes)) return withPads(inputs, node, axes);
  const product = gemm(rows(x!), rows(w!), { transB: 1 }, bias);
  return [reshape(product, [0, weight[0]!, ...sample.slice(1).map(() => 1)])];
};

const inputGradientRule: LoweringRule = ([g, w, shape], node) => {
  const attributes = node.attributes as unknown as ConvAttributes;
  const input = shapeFrom(shape!, "ConvInputGradient");
  if (!covers(convAxes(input, w!.shape, attributes), attributes)) return undefined;
  return [reshape(gemm(rows(g!), rows(w!)), input as Shape)];
};

const weightGradientRule: LoweringRule = ([x, g], node) => {
  const attributes = node.attributes as unknown as ConvAttributes;
  const [input, output] = [fixedShape(x!), fixedShape(g!)];
  if (!input || !output) return undefined;
  const shape = node.outputs[0]!.shape as Shape;
  const axes = convAxes(input, shape, attributes);
  if (covers(axes, attributes)) return [reshape(gemm(rows(g!), rows(x!), { transA: 1 }), shape)];
  const plain = attributes.group === 1 && axes.every(({ stride, dilation }) => stride === 1 && dilation === 1);
  if (!plain) return undefined;
  const gradient = input[1] === 1 ? gradientByImages : gradientByParts;
  return [gradient(x!, g!, shape, padsOf(axes))];
};

/** One input channel: each image is a group, its output gradient the kernels; then the sum over images. */
function gradientByImages(x: Value, g: Value, shape: Shape, pads: readonly number[]): Value {
  const [batch, , ...spatial] = x.shape as Shape;
  const [, filters, ...positions] = g.shape as Shape;
  const images = reshape(x, [1, batch!, ...spatial]);
  const kernels = reshape(g, [batch! * filters!, 1, ...positions]);
  const each = conv(images, kernels, undefined, { group: batch, pads });
  return reshape(reduceSum(reshape(each, [batch!, sizeOf(shape)]), { axes: [0] }), shape);
}

/** How many parts the batch is cut into, each a group: more parts, shorter sums that stay in cache. */
const partsOf = (batch: number): number => [4, 2].find((parts) => batch % parts === 0) ?? 1;

/** Many input channels: the convolution with channels as batch, by parts of the batch. */
function gradientByParts(x: Value, g: Value, shape: Shape, pads: readonly number[]): Value {
  const [batch, channels, ...spatial] = x.shape as Shape;
  const [, filters, ...positions] = g.shape as Shape;
  const parts = partsOf(batch!);
  const [part, map, kernel] = [batch! / parts, sizeOf(positions), sizeOf(shape.slice(2))];
  const swapped = reshape(transpose(reshape(x, [batch!, channels!, sizeOf(spatial)]), [1, 0, 2]), [
    channels!,
    batch!,
    ...spatial,
  ]);
  const kernels = reshape(transpose(reshape(g, [parts, part, filters!, map]), [0, 2, 1, 3]), [
    parts * filters!,
    part,
    ...positions,
  ]);
  const each = conv(swapped, kernels, undefined, { group: parts, pads });
  const summed = reduceSum(reshape(each, [channels!, parts, filters! * kernel]), { axes: [1] });
  return reshape(transpose(reshape(summed, [channels!, filters!, kernel]), [1, 0, 2]), shape);
}

/** Whether windows lie side by side and cover the input exactly. */
const tiles = (axes: readonly WindowAxis[]): boolean =>
  axes.every(
    ({ input, kernel, stride, output, before, after, dilation }) =>
      kernel === stride && dilation === 1 && before === 0 && after === 0 && output * kernel === input,
  );

/** Channels come in blocks of this many in the runtime's own layout, whose pooling is fast. */
const block = 16;

/** The longest row of windows, in elements, for which a product with a matrix of mostly zeros is the faster one. */
const longestRow = 256;

/** The windows of one row lie in whole rows of the map: their means are a product with a constant matrix. */
const averagePoolRule: LoweringRule = (inputs, node) => {
  const x = inputs[0]!;
  const sample = fixedSample(x);
  if (sample?.length !== 3 || sample[0]! % block === 0 || x.dtype !== "float32") return poolRule(inputs, node);
  const attributes = node.attributes as unknown as PoolAttributes;
  const [down, across] = poolAxes([1, ...sample], attributes) as [WindowAxis, WindowAxis];
  const row = down.kernel * across.input;
  if (!tiles([down, across]) || row > longestRow) return poolRule(inputs, node);
  const means = new Float32Array(row * across.output);
  for (let place = 0; place < row; place++)
    means[place * across.output + Math.floor((place % across.input) / across.kernel)] =
      1 / (down.kernel * across.kernel);
  const matrix = constant(new Tensor("float32", [row, across.output], means));
  const product = matmul(reshape(x, [0, sample[0]! * down.output, row]), matrix);
  return [reshape(product, [0, sample[0]!, down.output, across.output])];
};

const averagePoolGradientRule: LoweringRule = ([g, shape], node) => {
  const axes = poolAxes(
    shapeFrom(shape!, "AveragePoolGradient") as Shape,
    node.attributes as unknown as PoolAttributes,
  );
  if (!tiles(axes)) return undefined;
  const kernel = axes.map((axis) => axis.kernel);
  return [repeatNearest(mul(g!, 1 / sizeOf(kernel)), kernel)];
};

/**
 * The largest are where the input equals the repeated maximum; of equal ones the first is found by a second pooling, of
 * places numbered downwards.
 */
const maxPoolGradientRule: LoweringRule = ([x, g], node) => {
  const attributes = node.attributes as unknown as PoolAttributes;
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

/** Sums over the batch and the map (a bias's gradient): the map first, then the short rest. */
const reduceSumRule: LoweringRule = ([x, axes], node) => {
  const shape = fixedShape(x!);
  const reduced = constantOf(axes)?.toArray();
  if (!shape || shape.length < 4 || node.attributes.keepdims !== 0) return undefined;
  if (reduced?.length !== shape.length - 1 || reduced.includes(1)) return undefined;
  const [batch, channels, ...spatial] = shape;
  return [reduceSum(reduceSum(reshape(x!, [batch!, channels!, sizeOf(spatial)]), { axes: [2] }), { axes: [0] })];
};

/** Of element types that ONNX Runtime's operator lacks: by one that holds all their values. */
const through =
  (wide: DType, ...narrow: readonly DType[]): LoweringRule =>
  (inputs, node) => {
    const { dtype } = inputs[0]!;
    if (!narrow.includes(dtype)) return undefined;
    const operands = inputs.map((input) => cast(input!, wide));
    return [cast(apply(node.op, operands, node.attributes)[0]!, dtype)];
  };

const narrowRule = through("int32", "int16", "uint16");
const rearrangeRule = through("float64", "bool", "int8", "int16", "uint16", "int32", "uint32");

const pairs: readonly (readonly [{ readonly name: string }, LoweringRule])[] = [
  ...resizeRules,
  [Conv, convRule],
  [ConvInputGradient, inputGradientRule],
  [ConvWeightGradient, weightGradientRule],
  [AveragePoolGradient, averagePoolGradientRule],
  [MaxPoolGradient, maxPoolGradientRule],
  [DepthToSpace, rearrangeRule],
  [Max, narrowRule],
  [Min, narrowRule],
  [MaxPool, poolRule],
  [AveragePool, averagePoolRule],
  [ReduceSum, reduceSumRule],
  [SpaceToDepth, rearrangeRule],
  [ReluGradient, ([y, g]) => [mul(g!, isPositive(y!))]],
];

/** The rules, by the operator they are for. */
export const rules: ReadonlyMap<object, LoweringRule> = new Map(pairs);
