/** Activations that ONNX names. Those that are short compositions of others are composed where they are used. */
import { StriateError } from "../errors.ts";
import { apply, defineOp, type GradientRule, type Op, striateDomain } from "../graph/op.ts";
import { constant, type Node, type Value } from "../graph/value.ts";
import { allocate, isFloat } from "../tensor/dtype.ts";
import { broadcastStrides, formatShape, offsets, sizeOf } from "../tensor/shape.ts";
import { scalar, Tensor } from "../tensor/tensor.ts";
import { broadcastShapes, sumTo } from "./core/broadcast.ts";
import * as core from "./core/elementwise.ts";
import { add, div, exp, greater, less, mul, sub, where } from "./core/elementwise.ts";

type Floats<A> = { [K in keyof A]: { readonly kind: "float"; readonly default: number } };

/** States an activation by its function and its gradient as graph, from x, y = f(x) and y's gradient. */
function pointwise<A extends object>(
  name: string,
  attributes: Op<A>["attributes"],
  f: (x: number, attributes: A) => number,
  gradient: (g: Value, x: Value, y: Value, attributes: A) => Value,
): Op<A> {
  return defineOp<A>({
    name,
    domain: "",
    attributes,
    arity: [1, 1],
    infer: ([x]) => {
      if (!isFloat(x!.dtype))
        throw new StriateError({ subject: name, found: `elements of ${x!.dtype}`, expected: "floats" });
      return [x!];
    },
    evaluate: ([x], given) => {
      const data = allocate(x!.dtype, x!.size);
      for (let index = 0; index < data.length; index++) data[index] = f(x!.numbers[index]!, given);
      return [new Tensor(x!.dtype, x!.shape, data)];
    },
    gradient: (node, [g], attributes) => [g && gradient(g, node.inputs[0]!, node.outputs[0]!, attributes)],
  });
}

const float = (value: number) => ({ kind: "float", default: value }) as const;
const alpha = (value: number): Floats<{ alpha: number }> => ({ alpha: float(value) });

/**
 * The error function: 2 / sqrt(pi) times the integral of exp(-t^2) from 0 to x, by the series of positive terms
 * exp(-x^2) (x + 2/3 x^3 + 4/15 x^5 ...).
 */
export function errorFunction(x: number): number {
  const size = Math.abs(x);
  if (!(size < 6)) return Number.isNaN(x) ? x : Math.sign(x);
  let [term, sum] = [size, size];
  for (let odd = 3; term > sum * 1e-17; odd += 2) {
    term *= (2 * size * size) / odd;
    sum += term;
  }
  return (Math.sign(x) * 2 * Math.exp(-size * size) * sum) / Math.sqrt(Math.PI);
}

/** The error function. ONNX: https://onnx.ai/onnx/operators/onnx__Erf.html */
export const Erf = pointwise<Record<never, never>>("Erf", {}, errorFunction, (g, x) =>
  mul(g, mul(exp(core.neg(mul(x, x))), 2 / Math.sqrt(Math.PI))),
);

/** x where it is positive, else alpha x. ONNX: https://onnx.ai/onnx/operators/onnx__LeakyRelu.html */
export const LeakyRelu = pointwise<{ alpha: number }>(
  "LeakyRelu",
  alpha(0.01),
  (x, { alpha }) => (x > 0 ? x : alpha * x),
  (g, x, _, { alpha }) => where(greater(x, 0), g, mul(g, alpha)),
);

/** x where it is positive, else alpha (e^x - 1). D.-A. Clevert et al., ICLR 2016. */
export const Elu = pointwise<{ alpha: number }>(
  "Elu",
  alpha(1),
  (x, { alpha }) => (x > 0 ? x : alpha * Math.expm1(x)),
  (g, x, y, { alpha }) => where(greater(x, 0), g, mul(g, add(y, alpha))),
);

/** gamma times x where it is positive, else gamma alpha (e^x - 1). G. Klambauer et al., NeurIPS 2017. */
export const Selu = pointwise<{ alpha: number; gamma: number }>(
  "Selu",
  { alpha: float(1.6732632423543772), gamma: float(1.0507009873554805) },
  (x, { alpha, gamma }) => gamma * (x > 0 ? x : alpha * Math.expm1(x)),
  (g, x, y, { alpha, gamma }) => where(greater(x, 0), mul(g, gamma), mul(g, add(y, alpha * gamma))),
);

/** x where it is positive, else alpha (e^(x / alpha) - 1). J. T. Barron, 2017. */
export const Celu = pointwise<{ alpha: number }>(
  "Celu",
  alpha(1),
  (x, { alpha }) => Math.max(0, x) + Math.min(0, alpha * Math.expm1(x / alpha)),
  (g, x, y, { alpha }) => where(greater(x, 0), g, mul(g, add(div(y, alpha), 1))),
);

