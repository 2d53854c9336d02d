/** Pooling over windows and over whole maps, and the gradients. */
import { StriateError } from "../errors.ts";
import { apply, defineOp, type Op, striateDomain } from "../graph/op.ts";
import { constant, type Dimension, type Value } from "../graph/value.ts";
import { allocate } from "../tensor/dtype.ts";
import { formatShape, type Shape, sizeOf } from "../tensor/shape.ts";
import { full, Tensor, tensor } from "../tensor/tensor.ts";
import { convInputGradient } from "./conv.ts";
import { expandLike, zerosLike } from "./core/broadcast.ts";
import { div } from "./core/elementwise.ts";
import { gatherElements, scatterAdd } from "./core/index.ts";
import { elementsPer } from "./core/reduce.ts";
import { reshape, reshapeLike, shapeFrom, shapeOf } from "./core/shape.ts";
import { padsOf, slide, tapsOf, type WindowAttributes, type WindowAxis, windowAttributes } from "./window.ts";

export interface PoolAttributes extends WindowAttributes {
  ceil_mode: number;
}

const poolAttributes = { ...windowAttributes, ceil_mode: { kind: "int", default: 0 } } as const;

function geometry(subject: string, x: readonly Dimension[], attributes: PoolAttributes) {
  const kernel = attributes.kernel_shape ?? [];
  const found = slide(subject, x.slice(2), kernel, attributes, { ceil: attributes.ceil_mode === 1 });
  if (found.axes?.some((axis) => !reachesInput(axis)))
    throw new StriateError({
      subject,
      found: `windows of ${kernel.join("x")} on padding alone, around an input of ${formatShape(x.slice(2))}`,
      expected: "every window to reach the input",
      mend: "Use less padding, a larger kernel or less dilation",
    });
  return found;
}

/** How many elements of one window along an axis lie from `low` to `high` (exclusive). */
function placesIn(axis: WindowAxis, window: number, low: number, high: number): number {
  const { stride, before, kernel, dilation } = axis;
  const start = window * stride - before;
  const first = Math.max(0, Math.ceil((low - start) / dilation));
  const end = Math.min(kernel, Math.ceil((high - start) / dilation));
  return Math.max(0, end - first);
}

/** Whether every window along an axis has an element inside the input: the outermost tell, but where dilation leaves gaps. */
function reachesInput(axis: WindowAxis): boolean {
  const isEmpty = (window: number) => placesIn(axis, window, 0, axis.input) === 0;
  if (isEmpty(0) || isEmpty(axis.output - 1)) return false;
  if (axis.dilation <= axis.input) return true;
  for (let window = 1; window < axis.output - 1; window++) if (isEmpty(window)) return false;
  return true;
}

/** For each window along an axis, how many of its elements lie from `low` to `high` (exclusive). */
const placesOf = (axis: WindowAxis, low: number, high: number): number[] =>
  Array.from({ length: axis.output }, (_, window) => placesIn(axis, window, low, high));

/** The type that pooling gives. */
export const inferPool = (name: string, x: Value, attributes: PoolAttributes) => [
  { dtype: x.dtype, shape: [...x.shape.slice(0, 2), ...geometry(name, x.shape, attributes).shape] },
];

const pooledShape = (x: Shape, axes: readonly WindowAxis[]): Shape => [
  ...x.slice(0, 2),
  ...axes.map((axis) => axis.output),
];

/** Visits every tap of every window of every map: `visit(output, input)` with flat offsets. */
export function visitTaps(x: Shape, axes: readonly WindowAxis[], visit: (output: number, input: number) => void): void {
  const taps = tapsOf(axes);
  const positions = taps.starts.length - 1;
  const map = sizeOf(x.slice(2));
  for (let plane = 0; plane < x[0]! * x[1]!; plane++)
    for (let position = 0; position < positions; position++)
      for (let tap = taps.starts[position]!; tap < taps.starts[position + 1]!; tap++)
        visit(plane * positions + position, plane * map + taps.input[tap]!);
}

/** For every window, the offset of its largest element; of equal ones, the first in row-major order. */
function largest(x: Tensor, attributes: PoolAttributes): { shape: Shape; at: Int32Array } {
  const axes = geometry("MaxPool", x.shape, attributes).axes!;
  const shape = pooledShape(x.shape, axes);
  const at = new Int32Array(sizeOf(shape)).fill(-1);
  const input = x.numbers;
  visitTaps(x.shape, axes, (output, from) => {
    const best = at[output]!;
    if (best < 0 || input[from]! > input[best]!) at[output] = from;
  });
  return { shape, at };
}

