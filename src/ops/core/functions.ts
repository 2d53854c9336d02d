/** Elementwise functions beyond arithmetic: rounding, trigonometry, remainders, the larger and the smaller. */
import { StriateError } from "../../errors.ts";
import { apply, defineOp, notDifferentiable, type Op } from "../../graph/op.ts";
import type { Value } from "../../graph/value.ts";
import { allocate } from "../../tensor/dtype.ts";
import { broadcastStrides, offsets } from "../../tensor/shape.ts";
import { Tensor } from "../../tensor/tensor.ts";
import { broadcastShapes, broadcastTensorShapes, expandLike, sumTo } from "./broadcast.ts";
import { add, div, equal, mul, neg, sqrt, sub, unary, where } from "./elementwise.ts";

type None = Record<never, never>;

/** A function that is constant between its steps. */
const stepwise = (name: string, f: (x: number) => number): Op<None> => ({
  ...unary(name, f, (g) => g),
  gradient: notDifferentiable,
});

/** The largest whole number not above x. ONNX: https://onnx.ai/onnx/operators/onnx__Floor.html */
export const Floor = stepwise("Floor", Math.floor);
/** The smallest whole number not below x. ONNX: https://onnx.ai/onnx/operators/onnx__Ceil.html */
export const Ceil = stepwise("Ceil", Math.ceil);
/** The nearest whole number, halves to the even one. ONNX: https://onnx.ai/onnx/operators/onnx__Round.html */
export const Round = stepwise("Round", (x) => {
  const nearest = Math.round(x);
  return nearest - x === 0.5 && nearest % 2 !== 0 ? nearest - 1 : nearest;
});

/** 1 / x. ONNX: https://onnx.ai/onnx/operators/onnx__Reciprocal.html */
export const Reciprocal = unary(
  "Reciprocal",
  (x) => 1 / x,
  (g, _, y) => neg(mul(g, mul(y, y))),
);
const of = (op: Op<None>, x: Value): Value => apply(op, [x])[0]!;
const square = (x: Value): Value => mul(x, x);

/** ONNX: https://onnx.ai/onnx/operators/onnx__Sin.html */
export const Sin: Op<None> = unary("Sin", Math.sin, (g, x) => mul(g, of(Cos, x)));
export const Cos: Op<None> = unary("Cos", Math.cos, (g, x) => neg(mul(g, of(Sin, x))));
export const Tan = unary("Tan", Math.tan, (g, _, y) => mul(g, add(square(y), 1)));
export const Asin = unary("Asin", Math.asin, (g, x) => div(g, sqrt(sub(1, square(x)))));
export const Acos = unary("Acos", Math.acos, (g, x) => neg(div(g, sqrt(sub(1, square(x))))));
export const Atan = unary("Atan", Math.atan, (g, x) => div(g, add(square(x), 1)));
export const Sinh: Op<None> = unary("Sinh", Math.sinh, (g, x) => mul(g, of(Cosh, x)));
export const Cosh: Op<None> = unary("Cosh", Math.cosh, (g, x) => mul(g, of(Sinh, x)));
export const Asinh = unary("Asinh", Math.asinh, (g, x) => div(g, sqrt(add(square(x), 1))));
export const Acosh = unary("Acosh", Math.acosh, (g, x) => div(g, sqrt(sub(square(x), 1))));
export const Atanh = unary("Atanh", Math.atanh, (g, x) => div(g, sub(1, square(x))));

export const floor = (x: Value): Value => of(Floor, x);
export const ceil = (x: Value): Value => of(Ceil, x);
export const sin = (x: Value): Value => of(Sin, x);
export const cos = (x: Value): Value => of(Cos, x);

/**
 * The remainder of a / b: with the sign of b, or of a where `fmod` is 1. The gradient takes the quotient for constant.
 * ONNX: https://onnx.ai/onnx/operators/onnx__Mod.html
 */
