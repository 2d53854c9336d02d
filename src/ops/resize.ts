/** Resampling of feature maps. */
import { StriateError } from "../errors.ts";
import { apply, defineOp, type Op } from "../graph/op.ts";
import { constant, constantOf, type Dimension, type Value } from "../graph/value.ts";
import { allocate } from "../tensor/dtype.ts";
import { type Shape, sizeOf } from "../tensor/shape.ts";
import { Tensor, tensor } from "../tensor/tensor.ts";
import { mul } from "./core/elementwise.ts";
import { averagePool } from "./pool.ts";

interface ResizeAttributes {
  coordinate_transformation_mode: string;
  mode: string;
  nearest_mode: string;
}

/** The whole-number factors of a nearest-neighbour enlargement. */
function factors(rank: number, scales: Tensor | undefined, attributes: ResizeAttributes): number[] {
  const values = scales?.toArray() ?? [];
  const { mode, coordinate_transformation_mode: coordinates, nearest_mode: rounding } = attributes;
  const supported = mode === "nearest" && coordinates === "asymmetric" && rounding === "floor";
  const maps = values.length === rank && values[0] === 1 && values[1] === 1;
  if (!supported || !maps || values.some((scale) => !Number.isInteger(scale) || scale < 1))
    throw new StriateError({
      subject: "Resize",
      found: `mode ${mode}, ${coordinates}, ${rounding}, scales [${values}]`,
      expected: "mode nearest, asymmetric, floor, and constant whole scales, 1 for the batch and the channels",
    });
  return values;
}

/**
 * Enlargement by whole factors, each element repeated. ONNX: https://onnx.ai/onnx/operators/onnx__Resize.html
 */
export const Resize: Op<ResizeAttributes> = defineOp<ResizeAttributes>({
  name: "Resize",
  domain: "",
  attributes: {
    coordinate_transformation_mode: { kind: "string", default: "half_pixel" },
    mode: { kind: "string", default: "nearest" },
    nearest_mode: { kind: "string", default: "round_prefer_floor" },
  },
  arity: [3, 3],
  optional: [1],
  settings: [1, 2],
  infer: ([x, , scales], attributes) => {
    const by = factors(x!.shape.length, constantOf(scales), attributes);
    const shape = x!.shape.map((length, axis): Dimension => {
      if (typeof length === "number") return length * by[axis]!;
      return by[axis] === 1 ? length : `${by[axis]}*${length}`;
    });
    return [{ dtype: x!.dtype, shape }];
  },
  evaluate: ([x, , scales], attributes) => {
    const by = factors(x!.shape.length, scales, attributes);
    const shape = x!.shape.map((length, axis) => length * by[axis]!);
    const data = allocate(x!.dtype, sizeOf(shape));
    for (let index = 0; index < data.length; index++) data[index] = x!.data[sourceOf(index, x!.shape, shape, by)]!;
    return [new Tensor(x!.dtype, shape, data)];
  },
  gradient: (node, [g]) => {
    if (!g) return [];
    const by = factors(
      g.shape.length,
      constantOf(node.inputs[2]),
      node.attributes as unknown as ResizeAttributes,
    ).slice(2);
    return [mul(averagePool(g, { kernel_shape: by, strides: by }), sizeOf(by))];
  },
});

/** Where in the smaller tensor the element at a flat offset of the larger one comes from. */
function sourceOf(index: number, from: Shape, to: Shape, by: readonly number[]): number {
  let source = 0;
  let stride = 1;
  let rest = index;
  for (let axis = to.length - 1; axis >= 0; axis--) {
    source += Math.floor((rest % to[axis]!) / by[axis]!) * stride;
    rest = Math.floor(rest / to[axis]!);
    stride *= from[axis]!;
  }
  return source;
}

/** Each element of the maps repeated `by` times along each spatial axis. */
export const repeatNearest = (x: Value, by: readonly number[]): Value =>
  apply(Resize, [x, undefined, constant(tensor([1, 1, ...by]))], {
    coordinate_transformation_mode: "asymmetric",
    mode: "nearest",
    nearest_mode: "floor",
  })[0]!;