/**
 * The largest element under each window (chapter, equation 1.11); padding never wins. The second output is where in the
 * whole input each stands, as a flat offset; of equal ones, the first.
 * ONNX: https://onnx.ai/onnx/operators/onnx__MaxPool.html
 */
export const MaxPool = defineOp<PoolAttributes>({
  name: "MaxPool",
  domain: "",
  attributes: poolAttributes,
  arity: [1, 1],
  infer: ([x], attributes) => {
    const [type] = inferPool("MaxPool", x!, attributes);
    return [type!, { ...type!, dtype: "int64" }];
  },
  evaluate: ([x], attributes) => {
    const { shape, at } = largest(x!, attributes);
    return [select(x!, x!, attributes), new Tensor("int64", shape, BigInt64Array.from(at, BigInt))];
  },
  gradient: (node, [g], attributes) => [g && apply(MaxPoolGradient, [node.inputs[0], g], attributes)[0]],
});

/** The elements of `values` that stand where those of `x` are the largest of their window. */
function select(x: Tensor, values: Tensor, attributes: PoolAttributes): Tensor {
  const { shape, at } = largest(x, attributes);
  const data = allocate(x.dtype, at.length);
  for (let index = 0; index < data.length; index++) data[index] = values.data[at[index]!]!;
  return new Tensor(x.dtype, shape, data);
}

/** The gradient of max pooling for its input: each window's gradient goes to its first largest element. */
export const MaxPoolGradient: Op<PoolAttributes> = defineOp<PoolAttributes>({
  name: "MaxPoolGradient",
  domain: striateDomain,
  attributes: poolAttributes,
  arity: [2, 2],
  infer: ([x]) => [x!],
  evaluate: ([x, g], attributes) => {
    const { at } = largest(x!, attributes);
    const data = allocate(x!.dtype, x!.size) as Float64Array;
    for (let index = 0; index < at.length; index++) data[at[index]!]! += g!.numbers[index]!;
    return [new Tensor(x!.dtype, x!.shape, data as Float64Array<ArrayBuffer>)];
  },
  gradient: (node, [h], attributes) => [undefined, h && apply(MaxPoolSelect, [node.inputs[0], h], attributes)[0]],
  composition: ([x, g], attributes) => {
    const indices = reshape(apply(MaxPool, [x], attributes)[1]!, [-1]);
    return [reshapeLike(scatterAdd(zerosLike(reshape(x!, [-1])), indices, reshape(g!, [-1])), x!)];
  },
});

/** The elements of the second operand that stand where the first's are the largest of their window. */
export const MaxPoolSelect: Op<PoolAttributes> = defineOp<PoolAttributes>({
  name: "MaxPoolSelect",
  domain: striateDomain,
  attributes: poolAttributes,
  arity: [2, 2],
  infer: ([x], attributes) => inferPool("MaxPoolSelect", x!, attributes),
  evaluate: ([x, values], attributes) => [select(x!, values!, attributes)],
  gradient: (node, [g], attributes) => [undefined, g && apply(MaxPoolGradient, [node.inputs[0], g], attributes)[0]],
  composition: ([x, values], attributes) => {
    const indices = apply(MaxPool, [x], attributes)[1]!;
    return [reshapeLike(gatherElements(reshape(values!, [-1]), reshape(indices, [-1])), indices)];
  },
});

export interface AveragePoolAttributes extends PoolAttributes {
  count_include_pad: number;
}

const averageAttributes = { ...poolAttributes, count_include_pad: { kind: "int", default: 0 } } as const;

/** By how many elements each window divides: those inside the input, or with explicit padding counted too. */
export function divisors(axes: readonly WindowAxis[], includePadding: boolean): Float64Array {
  const perAxis = axes.map((axis) =>
    includePadding ? placesOf(axis, -axis.before, axis.input + axis.after) : placesOf(axis, 0, axis.input),
  );
  return Float64Array.from(
    perAxis.reduce((counts, axis) => counts.flatMap((count) => axis.map((each) => count * each)), [1]),
  );
}

/**
 * The mean under each window (chapter, equation 1.12), over the elements inside the input unless padding counts.
 * ONNX: https://onnx.ai/onnx/operators/onnx__AveragePool.html
 */
