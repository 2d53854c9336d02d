import { StriateError } from "../errors.ts";
import { apply, defineOp, striateDomain } from "../graph/op.ts";
import { constant, constantOf, randomValue, type Value } from "../graph/value.ts";
import { formatShape } from "../tensor/shape.ts";
import { scalar } from "../tensor/tensor.ts";
import { div, greaterOrEqual, identity, where } from "./core/elementwise.ts";

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
  training: (node, _, unique) => {
    const [x, ratio] = node.inputs as [Value, Value | undefined];
    const probability = constantOf(ratio)?.item() ?? 0.5;
    if (probability === 0) return { outputs: [x] };
    const draws = randomValue(
      unique(`${node.scope || "dropout"}.uniform`),
      { dtype: x.dtype, shape: x.shape },
      "uniform",
    );
    return { outputs: [where(greaterOrEqual(draws, probability), div(x, 1 - probability), 0)] };
  },
});

/**
 * The input unchanged; in training whole slices are zeroed with probability `ratio` and the others grow by
 * 1 / (1 - ratio): one draw for each place along the first `axes` axes, so that 1 drops samples (G. Huang et al., "Deep
 * networks with stochastic depth", ECCV 2016) and 2 drops maps (J. Tompson et al., CVPR 2015).
 */
export const SliceDropout = defineOp<{ ratio: number; axes: number }>({
  name: "SliceDropout",
  domain: striateDomain,
  attributes: { ratio: { kind: "float", default: 0.5 }, axes: { kind: "int", default: 2 } },
  arity: [1, 1],
  infer: ([x], { axes }) => {
    if (!(axes >= 1 && axes <= x!.shape.length))
      throw new StriateError({
        subject: "SliceDropout",
        found: `axes ${axes} for ${formatShape(x!.shape)}`,
        expected: "at least 1 and at most those there are",
      });
    return [x!];
  },
  evaluate: ([x]) => [x!],
  gradient: (_, [g]) => [g],
  composition: ([x]) => [identity(x!)],
  training: (node, { ratio, axes }, unique) => {
    const [x] = node.inputs as [Value];
    if (ratio === 0) return { outputs: [x] };
    const shape = x.shape.map((length, axis) => (axis < axes ? length : 1));
    const draws = randomValue(unique(`${node.scope || "dropout"}.uniform`), { dtype: x.dtype, shape }, "uniform");
    return { outputs: [where(greaterOrEqual(draws, ratio), div(x, 1 - ratio), 0)] };
  },
});

/** @throws StriateError when the ratio is not in [0, 1). */
function checkRatio(subject: string, ratio: number): void {
  if (!(ratio >= 0 && ratio < 1))
    throw new StriateError({ subject, found: `a ratio of ${ratio}`, expected: "at least 0 and below 1" });
}

/** @throws StriateError when the ratio is not in [0, 1). */
export function sliceDropoutOf(subject: string, x: Value, ratio: number, axes: number): Value {
  checkRatio(subject, ratio);
  return apply(SliceDropout, [x], { ratio, axes })[0]!;
}

/** @throws StriateError when the ratio is not in [0, 1). */
export function dropoutOf(x: Value, ratio: number): Value {
  checkRatio("dropout", ratio);
  return apply(Dropout, [x, constant(scalar(ratio))])[0]!;
}
