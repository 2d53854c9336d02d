/**
 * The fast forms of operators in ONNX Runtime: what was measured to beat both the composition and, for some standard
 * operators, the runtime's own kernel. docs/engine.md has the figures. A rule that does not apply gives undefined.
 */
import { apply } from "../../graph/op.ts";
import { constant, constantOf, fixedShape } from "../../graph/value.ts";
import { Conv, ConvInputGradient, ConvWeightGradient } from "../../ops/conv.ts";
import { Expand } from "../../ops/core/broadcast.ts";
import { cast, mul, ReluGradient } from "../../ops/core/elementwise.ts";
import { Max, Min } from "../../ops/core/functions.ts";
import { ReduceSum, reduceSum } from "../../ops/core/reduce.ts";
import { reshape } from "../../ops/core/shape.ts";
import { DepthToSpace, SpaceToDepth } from "../../ops/depth-space.ts";
import { matmul } from "../../ops/matmul.ts";
import type { DType } from "../../tensor/dtype.ts";
import { sameShape, sizeOf } from "../../tensor/shape.ts";
import { full } from "../../tensor/tensor.ts";
import { convRule, inputGradientRule } from "./conv-rules.ts";
import { normalisationRules } from "./normalisation-rules.ts";
import { poolRules } from "./pool-rules.ts";
import { resizeRules } from "./resize-rules.ts";
import { isPositive, type LoweringRule } from "./rule.ts";
import { weightGradientRule } from "./weight-rules.ts";

/** Sums over the batch and the map (a bias's gradient): the map first, then the short rest. */
const reduceSumRule: LoweringRule = ([x, axes], node) => {
  const shape = fixedShape(x!);
  const reduced = constantOf(axes)?.toArray();
  if (!shape || shape.length < 4 || node.attributes.keepdims !== 0) return undefined;
  if (reduced?.length !== shape.length - 1 || reduced.includes(1)) return undefined;
  const [batch, channels, ...spatial] = shape;
  return [reduceSum(reduceSum(reshape(x!, [batch!, channels!, sizeOf(spatial)]), { axes: [2] }), { axes: [0] })];
};

/** Numbers repeated over maps: their product with a row of ones, since the runtime repeats them one by one. */
const expandRule: LoweringRule = ([x], node) => {
  const [from, to] = [fixedShape(x!), fixedShape(node.outputs[0]!)];
  if (!from || !to || from.length !== to.length || x!.dtype !== "float32") return undefined;
  const first = from.findLastIndex((length) => length !== 1) + 1;
  const row = sizeOf(to.slice(first));
  if (row === 1 || !sameShape(from.slice(0, first), to.slice(0, first))) return undefined;
  return [reshape(matmul(reshape(x!, [-1, 1]), constant(full([1, row], 1))), to)];
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

const pairs: readonly (readonly [object, LoweringRule])[] = [
  ...resizeRules,
  ...poolRules,
  ...normalisationRules,
  [Conv, convRule],
  [ConvInputGradient, inputGradientRule],
  [ConvWeightGradient, weightGradientRule],
  [DepthToSpace, rearrangeRule],
  [Expand, expandRule],
  [Max, narrowRule],
  [Min, narrowRule],
  [ReduceSum, reduceSumRule],
  [SpaceToDepth, rearrangeRule],
  [ReluGradient, ([y, g]) => [mul(g!, isPositive(y!))]],
];

/** The rules, by the operator they are for. */
export const rules: ReadonlyMap<object, LoweringRule> = new Map(pairs);
