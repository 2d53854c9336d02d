/** Functions of every element in loops of our own: those that the library lacks, and others where it cannot take them. */
import { constantOf, type Node, type Value } from "../../graph/value.ts";
import * as activation from "../../ops/activation.ts";
import { Expand } from "../../ops/core/broadcast.ts";
import * as core from "../../ops/core/elementwise.ts";
import * as functions from "../../ops/core/functions.ts";
import * as logic from "../../ops/core/logic.ts";
import { Transpose } from "../../ops/core/shape.ts";
import { type DType, dtypes, isBigInt } from "../../tensor/dtype.ts";
import { type Shape, sameShape, sizeOf, stridesOf } from "../../tensor/shape.ts";
import { pass } from "./loops.ts";
import { type Cell, isEitherOrder, isGapless, type Order } from "./memory.ts";
import type { Plan, Rule, Rules } from "./plan.ts";

/**
 * What an operator makes of the elements of its operands: in the text x, y and z are those, and attributes stand for their
 * numbers. Or a text from the operands' names (none for one that is left out).
 */
type Text = string | ((names: readonly (string | undefined)[], node: Node) => string);
interface Function_ {
  readonly text: Text;
  /** Whether it holds for 64-bit integers too, which are of another kind in this language. */
  readonly isWhole?: boolean;
}
type Entry = readonly [op: { readonly name: string }, text: Text, isWhole?: boolean];

const softplus = "(Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))))";

/** The first of all by an order, or no number where one is none. */
const extreme =
  (name: "max" | "min"): Text =>
  (names, { inputs }) =>
    (names as string[]).reduce((kept, each) => {
      if (!isBigInt(inputs[0]!.dtype)) return `Math.${name}(${kept}, ${each})`;
      return `(${each} ${name === "max" ? ">" : "<"} ${kept} ? ${each} : ${kept})`;
    });

const power: Text = ([x, y], { inputs }) => {
  const exponent = constantOf(inputs[1]);
  const known = exponent?.size === 1 ? exponent.item() : undefined;
  if (known === 1) return x!;
  if (known === 2) return `${x} * ${x}`;
  if (known === 3) return `${x} * ${x} * ${x}`;
  if (known === -1 && !isBigInt(inputs[0]!.dtype)) return `1 / ${x}`;
  return `${x} ** ${y}`;
};

/** As processors have it, what is no number or infinite is -2^63 as an integer of 64 bits. */
const cast: Text = ([x], { inputs, outputs }) => {
  const [from, to] = [inputs[0]!.dtype, outputs[0]!.dtype];
  if (to === "bool") return `${x} != 0`;
  if (isBigInt(from)) return isBigInt(to) ? x! : `Number(${x})`;
  return isBigInt(to) ? `(Number.isFinite(${x}) ? BigInt(Math.trunc(${x})) : -(2n ** 63n))` : x!;
};

const clip: Text = ([x, lowest, highest]) => {
  const above = lowest ? `(${x} < ${lowest} ? ${lowest} : ${x})` : x!;
  return highest ? `(${above} > ${highest} ? ${highest} : ${above})` : above;
};

const clipGradient: Text = ([x, g, lowest, highest]) => {
  const outside = [...(lowest ? [`${x} < ${lowest}`] : []), ...(highest ? [`${x} > ${highest}`] : [])];
  return outside.length === 0 ? g! : `(${outside.join(" || ")} ? 0 : ${g})`;
};

const infinite: Text = ([x], { attributes }) =>
  ["detect_positive", "detect_negative"]
    .map((name, index) => `(${attributes[name] === 1} && ${x} === ${index === 0 ? "" : "-"}Infinity)`)
    .join(" || ");

/** Those that the library has not. */
const own: readonly Entry[] = [
  [core.Where, "x ? y : z", true],
  [core.Greater, "x > y", true],
  [core.GreaterOrEqual, "x >= y", true],
  [core.Less, "x < y", true],
  [core.Equal, "x === y", true],
  [logic.LessOrEqual, "x <= y", true],
  [logic.And, "x && y"],
  [logic.Or, "x || y"],
  [logic.Xor, "!x !== !y"],
  [logic.Not, "!x"],
  [logic.IsNaN, "Number.isNaN(x)"],
  [logic.IsInf, infinite],
  [core.Cast, cast, true],
  [core.Sign, "Math.sign(x)"],
  [core.Log, "Math.log(x)"],
  [functions.Floor, "Math.floor(x)"],
  [functions.Ceil, "Math.ceil(x)"],
  [functions.Round, "even(x)"],
  [functions.Sin, "Math.sin(x)"],
  [functions.Cos, "Math.cos(x)"],
  [functions.Tan, "Math.tan(x)"],
  [functions.Asin, "Math.asin(x)"],
  [functions.Acos, "Math.acos(x)"],
  [functions.Atan, "Math.atan(x)"],
  [functions.Sinh, "Math.sinh(x)"],
  [functions.Cosh, "Math.cosh(x)"],
  [functions.Asinh, "Math.asinh(x)"],
  [functions.Acosh, "Math.acosh(x)"],
  [functions.Atanh, "Math.atanh(x)"],
  [functions.Mod, ([x, y], { attributes }) => remainder(x!, y!, attributes.fmod === 1), true],
  [activation.Erf, "erf(x)"],
  [activation.Selu, "gamma * (x > 0 ? x : alpha * Math.expm1(x))"],
  [activation.Celu, "x > 0 ? x : alpha * Math.expm1(x / alpha)"],
  [activation.ThresholdedRelu, "x > alpha ? x : 0"],
  [activation.Softsign, "x / (1 + Math.abs(x))"],
  [activation.PRelu, "x > 0 ? x : x * y", true],
];

