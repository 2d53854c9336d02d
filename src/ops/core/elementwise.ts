/** Elementwise operators. Operands of two-operand ones broadcast as in NumPy. */
import { StriateError } from "../../errors.ts";
import { dimensionsOf } from "../../graph/dimensions.ts";
import { apply, defineOp, type GradientRule, notDifferentiable, type Op, striateDomain } from "../../graph/op.ts";
import { constant, type Dimension, type Value } from "../../graph/value.ts";
import { allocate, type DType, isFloat } from "../../tensor/dtype.ts";
import { broadcastStrides, offsets } from "../../tensor/shape.ts";
import { scalar, Tensor } from "../../tensor/tensor.ts";
import { broadcastShapes, broadcastTensorShapes, sumTo } from "./broadcast.ts";
import { lengthened } from "./shape.ts";

type None = Record<never, never>;

/** A value or a number; numbers become constants of the other operand's element type. */
export type Operand = Value | number;

const lift = (operand: Operand, dtype: DType): Value =>
  typeof operand === "number" ? constant(scalar(operand, dtype)) : operand;

// ---------------------------------------------------------------------------------------------------- one operand

function mapNumbers(x: Tensor, f: (x: number) => number): Tensor {
  const data = allocate(x.dtype, x.size);
  const input = x.numbers;
  for (let index = 0; index < data.length; index++) data[index] = f(input[index]!);
  return new Tensor(x.dtype, x.shape, data);
}

/** States an operator of one operand, by its function and its derivative as graph: d f(x) / dx times the gradient. */
export function unary(
  name: string,
  f: (x: number) => number,
  gradient: (gradient: Value, x: Value, y: Value) => Value,
  domain = "",
): Op<None> {
  return defineOp<None>({
    name,
    domain,
    attributes: {},
    arity: [1, 1],
    infer: ([x]) => [x!],
    evaluate: ([x]) => [mapNumbers(x!, f)],
    gradient: (node, [g]) => [g && gradient(g, node.inputs[0]!, node.outputs[0]!)],
  });
}

export const Neg = unary(
  "Neg",
  (x) => -x,
  (g) => neg(g),
);
export const Exp = unary("Exp", Math.exp, (g, _, y) => mul(g, y));
export const Log = unary("Log", Math.log, (g, x) => div(g, x));
export const Sqrt = unary("Sqrt", Math.sqrt, (g, _, y) => div(g, mul(y, 2)));
export const Abs = unary("Abs", Math.abs, (g, x) => mul(g, sign(x)));
export const Tanh = unary("Tanh", Math.tanh, (g, _, y) => tanhGradient(y, g));
export const Sigmoid = unary(
  "Sigmoid",
  (x) => 1 / (1 + Math.exp(-x)),
  (g, _, y) => mul(g, mul(y, sub(1, y))),
);
export const Relu = unary(
  "Relu",
  (x) => Math.max(x, 0),
  (g, _, y) => reluGradient(y, g),
);
export const Sign: Op<None> = { ...unary("Sign", Math.sign, (g) => g), gradient: notDifferentiable };
export const Identity = defineOp<None>({
  name: "Identity",
  domain: "",
  attributes: {},
  arity: [1, 1],
  infer: ([x]) => [x!],
  evaluate: ([x]) => [x!],
  dimensions: ([x]) => dimensionsOf(x!),
  gradient: (_, [g]) => [g],
});

interface HardSigmoidAttributes {
  alpha: number;
  beta: number;
}

/** min(max(alpha x + beta, 0), 1). ONNX: https://onnx.ai/onnx/operators/onnx__HardSigmoid.html */
export const HardSigmoid = defineOp<HardSigmoidAttributes>({
  name: "HardSigmoid",
  domain: "",
  attributes: { alpha: { kind: "float", default: 0.2 }, beta: { kind: "float", default: 0.5 } },
  arity: [1, 1],
  infer: ([x]) => [x!],
  evaluate: ([x], { alpha, beta }) => [mapNumbers(x!, (each) => Math.min(Math.max(alpha * each + beta, 0), 1))],
  gradient: (node, [g], { alpha }) => {
    const y = node.outputs[0]!;
    const rising = cast(less(mul(y, y), y), y.dtype);
    return [g && mul(g, mul(rising, alpha))];
  },
});
export const hardSigmoid = (x: Value, attributes: HardSigmoidAttributes): Value =>
  apply(HardSigmoid, [x], attributes)[0]!;

