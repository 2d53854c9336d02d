/** Truth: combining booleans, and questions that numbers answer. */
import { apply, defineOp, notDifferentiable, type Op } from "../../graph/op.ts";
import type { Value } from "../../graph/value.ts";
import { allocate } from "../../tensor/dtype.ts";
import { Tensor } from "../../tensor/tensor.ts";
import { binary, comparison } from "./elementwise.ts";

const connective = (name: string, holds: (a: boolean, b: boolean) => boolean): Op<Record<never, never>> =>
  binary(name, { number: (a, b) => (holds(a !== 0, b !== 0) ? 1 : 0), gradient: notDifferentiable, boolean: true });

/** Both. ONNX: https://onnx.ai/onnx/operators/onnx__And.html */
export const And = connective("And", (a, b) => a && b);
/** At least one. ONNX: https://onnx.ai/onnx/operators/onnx__Or.html */
export const Or = connective("Or", (a, b) => a || b);
/** One but not both. ONNX: https://onnx.ai/onnx/operators/onnx__Xor.html */
export const Xor = connective("Xor", (a, b) => a !== b);
/** a <= b. ONNX: https://onnx.ai/onnx/operators/onnx__LessOrEqual.html */
export const LessOrEqual = comparison("LessOrEqual", (a, b) => a <= b);

/** States a question asked of each element. */
function question<A extends object>(
  name: string,
  attributes: Op<A>["attributes"],
  holds: (x: number, attributes: A) => boolean,
): Op<A> {
  return defineOp<A>({
    name,
    domain: "",
    attributes,
    arity: [1, 1],
    infer: ([x]) => [{ dtype: "bool", shape: x!.shape }],
    evaluate: ([x], given) => {
      const data = allocate("bool", x!.size);
      for (let index = 0; index < data.length; index++) data[index] = holds(Number(x!.data[index]), given) ? 1 : 0;
      return [new Tensor("bool", x!.shape, data)];
    },
    gradient: notDifferentiable,
  });
}

/** False where true, true where false. ONNX: https://onnx.ai/onnx/operators/onnx__Not.html */
export const Not = question<Record<never, never>>("Not", {}, (x) => x === 0);
/** Where an element is no number. ONNX: https://onnx.ai/onnx/operators/onnx__IsNaN.html */
export const IsNaN = question<Record<never, never>>("IsNaN", {}, Number.isNaN);
/** Where an element is infinite, of either or of one sign. ONNX: https://onnx.ai/onnx/operators/onnx__IsInf.html */
export const IsInf = question<{ detect_negative: number; detect_positive: number }>(
  "IsInf",
  { detect_negative: { kind: "int", default: 1 }, detect_positive: { kind: "int", default: 1 } },
  (x, { detect_negative, detect_positive }) =>
    (x === Number.POSITIVE_INFINITY && detect_positive === 1) ||
    (x === Number.NEGATIVE_INFINITY && detect_negative === 1),
);

export const not = (x: Value): Value => apply(Not, [x])[0]!;
