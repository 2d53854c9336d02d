/** Broadcasting (NumPy's rules) and its gradient: summing back. */
import { StriateError } from "../../errors.ts";
import { apply, defineOp } from "../../graph/op.ts";
import { constant, constantOf, type Dimension, type Value } from "../../graph/value.ts";
import { allocate } from "../../tensor/dtype.ts";
import { broadcastStrides, formatShape, offsets, type Shape, sameShape } from "../../tensor/shape.ts";
import { scalar, Tensor } from "../../tensor/tensor.ts";
import { reduceSum } from "./reduce.ts";
import { reshapeLike, shapeFrom, shapeOf } from "./shape.ts";

/** The shape that several broadcast to: aligned at the last axis, lengths equal or 1. */
export function broadcastShapes(shapes: readonly (readonly Dimension[])[], subject: string): Dimension[] {
  const rank = Math.max(...shapes.map((shape) => shape.length));
  return Array.from({ length: rank }, (_, axis) => {
    let result: Dimension = 1;
    for (const shape of shapes) {
      const dimension = shape[axis - rank + shape.length] ?? 1;
      if (dimension === 1 || dimension === result) continue;
      if (result !== 1)
        throw new StriateError({
          subject,
          found: `shapes ${shapes.map(formatShape).join(" and ")}`,
          expected: "lengths that are equal or 1 along each axis, counted from the last",
        });
      result = dimension;
    }
    return result;
  });
}

export const broadcastTensorShapes = (shapes: readonly Shape[], subject: string): number[] =>
  broadcastShapes(shapes, subject) as number[];

/** Repeats a tensor along its axes of length 1 to the shape given by the second operand. */
export const Expand = defineOp<Record<never, never>>({
  name: "Expand",
  domain: "",
  attributes: {},
  arity: [2, 2],
  infer: ([x, shape]) => [
    { dtype: x!.dtype, shape: broadcastShapes([x!.shape, shapeFrom(shape!, "Expand")], "Expand") },
  ],
  evaluate: ([x, target]) => {
    const shape = broadcastTensorShapes([x!.shape, target!.toArray()], "Expand");
    const at = offsets(shape, broadcastStrides(x!.shape, shape));
    const data = allocate(x!.dtype, at.length);
    for (let index = 0; index < data.length; index++) data[index] = x!.data[at[index]!]!;
    return [new Tensor(x!.dtype, shape, data)];
  },
  gradient: (node, [g]) => [g && sumTo(g, node.inputs[0]!)],
});

export const expand = (x: Value, shape: Value): Value => {
  const target = constantOf(shape)?.toArray();
  return target && sameShape(x.shape, target) ? x : apply(Expand, [x, shape])[0]!;
};

/** A value repeated to the shape of another. */
export const expandLike = (x: Value, like: Value): Value =>
  sameShape(x.shape, like.shape) ? x : expand(x, shapeOf(like));

/** Zeros of the shape and element type of a value. */
export const zerosLike = (value: Value): Value => expandLike(constant(scalar(0, value.dtype)), value);

/** The gradient of broadcasting `like` to the shape of `value`: the sum over what was repeated. */
export function sumTo(value: Value, like: Value): Value {
  if (sameShape(value.shape, like.shape)) return value;
  const lead = value.shape.length - like.shape.length;
  const axes = value.shape.flatMap((dimension, axis) =>
    axis < lead || (like.shape[axis - lead] === 1 && dimension !== 1) ? [axis] : [],
  );
  const summed = axes.length === 0 ? value : reduceSum(value, { axes, keepDimensions: true });
  return sameShape(summed.shape, like.shape) ? summed : reshapeLike(summed, like);
}