export const neg = (x: Value): Value => apply(Neg, [x])[0]!;
export const exp = (x: Value): Value => apply(Exp, [x])[0]!;
export const log = (x: Value): Value => apply(Log, [x])[0]!;
export const sqrt = (x: Value): Value => apply(Sqrt, [x])[0]!;
export const abs = (x: Value): Value => apply(Abs, [x])[0]!;
export const sign = (x: Value): Value => apply(Sign, [x])[0]!;
export const tanh = (x: Value): Value => apply(Tanh, [x])[0]!;
export const sigmoid = (x: Value): Value => apply(Sigmoid, [x])[0]!;
export const relu = (x: Value): Value => apply(Relu, [x])[0]!;
export const identity = (x: Value): Value => apply(Identity, [x])[0]!;

// --------------------------------------------------------------------------------------------------- two operands

interface BinaryOptions {
  readonly number: (left: number, right: number) => number;
  /** The same on 64-bit integers, exactly. */
  readonly bigint?: (left: bigint, right: bigint) => bigint | number;
  readonly gradient: GradientRule | typeof notDifferentiable;
  /** For a comparison, whose result is boolean. */
  readonly boolean?: boolean;
  /** The same on dimensions that may have names, where that is a dimension. */
  readonly dimension?: (left: Dimension, right: Dimension) => Dimension | undefined;
}

export function binary(name: string, options: BinaryOptions): Op<None> {
  return defineOp<None>({
    name,
    domain: "",
    attributes: {},
    arity: [2, 2],
    infer: ([left, right]) => {
      if (left!.dtype !== right!.dtype)
        throw new StriateError({
          subject: name,
          found: `operands of ${left!.dtype} and ${right!.dtype}`,
          expected: "one element type",
          mend: "Cast one of them",
        });
      return [
        { dtype: options.boolean ? "bool" : left!.dtype, shape: broadcastShapes([left!.shape, right!.shape], name) },
      ];
    },
    evaluate: ([left, right]) => {
      const shape = broadcastTensorShapes([left!.shape, right!.shape], name);
      const leftAt = offsets(shape, broadcastStrides(left!.shape, shape));
      const rightAt = offsets(shape, broadcastStrides(right!.shape, shape));
      const dtype = options.boolean ? "bool" : left!.dtype;
      const data = allocate(dtype, leftAt.length);
      for (let index = 0; index < data.length; index++) {
        const a = left!.data[leftAt[index]!]!;
        const b = right!.data[rightAt[index]!]!;
        if (typeof a === "bigint" && options.bigint) data[index] = options.bigint(a, b as bigint);
        else data[index] = options.number(Number(a), Number(b));
      }
      return [new Tensor(dtype, shape, data)];
    },
    gradient: options.gradient,
    dimensions: options.dimension && (([left, right]) => pairwise(options.dimension!, left!, right!)),
  });
}

/** What a function makes of the dimensions of two operands; one may be a single one for all of the other's. */
function pairwise(f: NonNullable<BinaryOptions["dimension"]>, left: Value, right: Value): Dimension[] | undefined {
  const [from, by] = [dimensionsOf(left), dimensionsOf(right)];
  if (!from || !by || (from.length !== by.length && from.length !== 1 && by.length !== 1)) return undefined;
  const length = from.length === 1 ? by.length : from.length;
  const results = Array.from({ length }, (_, index) => f(from[index % from.length]!, by[index % by.length]!));
  return results.every((each) => each !== undefined) ? results : undefined;
}

/** The product of two dimensions: a number before names. */
function product(left: Dimension, right: Dimension): Dimension {
  if (typeof left === "number" && typeof right === "number") return left * right;
  if (left === 1 || right === 1) return left === 1 ? right : left;
  return typeof right === "number" ? `${right}*${left}` : `${left}*${right}`;
}

/** A gradient rule for two broadcast operands: each part is summed back to its operand's shape. */
export const both =
  (left: (g: Value, a: Value, b: Value, y: Value) => Value, right: typeof left): GradientRule =>
  (node, [g]) => {
    const [a, b] = node.inputs as [Value, Value];
    const y = node.outputs[0]!;
    return g ? [sumTo(left(g, a, b, y), a), sumTo(right(g, a, b, y), b)] : [undefined, undefined];
  };

