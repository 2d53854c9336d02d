import { StriateError } from "../errors.ts";
import { apply, defineOp } from "../graph/op.ts";
import { constant, constantOf, randomValue, type Value } from "../graph/value.ts";
import { scalar } from "../tensor/tensor.ts";
import { div, greaterOrEqual, where } from "./core/elementwise.ts";

/**
 * The input unchanged; in training each element is zeroed with probability `ratio` and the others grow by
 * 1 / (1 - ratio), by numbers that are an input of the graph (Srivastava et al., JMLR 2014).
 * ONNX: https://onnx.ai/onnx/operators/onnx__Dropout.html
 */
export const Dropout = defineOp<{ seed?: number }>({
  name: "Dropout",
  domain: "",
  attributes: { seed: { kind: "int" } },
  arity: [1, 3],
  infer: ([x]) => [x!],
  evaluate: ([x]) => [x!],
  gradient: (_, [g]) => [g],
  training: (node) => {
    const [x, ratio] = node.inputs as [Value, Value | undefined];
    const probability = constantOf(ratio)?.item() ?? 0.5;
    if (probability === 0) return { outputs: [x] };
    const draws = randomValue(`${node.scope || "dropout"}.uniform`, { dtype: x.dtype, shape: x.shape }, "uniform");
    return { outputs: [where(greaterOrEqual(draws, probability), div(x, 1 - probability), 0)] };
  },
});

/** @throws StriateError when the ratio is not in [0, 1). */
export function dropoutOf(x: Value, ratio: number): Value {
  if (!(ratio >= 0 && ratio < 1))
    throw new StriateError({ subject: "dropout", found: `a ratio of ${ratio}`, expected: "at least 0 and below 1" });
  return apply(Dropout, [x, constant(scalar(ratio))])[0]!;
}
