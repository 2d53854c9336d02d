/** Softmax and its logarithm, along one axis. */
import { apply, defineOp, type GradientRule, type Op } from "../graph/op.ts";
import type { Value } from "../graph/value.ts";
import { allocate } from "../tensor/dtype.ts";
import { normaliseAxis, sizeOf } from "../tensor/shape.ts";
import { Tensor } from "../tensor/tensor.ts";
import { exp, mul, sub } from "./core/elementwise.ts";
import { reduceSum } from "./core/reduce.ts";

function alongAxis(
  name: string,
  finish: (shifted: number, logSum: number) => number,
  gradient: GradientRule<{ axis: number }>,
): Op<{ axis: number }> {
  return defineOp<{ axis: number }>({
    name,
    domain: "",
    attributes: { axis: { kind: "int", default: -1 } },
    arity: [1, 1],
    infer: ([x], { axis }) => {
      normaliseAxis(axis, x!.shape.length, name);
      return [x!];
    },
    evaluate: ([x], { axis }) => {
      const along = normaliseAxis(axis, x!.shape.length, name);
      const length = x!.shape[along]!;
      const inner = sizeOf(x!.shape.slice(along + 1));
      const input = x!.numbers;
      const data = allocate(x!.dtype, x!.size);
      for (let row = 0; row < x!.size / length; row++) {
        const start = Math.floor(row / inner) * length * inner + (row % inner);
        let largest = -Infinity;
        for (let k = 0; k < length; k++) largest = Math.max(largest, input[start + k * inner]!);
        let sum = 0;
        for (let k = 0; k < length; k++) sum += Math.exp(input[start + k * inner]! - largest);
        for (let k = 0; k < length; k++)
          data[start + k * inner] = finish(input[start + k * inner]! - largest, Math.log(sum));
      }
      return [new Tensor(x!.dtype, x!.shape, data)];
    },
    gradient,
  });
}

/** exp(x_i) / sum_k exp(x_k). ONNX: https://onnx.ai/onnx/operators/onnx__Softmax.html */
export const Softmax = alongAxis(
  "Softmax",
  (shifted, logSum) => Math.exp(shifted - logSum),
  (node, [g], { axis }) => {
    const y = node.outputs[0]!;
    return [g && mul(y, sub(g, reduceSum(mul(g, y), { axes: [axis], keepDimensions: true })))];
  },
);

/** x_i - log sum_k exp(x_k). ONNX: https://onnx.ai/onnx/operators/onnx__LogSoftmax.html */
export const LogSoftmax = alongAxis(
  "LogSoftmax",
  (shifted, logSum) => shifted - logSum,
  (node, [g], { axis }) => {
    const y = node.outputs[0]!;
    return [g && sub(g, mul(exp(y), reduceSum(g, { axes: [axis], keepDimensions: true })))];
  },
);

/** Probabilities along an axis: positive, summing to 1. */
export const softmax = (x: Value, axis = -1): Value => apply(Softmax, [x], { axis })[0]!;

/**
 * The logarithms of those probabilities, x - log sum e^x: of logits, what `klDivergence` compares.
 *
 * @example
 * import { inputValue, klDivergence, logSoftmax } from "striate";
 *
 * const [logits, teacher] = ["logits", "teacher"].map((name) => inputValue(name, { dtype: "float32", shape: [4, 10] }));
 * console.assert(klDivergence.of(logSoftmax(logits!), teacher!).shape.length === 0);
 */
export const logSoftmax = (x: Value, axis = -1): Value => apply(LogSoftmax, [x], { axis })[0]!;