export const Add = binary("Add", {
  number: (a, b) => a + b,
  bigint: (a, b) => a + b,
  dimension: (a, b) =>
    typeof b === "number" ? lengthened(a, b) : typeof a === "number" ? lengthened(b, a) : undefined,
  gradient: both(
    (g) => g,
    (g) => g,
  ),
});
export const Sub = binary("Sub", {
  number: (a, b) => a - b,
  bigint: (a, b) => a - b,
  dimension: (a, b) => (typeof b === "number" ? lengthened(a, -b) : a === b ? 0 : undefined),
  gradient: both(
    (g) => g,
    (g) => neg(g),
  ),
});
export const Mul = binary("Mul", {
  number: (a, b) => a * b,
  bigint: (a, b) => a * b,
  dimension: product,
  gradient: both(
    (g, _, b) => mul(g, b),
    (g, a) => mul(g, a),
  ),
});
export const Div = binary("Div", {
  number: (a, b) => a / b,
  bigint: (a, b) => a / b,
  dimension: (a, b) => {
    if (typeof a === "number" && typeof b === "number") return b === 0 ? undefined : Math.trunc(a / b);
    return b === 1 ? a : a === b ? 1 : undefined;
  },
  gradient: both(
    (g, _, b) => div(g, b),
    (g, _, b, y) => neg(div(mul(g, y), b)),
  ),
});
/**
 * a to the power b. The gradient for a is taken as 0 where the power is 0, also of a base of 0; that for b is y log a,
 * taken as 0 where the base is not positive.
 */
export const Pow = binary("Pow", {
  number: (a, b) => a ** b,
  bigint: (a, b) => a ** b,
  gradient: both(
    (g, a, b) => mul(g, mul(b, pow(a, where(equal(b, 0), 1, sub(b, 1))))),
    (g, a, _, y) => mul(g, where(greater(a, 0), mul(y, log(where(greater(a, 0), a, 1, a.dtype))), 0, a.dtype)),
  ),
});

export function comparison(name: string, holds: (a: number | bigint, b: number | bigint) => boolean): Op<None> {
  const number = (a: number | bigint, b: number | bigint) => (holds(a, b) ? 1 : 0);
  return binary(name, { number, bigint: number, gradient: notDifferentiable, boolean: true });
}
export const Greater = comparison("Greater", (a, b) => a > b);
export const GreaterOrEqual = comparison("GreaterOrEqual", (a, b) => a >= b);
export const Less = comparison("Less", (a, b) => a < b);
export const Equal = comparison("Equal", (a, b) => a === b);

function applyBinary(op: Op<None>, left: Operand, right: Operand): Value {
  const dtype = typeof left !== "number" ? left.dtype : typeof right !== "number" ? right.dtype : "float32";
  return apply(op, [lift(left, dtype), lift(right, dtype)])[0]!;
}

export const add = (left: Operand, right: Operand): Value => applyBinary(Add, left, right);
export const sub = (left: Operand, right: Operand): Value => applyBinary(Sub, left, right);
export const mul = (left: Operand, right: Operand): Value => applyBinary(Mul, left, right);
export const div = (left: Operand, right: Operand): Value => applyBinary(Div, left, right);
export const pow = (base: Operand, exponent: Operand): Value => applyBinary(Pow, base, exponent);
export const greater = (left: Operand, right: Operand): Value => applyBinary(Greater, left, right);
export const greaterOrEqual = (left: Operand, right: Operand): Value => applyBinary(GreaterOrEqual, left, right);
export const less = (left: Operand, right: Operand): Value => applyBinary(Less, left, right);
export const equal = (left: Operand, right: Operand): Value => applyBinary(Equal, left, right);

// ------------------------------------------------------------------------------------------------ choice and type

/** Elementwise choice: where the condition holds the second operand, elsewhere the third. */
export const Where = defineOp<None>({
  name: "Where",
  domain: "",
  attributes: {},
  arity: [3, 3],
  infer: ([condition, yes, no]) => {
    if (condition!.dtype !== "bool" || yes!.dtype !== no!.dtype)
      throw new StriateError({
        subject: "Where",
        found: `a condition of ${condition!.dtype}, values of ${yes!.dtype} and ${no!.dtype}`,
        expected: "a condition of bool and values of one element type",
      });
    return [{ dtype: yes!.dtype, shape: broadcastShapes([condition!.shape, yes!.shape, no!.shape], "Where") }];
  },
  evaluate: ([condition, yes, no]) => {
    const shape = broadcastTensorShapes([condition!.shape, yes!.shape, no!.shape], "Where");
    const at = [condition!, yes!, no!].map((operand) => offsets(shape, broadcastStrides(operand.shape, shape)));
    const data = allocate(yes!.dtype, at[0]!.length);
    for (let index = 0; index < data.length; index++)
      data[index] = condition!.data[at[0]![index]!] ? yes!.data[at[1]![index]!]! : no!.data[at[2]![index]!]!;
    return [new Tensor(yes!.dtype, shape, data)];
  },
  gradient: (node, [g]) => {
    if (!g) return [];
    const [condition, yes, no] = node.inputs as [Value, Value, Value];
    return [undefined, sumTo(where(condition, g, 0), yes), sumTo(where(condition, 0, g), no)];
  },
});