/** Those that it has, for what it does not take: other types, other ways to broadcast. */
const others: readonly Entry[] = [
  [core.Add, "x + y", true],
  [core.Sub, "x - y", true],
  [core.Mul, "x * y", true],
  [core.Div, "x / y", true],
  [core.Pow, power, true],
  [functions.Max, extreme("max"), true],
  [functions.Min, extreme("min"), true],
  [core.Neg, "-x"],
  [functions.Reciprocal, "1 / x"],
  [core.Exp, "Math.exp(x)"],
  [core.Sqrt, "Math.sqrt(x)"],
  [core.Abs, "Math.abs(x)"],
  [core.Tanh, "Math.tanh(x)"],
  [core.Sigmoid, "1 / (1 + Math.exp(-x))"],
  [core.Relu, "Math.max(x, 0)"],
  [core.ReluGradient, "x > 0 ? y : 0"],
  [core.TanhGradient, "y * (1 - x * x)"],
  [core.HardSigmoid, "Math.min(Math.max(alpha * x + beta, 0), 1)"],
  [activation.Clip, clip, true],
  [activation.ClipGradient, clipGradient],
  [activation.LeakyRelu, "x > 0 ? x : alpha * x"],
  [activation.Elu, "x > 0 ? x : alpha * Math.expm1(x)"],
  [activation.HardSwish, "x * Math.min(Math.max(x / 6 + 0.5, 0), 1)"],
  [activation.Softplus, softplus],
  [activation.Mish, `x * Math.tanh(${softplus})`],
  [activation.Gelu, gelu()],
];

function gelu(): Text {
  const inner = `Math.tanh(${Math.sqrt(2 / Math.PI)} * (x + 0.044715 * x * x * x))`;
  return ([x], { attributes }) =>
    `0.5 * x * (1 + ${attributes.approximate === "tanh" ? inner : "erf(x * Math.SQRT1_2)"})`.replace(/\bx\b/g, x!);
}

/** With the sign of the divisor, or of what is divided. */
const remainder = (x: string, y: string, isFmod: boolean): string => {
  const rest = `${x} % ${y}`;
  return isFmod ? rest : `(${rest} != 0 && ${rest} < 0 !== ${y} < 0 ? ${rest} + ${y} : ${rest})`;
};

const entries = new Map<object, Function_>(
  [...own, ...others].map(([op, text, isWhole = false]) => [op, { text, isWhole }]),
);
const lacking = new Set<object>(own.map(([op]) => op));

/** What a node computes of elements with these names. */
function textOf(node: Node, names: readonly (string | undefined)[]): string {
  const { text } = entries.get(node.op)!;
  if (typeof text !== "string") return text(names, node);
  const [x, y, z] = names;
  const numbers = Object.entries(node.attributes).flatMap(([name, value]) =>
    typeof value === "number" ? [[name, `(${value})`] as const] : [],
  );
  const meant = new Map<string, string | undefined>([...numbers, ["x", x], ["y", y], ["z", z]]);
  return text.replace(/(?<![.\w])[a-z]+\b/g, (word) => meant.get(word) ?? word);
}

/** Whether loops take the node: not what has 64 bits where the text is for others. */
function isTaken({ op, inputs, outputs }: Node): boolean {
  const found = entries.get(op);
  if (!found || outputs.length !== 1 || outputs[0]!.shape.includes(0)) return false;
  return found.isWhole || [...inputs, ...outputs].every((value) => !value || !isBigInt(value.dtype));
}

/** Nodes whose results are only ever looked at by the loop of another: they are computed in it. */
const waiting = new WeakMap<Plan, Map<Value, Node>>();