/** x where it is above alpha, else 0. ONNX: https://onnx.ai/onnx/operators/onnx__ThresholdedRelu.html */
export const ThresholdedRelu = pointwise<{ alpha: number }>(
  "ThresholdedRelu",
  alpha(1),
  (x, { alpha }) => (x > alpha ? x : 0),
  (g, x, _, { alpha }) => where(greater(x, alpha), g, 0),
);

const tanhScale = Math.sqrt(2 / Math.PI);
const tanhCube = 0.044715;

/**
 * x times the probability that a standard normal number is below it; `approximate` "tanh" for
 * x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))). D. Hendrycks and K. Gimpel, 2016.
 * ONNX: https://onnx.ai/onnx/operators/onnx__Gelu.html
 */
export const Gelu = pointwise<{ approximate: string }>(
  "Gelu",
  { approximate: { kind: "string", default: "none" } },
  (x, { approximate }) => {
    const inner =
      approximate === "tanh" ? Math.tanh(tanhScale * (x + tanhCube * x ** 3)) : errorFunction(x * Math.SQRT1_2);
    return 0.5 * x * (1 + inner);
  },
  (g, x, _, { approximate }) => {
    const square = mul(x, x);
    if (approximate !== "tanh") {
      const below = mul(add(erf(mul(x, Math.SQRT1_2)), 1), 0.5);
      return mul(g, add(below, mul(x, mul(exp(mul(square, -0.5)), 1 / Math.sqrt(2 * Math.PI)))));
    }
    const t = core.tanh(mul(mul(x, add(mul(square, tanhCube), 1)), tanhScale));
    const slope = mul(add(mul(square, 3 * tanhCube), 1), tanhScale);
    const rest = mul(mul(x, sub(1, mul(t, t))), slope);
    return mul(g, mul(add(add(t, 1), rest), 0.5));
  },
);

/** x min(max(x / 6 + 1/2, 0), 1). A. Howard et al., ICCV 2019. ONNX: https://onnx.ai/onnx/operators/onnx__HardSwish.html */
export const HardSwish = pointwise<Record<never, never>>(
  "HardSwish",
  {},
  (x) => x * Math.min(Math.max(x / 6 + 0.5, 0), 1),
  (g, x) => {
    const middle = mul(g, add(div(x, 3), 0.5));
    return where(greater(x, 3), g, where(less(x, -3), 0, middle));
  },
);

/** log(1 + e^x), without overflow. */
const softplusOf = (x: number): number => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));

/** log(1 + e^x). ONNX: https://onnx.ai/onnx/operators/onnx__Softplus.html */
export const Softplus = pointwise<Record<never, never>>("Softplus", {}, softplusOf, (g, x) => mul(g, core.sigmoid(x)));

/** x / (1 + |x|). ONNX: https://onnx.ai/onnx/operators/onnx__Softsign.html */
export const Softsign = pointwise<Record<never, never>>(
  "Softsign",
  {},
  (x) => x / (1 + Math.abs(x)),
  (g, x) => {
    const divisor = add(core.abs(x), 1);
    return div(g, mul(divisor, divisor));
  },
);

/** x tanh(log(1 + e^x)). D. Misra, BMVC 2020. ONNX: https://onnx.ai/onnx/operators/onnx__Mish.html */
export const Mish = pointwise<Record<never, never>>(
  "Mish",
  {},
  (x) => x * Math.tanh(softplusOf(x)),
  (g, x) => {
    const t = core.tanh(softplus(x));
    return mul(g, add(t, mul(mul(x, sub(1, mul(t, t))), core.sigmoid(x))));
  },
);

/**
 * x where it is positive, else slope x; the slope broadcasts to x. K. He et al., ICCV 2015.
 * ONNX: https://onnx.ai/onnx/operators/onnx__PRelu.html
 */
export const PRelu = defineOp<Record<never, never>>({
  name: "PRelu",
  domain: "",
  attributes: {},
  arity: [2, 2],
  infer: ([x, slope]) => {
    const shape = broadcastShapes([x!.shape, slope!.shape], "PRelu");
    if (shape.length > x!.shape.length || shape.some((length, axis) => length !== x!.shape[axis]))
      throw new StriateError({
        subject: "PRelu",
        found: `an input of ${formatShape(x!.shape)} and slopes of ${formatShape(slope!.shape)}`,
        expected: "slopes that broadcast to the input",
        mend: "Give slopes for channels the shape [channels, 1, 1]",
      });
    return [x!];
  },
  evaluate: ([x, slope]) => {
    const at = offsets(x!.shape, broadcastStrides(slope!.shape, x!.shape));
    const data = allocate(x!.dtype, x!.size);
    for (let index = 0; index < data.length; index++) {
      const value = x!.data[index]!;
      const factor = slope!.data[at[index]!]!;
      if (typeof value === "bigint") data[index] = value > 0n ? value : value * (factor as bigint);
      else data[index] = value > 0 ? value : value * (factor as number);
    }
    return [new Tensor(x!.dtype, x!.shape, data)];
  },
  gradient: (node, [g]) => {
    if (!g) return [];
    const [x, slope] = node.inputs as [Value, Value];
    const positive = greater(x, 0);
    return [where(positive, g, mul(g, slope)), sumTo(where(positive, 0, mul(g, x)), slope)];
  },
  macs: ({ outputs }) => sizeOf(outputs[0]!),
});