export const AveragePool: Op<AveragePoolAttributes> = defineOp<AveragePoolAttributes>({
  name: "AveragePool",
  domain: "",
  attributes: averageAttributes,
  arity: [1, 1],
  infer: ([x], attributes) => inferPool("AveragePool", x!, attributes),
  evaluate: ([x], attributes) => {
    const axes = geometry("AveragePool", x!.shape, attributes).axes!;
    const shape = pooledShape(x!.shape, axes);
    const counts = divisors(axes, attributes.count_include_pad === 1);
    const sums = new Float64Array(sizeOf(shape));
    visitTaps(x!.shape, axes, (output, from) => {
      sums[output]! += x!.numbers[from]!;
    });
    const data = allocate(x!.dtype, sums.length);
    for (let index = 0; index < data.length; index++) data[index] = sums[index]! / counts[index % counts.length]!;
    return [new Tensor(x!.dtype, shape, data)];
  },
  gradient: (node, [g], attributes) => [g && apply(AveragePoolGradient, [g, shapeOf(node.inputs[0]!)], attributes)[0]],
});

/** The gradient of average pooling for its input, from that of its output and the input's shape. */
export const AveragePoolGradient: Op<AveragePoolAttributes> = defineOp<AveragePoolAttributes>({
  name: "AveragePoolGradient",
  domain: striateDomain,
  attributes: averageAttributes,
  arity: [2, 2],
  infer: ([g, shape]) => [{ dtype: g!.dtype, shape: shapeFrom(shape!, "AveragePoolGradient") }],
  evaluate: ([g, shape], attributes) => {
    const x = shape!.toArray();
    const axes = geometry("AveragePoolGradient", x, attributes).axes!;
    const counts = divisors(axes, attributes.count_include_pad === 1);
    const data = allocate(g!.dtype, sizeOf(x)) as Float64Array;
    visitTaps(x, axes, (output, to) => {
      data[to]! += g!.numbers[output]! / counts[output % counts.length]!;
    });
    return [new Tensor(g!.dtype, x, data as Float64Array<ArrayBuffer>)];
  },
  gradient: (_, [h], attributes) => [h && apply(AveragePool, [h], attributes)[0]],
  composition: ([g, shape], attributes) => {
    const x = shapeFrom(shape!, "AveragePoolGradient") as Shape;
    const axes = poolAxes(x, attributes);
    const { strides, dilations, kernel_shape } = attributes;
    const counts = divisors(axes, attributes.count_include_pad === 1);
    const share = div(g!, constant(tensor(counts, [1, 1, ...axes.map((axis) => axis.output)], g!.dtype)));
    const ones = constant(full([x[1]!, 1, ...kernel_shape!], 1, g!.dtype));
    const pads = padsOf(axes.map(withOverhang));
    const spread = convInputGradient(share, ones, shape!, { group: x[1]!, strides, dilations, pads, kernel_shape });
    return [spread];
  },
});

/** The axis with as much padding after it as its last window reaches, which may be more than there was. */
export function withOverhang(axis: WindowAxis): WindowAxis {
  const { input, output, kernel, stride, dilation, before, after } = axis;
  return { ...axis, after: Math.max(after, (output - 1) * stride + dilation * (kernel - 1) + 1 - before - input) };
}

/** The known geometry of a pooling node. */
export const poolAxes = (x: Shape, attributes: PoolAttributes): WindowAxis[] => geometry("pool", x, attributes).axes!;

/** The mean of each whole map, spatial axes kept with length 1 (chapter, equation 1.16). */
export const GlobalAveragePool = defineOp<Record<never, never>>({
  name: "GlobalAveragePool",
  domain: "",
  attributes: {},
  arity: [1, 1],
  infer: ([x]) => [{ dtype: x!.dtype, shape: x!.shape.map((each, axis) => (axis < 2 ? each : 1)) }],
  evaluate: ([x]) => {
    const map = sizeOf(x!.shape.slice(2));
    const data = allocate(x!.dtype, x!.size / map);
    for (let plane = 0; plane < data.length; plane++) {
      let sum = 0;
      for (let index = 0; index < map; index++) sum += x!.numbers[plane * map + index]!;
      data[plane] = sum / map;
    }
    return [
      new Tensor(
        x!.dtype,
        x!.shape.map((each, axis) => (axis < 2 ? each : 1)),
        data,
      ),
    ];
  },
  gradient: (node, [g]) => {
    const x = node.inputs[0]!;
    return [g && expandLike(div(g, elementsPer(x, node.outputs[0]!)), x)];
  },
});

export const maxPool = (x: Value, attributes: Partial<PoolAttributes>): Value => apply(MaxPool, [x], attributes)[0]!;
export const averagePool = (x: Value, attributes: Partial<AveragePoolAttributes>): Value =>
  apply(AveragePool, [x], attributes)[0]!;
export const globalAveragePool = (x: Value): Value => apply(GlobalAveragePool, [x])[0]!;