export const Mod: Op<{ fmod: number }> = defineOp<{ fmod: number }>({
  name: "Mod",
  domain: "",
  attributes: { fmod: { kind: "int", default: 0 } },
  arity: [2, 2],
  infer: (operands) => [{ dtype: oneType("Mod", operands), shape: shapeOfAll("Mod", operands) }],
  evaluate: (operands, { fmod }) => {
    if (fmod === 1) return [merged("Mod", operands, (a, b) => (a as number) % (b as number))];
    return [
      merged("Mod", operands, (a, b) => {
        const rest = (a as number) % (b as number);
        const zero = (typeof rest === "bigint" ? 0n : 0) as number;
        return rest !== zero && rest < zero !== (b as number) < zero ? rest + (b as number) : rest;
      }),
    ];
  },
  gradient: (node, [g]) => {
    if (!g) return [];
    const [a, b] = node.inputs as [Value, Value];
    const quotient = div(sub(a, node.outputs[0]!), b);
    return [sumTo(g, a), sumTo(neg(mul(g, quotient)), b)];
  },
});

type Element = number | bigint;

function oneType(name: string, operands: readonly (Value | undefined)[]): Value["dtype"] {
  const types = new Set(operands.map((operand) => operand!.dtype));
  if (types.size === 1) return operands[0]!.dtype;
  throw new StriateError({
    subject: name,
    found: `operands of ${[...types].join(", ")}`,
    expected: "one element type",
  });
}

const shapeOfAll = (name: string, operands: readonly (Value | undefined)[]) =>
  broadcastShapes(
    operands.map((operand) => operand!.shape),
    name,
  );

/** What a function makes of the elements of all operands, two at a time. */
function merged(
  name: string,
  operands: readonly (Tensor | undefined)[],
  f: (a: Element, b: Element) => Element,
): Tensor {
  const shape = broadcastTensorShapes(
    operands.map((operand) => operand!.shape),
    name,
  );
  const [first, ...others] = operands as [Tensor, ...Tensor[]];
  const places = (operand: Tensor) => offsets(shape, broadcastStrides(operand.shape, shape));
  const start = places(first);
  const data = allocate(first.dtype, start.length);
  for (let index = 0; index < data.length; index++) data[index] = first.data[start[index]!]!;
  for (const other of others) {
    const at = places(other);
    for (let index = 0; index < data.length; index++) data[index] = f(data[index]!, other.data[at[index]!]!);
  }
  return new Tensor(first.dtype, shape, data);
}

/** States the one of any number of operands that is first by `isBefore`; equal ones give their gradient to the first. */
function chosen(name: string, isBefore: (a: Element, b: Element) => boolean): Op<None> {
  return defineOp<None>({
    name,
    domain: "",
    attributes: {},
    arity: [1, Number.POSITIVE_INFINITY],
    infer: (operands) => [{ dtype: oneType(name, operands), shape: shapeOfAll(name, operands) }],
    evaluate: (operands) => [
      merged(name, operands, (a, b) => (isBefore(b, a) || Number.isNaN(b) ? (Number.isNaN(a) ? a : b) : a)),
    ],
    gradient: (node, [g]) => {
      if (!g) return [];
      let rest = g;
      return node.inputs.map((input) => {
        const wide = expandLike(input!, node.outputs[0]!);
        const isChosen = equal(wide, node.outputs[0]!);
        const own = where(isChosen, rest, 0);
        rest = where(isChosen, 0, rest);
        return sumTo(own, input!);
      });
    },
  });
}

/** The largest of the operands, elementwise. ONNX: https://onnx.ai/onnx/operators/onnx__Max.html */
export const Max = chosen("Max", (a, b) => a > b);
/** The smallest of the operands, elementwise. ONNX: https://onnx.ai/onnx/operators/onnx__Min.html */
export const Min = chosen("Min", (a, b) => a < b);

export const maximum = (...operands: readonly Value[]): Value => apply(Max, operands)[0]!;
export const minimum = (...operands: readonly Value[]): Value => apply(Min, operands)[0]!;