/**
 * min(max(x, lowest), highest), either of which may be left out; where the lowest is above the highest, the highest.
 * ONNX: https://onnx.ai/onnx/operators/onnx__Clip.html
 */
export const Clip = defineOp<Record<never, never>>({
  name: "Clip",
  domain: "",
  attributes: {},
  arity: [1, 3],
  settings: [1, 2],
  infer: ([x, ...limits]) => {
    for (const limit of limits)
      if (limit && (limit.dtype !== x!.dtype || limit.shape.some((length) => length !== 1)))
        throw new StriateError({
          subject: "Clip",
          found: `a limit of ${limit.dtype} ${formatShape(limit.shape)}`,
          expected: `one ${x!.dtype}, as the input's elements`,
        });
    return [x!];
  },
  evaluate: ([x, lowest, highest]) => {
    const [low, high] = [lowest?.data[0], highest?.data[0]];
    const data = allocate(x!.dtype, x!.size);
    for (let index = 0; index < data.length; index++) {
      let value = x!.data[index]!;
      if (low !== undefined && value < low) value = low;
      if (high !== undefined && value > high) value = high;
      data[index] = value;
    }
    return [new Tensor(x!.dtype, x!.shape, data)];
  },
  gradient: clipGradient,
});

/** The gradient goes to x inside the limits, and to whichever limit stands in its place outside. */
function clipGradient(node: Node, [g]: readonly (Value | undefined)[]): ReturnType<GradientRule> {
  if (!g) return [];
  const [x, lowest, highest] = node.inputs as [Value, Value | undefined, Value | undefined];
  const below = lowest && less(x, lowest);
  const above = highest && greater(lowest ? where(below!, lowest, x) : x, highest);
  const underHighest = above ? where(above, 0, g) : g;
  return [
    clipped(x, g, lowest, highest),
    lowest && sumTo(where(below!, underHighest, 0), lowest),
    highest && sumTo(where(above!, g, 0), highest),
  ];
}

/** The gradient of clipping for x, from that of its output: where x is within the limits or on one, else 0. */
export const ClipGradient: Op<Record<never, never>> = defineOp<Record<never, never>>({
  name: "ClipGradient",
  domain: striateDomain,
  attributes: {},
  arity: [2, 4],
  settings: [2, 3],
  infer: ([x]) => [x!],
  evaluate: ([x, g, lowest, highest]) => {
    const low = lowest ? Number(lowest.data[0]) : Number.NEGATIVE_INFINITY;
    const high = highest ? Number(highest.data[0]) : Number.POSITIVE_INFINITY;
    const data = allocate(x!.dtype, x!.size);
    for (let index = 0; index < data.length; index++) {
      const value = Number(x!.data[index]);
      if (!(value < low) && !(value > high)) data[index] = g!.data[index]!;
    }
    return [new Tensor(x!.dtype, x!.shape, data)];
  },
  gradient: (node, [h]) => {
    const [x, , lowest, highest] = node.inputs as [Value, Value, Value | undefined, Value | undefined];
    return [undefined, h && clipped(x, h, lowest, highest)];
  },
  composition: ([x, g, lowest, highest]) => {
    const underHighest = highest ? where(greater(x!, highest), 0, g!) : g!;
    return [lowest ? where(less(x!, lowest), 0, underHighest) : underHighest];
  },
});

const clipped = (x: Value, g: Value, lowest: Value | undefined, highest: Value | undefined): Value =>
  apply(ClipGradient, highest ? [x, g, lowest, highest] : lowest ? [x, g, lowest] : [x, g])[0]!;

const erf = (x: Value): Value => apply(Erf, [x])[0]!;
export const leakyRelu = (x: Value, slope?: number): Value => apply(LeakyRelu, [x], { alpha: slope })[0]!;
export const prelu = (x: Value, slope: Value): Value => apply(PRelu, [x, slope])[0]!;
export const elu = (x: Value, alpha?: number): Value => apply(Elu, [x], { alpha })[0]!;
export const selu = (x: Value): Value => apply(Selu, [x])[0]!;
export const celu = (x: Value, alpha?: number): Value => apply(Celu, [x], { alpha })[0]!;
export const gelu = (x: Value, approximate: "none" | "tanh" = "none"): Value => apply(Gelu, [x], { approximate })[0]!;
export const hardSwish = (x: Value): Value => apply(HardSwish, [x])[0]!;
export const softplus = (x: Value): Value => apply(Softplus, [x])[0]!;
export const softsign = (x: Value): Value => apply(Softsign, [x])[0]!;
export const mish = (x: Value): Value => apply(Mish, [x])[0]!;
export const clip = (x: Value, lowest: number, highest: number): Value =>
  apply(Clip, [x, constant(scalar(lowest, x.dtype)), constant(scalar(highest, x.dtype))])[0]!;