/** Whether a node is left for the loop of the one that takes its result, element by element. */
function waits(node: Node, plan: Plan): boolean {
  const [result] = node.outputs as [Value];
  const [next, ...more] = plan.consumers(result);
  if (!next || more.some((other) => other !== next) || plan.isResult(result) || plan.isPreparing) return false;
  if (!lacking.has(next.op) || !isTaken(node) || !isTaken(next)) return false;
  return !isBigInt(result.dtype) && sameShape(result.shape, next.outputs[0]!.shape) && isExact(result.dtype);
}

/** Whether an element of the type is the same number before it is stored, once it is rounded as here. */
const isExact = (dtype: DType): boolean => dtypes[dtype].float || dtype === "bool";
const rounded = (dtype: DType, text: string): string =>
  dtype === "bool" ? `((${text}) ? 1 : 0)` : dtype === "float32" ? `Math.fround(${text})` : `(${text})`;

/** Left for another's loop. */
const left: Rule = (node, plan) => {
  if (plan.isFollowed(node) || !waits(node, plan)) return false;
  waiting.set(plan, (waiting.get(plan) ?? new Map<Value, Node>()).set(node.outputs[0]!, node));
  return true;
};

/** In a loop of its own, with what was left for it. */
const looped: Rule = (node, plan) => {
  if (!isTaken(node) || plan.isFollowed(node)) return false;
  if (left(node, plan)) return true;
  const operands: Value[] = [];
  const lines: string[] = [];
  const names = new Map<Value, string>();
  const nameOf = (value: Value): string => {
    const known = names.get(value);
    if (known) return known;
    const inner = waiting.get(plan)?.get(value);
    let name = `x${operands.length}`;
    if (inner) {
      const text = textOf(
        inner,
        inner.inputs.map((input) => input && nameOf(input)),
      );
      name = `t${lines.length}`;
      lines.push(`const ${name} = ${rounded(value.dtype, text)};`);
    } else operands.push(value);
    names.set(value, name);
    return name;
  };
  const text = textOf(
    node,
    node.inputs.map((input) => input && nameOf(input)),
  );
  const [{ dtype, shape }] = node.outputs as [Value & { shape: Shape }];
  const how = { lines, text: dtype === "bool" ? `(${text}) ? 1 : 0` : text };
  const anywhere = operands.map((value) => plan.anywhere(value));
  const isInBlocks = anywhere.some(({ order }) => order === "blocked");
  const isFlat = ({ order, shape: own }: Cell) => (order === "blocked" && sameShape(own, shape)) || sizeOf(own) === 1;
  if (isInBlocks && isGapless({ order: "blocked", shape }) && anywhere.every(isFlat)) {
    pass(plan, inRow(plan.output(node, 0, "blocked")), anywhere.map(inRow), how);
    return true;
  }
  const cells = operands.map((value) => plan.cell(value));
  pass(plan, plan.output(node, 0, orderOf(cells, shape)), cells, how);
  return true;
};

/** The elements as they lie, whatever the order. */
const inRow = (cell: Cell): Cell => ({ ...cell, shape: [sizeOf(cell.shape)], order: "plain" });

/** The order in which most of what has the result's shape lies: the channels innermost, if any has them so. */
function orderOf(operands: readonly Cell[], shape: Shape): Order {
  if (isEitherOrder(shape)) return "plain";
  const isLast = operands.some((cell) => cell.order === "channelsLast" && sameShape(cell.shape, shape));
  return isLast ? "channelsLast" : "plain";
}

/** What costs a loop next to nothing, where the library would need a pass for it. */
const light: readonly object[] = [core.Add, core.Sub, core.Mul, core.Div, core.Neg];

/** Ahead of the library's. */
export const leavingRules: Rules = [...entries.keys()].flatMap((op) =>
  light.includes(op) ? [[op as { readonly name: string }, left] as const] : [],
);

/** Repeated along axes of length 1. */
const repeated: Rule = (node, plan) => {
  const [x] = node.inputs as [Value];
  if (plan.isFollowed(node)) return false;
  const source = plan.cell(x);
  const { length: rank } = node.outputs[0]!.shape;
  const result = plan.output(node, 0, source.shape.length === rank ? source.order : "plain");
  pass(plan, result, [source], { text: "x0" });
  return true;
};

/** Axes in another order, of types that the library does not move. */
const transposed: Rule = (node, plan) => {
  const source = plan.ordered(node.inputs[0]!, "plain");
  const result = plan.output(node, 0, "plain");
  const perm = (node.attributes.perm as readonly number[] | undefined) ?? [...source.shape.keys()].reverse();
  const own = stridesOf(source.shape);
  pass(plan, result, [{ ...source, strides: perm.map((axis) => own[axis]!) }], { text: "x0" });
  return true;
};

export const functionRules: Rules = [
  ...[...entries.keys()].map((op) => [op as { readonly name: string }, looped] as const),
  [Expand, repeated],
  [Transpose, transposed],
];