export function where(condition: Value, yes: Operand, no: Operand, dtype: DType = "float32"): Value {
  const type = typeof yes !== "number" ? yes.dtype : typeof no !== "number" ? no.dtype : dtype;
  return apply(Where, [condition, lift(yes, type), lift(no, type)])[0]!;
}

/** ONNX's numbers for the element types (TensorProto.DataType). */
export const onnxDTypes = {
  float32: 1,
  uint8: 2,
  int8: 3,
  uint16: 4,
  int16: 5,
  int32: 6,
  int64: 7,
  bool: 9,
  float64: 11,
  uint32: 12,
  uint64: 13,
} as const satisfies Record<DType, number>;

const dtypeOf = (code: number): DType => {
  const found = Object.entries(onnxDTypes).find(([, each]) => each === code);
  if (!found) throw new StriateError({ subject: "Cast", found: `element type ${code}`, expected: "one Striate has" });
  return found[0] as DType;
};

/**
 * Another element type. Among floats the evaluation keeps the type it is given: the reference engine computes all of
 * them in float64.
 */
export const Cast = defineOp<{ to: number }>({
  name: "Cast",
  domain: "",
  attributes: { to: { kind: "int" } },
  arity: [1, 1],
  infer: ([x], { to }) => [{ dtype: dtypeOf(to), shape: x!.shape }],
  evaluate: ([x], { to }) => [isFloat(x!.dtype) && isFloat(dtypeOf(to)) ? x! : x!.cast(dtypeOf(to))],
  dimensions: ([x]) => dimensionsOf(x!),
  gradient: (node, [g]) => [g && isFloat(node.inputs[0]!.dtype) ? cast(g, node.inputs[0]!.dtype) : undefined],
});

export const cast = (x: Value, dtype: DType): Value =>
  x.dtype === dtype ? x : apply(Cast, [x], { to: onnxDTypes[dtype] })[0]!;

// -------------------------------------------------------------------------------- gradients kept whole for engines

/** An operator of ours on an output and its gradient, linear in the gradient. */
function gradientOfOutput(
  name: string,
  f: (y: number, g: number) => number,
  gradient: GradientRule,
  composition: (y: Value, g: Value) => Value,
): Op<None> {
  return defineOp<None>({
    name,
    domain: striateDomain,
    attributes: {},
    arity: [2, 2],
    infer: ([y]) => [y!],
    evaluate: ([y, g]) => {
      const data = allocate(y!.dtype, y!.size);
      for (let index = 0; index < data.length; index++) data[index] = f(y!.numbers[index]!, g!.numbers[index]!);
      return [new Tensor(y!.dtype, y!.shape, data)];
    },
    gradient,
    composition: ([y, g]) => [composition(y!, g!)],
  });
}

/** The gradient of ReLU from its output y: g where y > 0, else 0. */
export const ReluGradient = gradientOfOutput(
  "ReluGradient",
  (y, g) => (y > 0 ? g : 0),
  (node, [h]) => [undefined, h && reluGradient(node.inputs[0]!, h)],
  (y, g) => where(greater(y, 0), g, 0),
);

/** The gradient of tanh from its output y: g (1 - y^2). */
export const TanhGradient = gradientOfOutput(
  "TanhGradient",
  (y, g) => g * (1 - y * y),
  (node, [h]) => {
    const [y, g] = node.inputs as [Value, Value];
    return h ? [mul(mul(h, g), mul(y, -2)), tanhGradient(y, h)] : [];
  },
  (y, g) => mul(g, sub(1, mul(y, y))),
);

export const reluGradient = (y: Value, g: Value): Value => apply(ReluGradient, [y, g])[0]!;
const tanhGradient = (y: Value, g: Value): Value => apply(TanhGradient, [y, g])[0]!;
