/** Activations and their gradients, found in a graph as what they are made of: the library computes each in one pass. */
import { gradientsOf } from "../../autodiff/gradient.ts";
import { StriateError } from "../../errors.ts";
import { type Graph, nodesOf } from "../../graph/graph.ts";
import { type Attributes, apply, defineOp, notDifferentiable, type Op, striateDomain } from "../../graph/op.ts";
import { rewrite, withInputs } from "../../graph/rewrite.ts";
import { constantOf, inputValue, type Node, producerOf, type Value, type ValueType } from "../../graph/value.ts";
import * as activation from "../../ops/activation.ts";
import * as core from "../../ops/core/elementwise.ts";
import { formatShape, sameShape } from "../../tensor/shape.ts";
import { byResult, type Elementwise } from "./dnnl.ts";

/** The two numbers of the library's elementwise functions. */
export interface Numbers {
  alpha: number;
  beta: number;
}

/** An elementwise function of the library's, or its gradient from the operand (or result) and the result's gradient. */
const whole = (name: string, operands: number): Op<Numbers> =>
  defineOp<Numbers>({
    name,
    domain: striateDomain,
    attributes: { alpha: { kind: "float", default: 0 }, beta: { kind: "float", default: 0 } },
    arity: [operands, operands],
    infer: ([x]) => [x!],
    evaluate: ([x]) => {
      throw new StriateError({ subject: name, found: `${x!.dtype} ${formatShape(x!.shape)}`, expected: "the library" });
    },
    gradient: notDifferentiable,
  });

const names = [
  "abs",
  "clip",
  "elu",
  "geluErf",
  "geluTanh",
  "hardSwish",
  "leakyRelu",
  "logistic",
  "mish",
  "softplus",
  "swish",
] as const satisfies readonly Elementwise[];
type Name = (typeof names)[number];
const opsOf = (suffix: string, operands: number): ReadonlyMap<Name, Op<Numbers>> =>
  new Map(names.map((name) => [name, whole(`${name}${suffix}`, operands)]));

/** Nodes that stand for an activation, and for its gradient, by what the library calls it. */
export const activations = opsOf("", 1);
export const activationGradients = opsOf("Gradient", 2);

/** An activation that the library has, and what it is made of. */
interface Known extends Partial<Numbers> {
  readonly name: Name;
  readonly of: (x: Value) => Value;
}

const gaussian = (x: Value): Value => core.add(apply(activation.Erf, [core.div(x, Math.SQRT2)])[0]!, 1);
const sixth: Numbers = { alpha: 1 / 6, beta: 0.5 };

/** Those that files write out in simpler operators, as layers here do too. */
const composed: readonly Known[] = [
  { name: "swish", of: (x) => core.mul(x, core.sigmoid(x)), alpha: 1 },
  { name: "geluErf", of: (x) => core.mul(core.mul(x, gaussian(x)), 0.5) },
  { name: "geluErf", of: (x) => core.mul(core.mul(x, 0.5), gaussian(x)) },
  { name: "mish", of: (x) => core.mul(x, core.tanh(activation.softplus(x))) },
  { name: "hardSwish", of: (x) => core.div(core.mul(x, activation.clip(core.add(x, 3), 0, 6)), 6), ...sixth },
  { name: "hardSwish", of: (x) => core.mul(x, core.hardSigmoid(x, sixth)), ...sixth },
];

/** Those that are operators. */
const single = new Map<object, (attributes: Attributes) => Omit<Known, "of">>([
  [activation.LeakyRelu, ({ alpha }) => ({ name: "leakyRelu", alpha: alpha as number })],
  [activation.Elu, ({ alpha }) => ({ name: "elu", alpha: alpha as number })],
  [activation.Gelu, ({ approximate }) => ({ name: approximate === "tanh" ? "geluTanh" : "geluErf" })],
  [activation.HardSwish, () => ({ name: "hardSwish", ...sixth })],
  [activation.Softplus, () => ({ name: "softplus", alpha: 1 })],
  [activation.Mish, () => ({ name: "mish" })],
  [core.Abs, () => ({ name: "abs" })],
  [core.Sigmoid, () => ({ name: "logistic" })],
]);

/** Those whose operators stay: the library's e^x - 1 loses its digits near 0; sigmoid's is known as it is. */
const isKept = (name: Name): boolean => name === "elu" || name === "logistic";

/** The largest number in single precision. */
const largest = 3.4028234663852886e38;

/** The limits of clipping, the lower and the upper one, where they are known and leave something between them. */
export function limitsOf(limits: readonly (Value | undefined)[]): readonly [number, number] | undefined {
  if (limits.some((limit) => limit && !constantOf(limit))) return undefined;
  const [low = -largest, high = largest] = limits.map((limit) => constantOf(limit)?.item());
  return low < high ? [low, high] : undefined;
}

/** Numbers between limits that are known; its gradient is an operator already. */
function clipOf({ inputs: [, ...limits], op, attributes }: Node): Known | undefined {
  const known = op === (activation.Clip as object) && limitsOf(limits);
  if (!known) return undefined;
  const of = (x: Value) => apply(op, [x, ...limits], attributes)[0]!;
  return { name: "clip", of, alpha: known[0], beta: known[1] };
}

type Bound = ReadonlyMap<Value, Value>;

const isNear = (one: number, other: number): boolean => Math.abs(one - other) <= 1e-6 * Math.abs(one);

/**
 * What the inputs of a pattern stand for, where a value is made as the pattern is: of the same operators and numbers, sums
 * and products in either order.
 */
function match(pattern: Value, value: Value, bound: Bound): Bound | undefined {
  if (pattern.source.kind === "input") {
    const known = bound.get(pattern);
    if (known) return known === value ? bound : undefined;
    return value.dtype === "float32" && sameShape(pattern.shape, value.shape)
      ? new Map(bound).set(pattern, value)
      : undefined;
  }
  const number = constantOf(pattern);
  if (number) {
    const found = constantOf(value);
    return found?.size === 1 && isNear(number.item(), found.item()) ? bound : undefined;
  }
  const [wanted, node] = [producerOf(pattern)!, producerOf(value)];
  if (node?.op !== wanted.op || node.inputs.length !== wanted.inputs.length) return undefined;
  const isAlike = Object.entries(wanted.attributes).every(([name, each]) => {
    const found = node.attributes[name];
    return typeof each === "number" && typeof found === "number" ? isNear(each, found) : each === found;
  });
  if (!isAlike) return undefined;
  const inOrder = (inputs: Node["inputs"]): Bound | undefined => {
    let all: Bound | undefined = bound;
    wanted.inputs.forEach((input, index) => {
      const other = inputs[index];
      if (input && other) all = all && match(input, other, all);
      else if (input !== other) all = undefined;
    });
    return all;
  };
  const commutes = node.op === (core.Add as object) || node.op === (core.Mul as object);
  return inOrder(node.inputs) ?? (commutes ? inOrder(node.inputs.toReversed()) : undefined);
}

/** What a node that stands for an activation computes, in the library's terms. */
export function elementwiseOf({ op, attributes }: Node): ({ readonly algorithm: Elementwise } & Numbers) | undefined {
  const name = [...activations].find(([, each]) => each === (op as object))?.[0];
  return name && { algorithm: name, ...(attributes as unknown as Numbers) };
}

/** A node that stands in another's place, with its operands. */
interface Found {
  readonly op: Op<Numbers>;
  readonly numbers: Numbers;
  readonly operands: readonly Value[];
}

/** Activations of a graph and their gradients, by the last node that each is made of. */
function find(graph: Graph): ReadonlyMap<Node, Found> {
  const nodes = nodesOf(graph);
  const keyOf = ({ op }: Node, { shape }: ValueType): string => `${op.name} ${shape}`;
  const alike = new Map<string, Node[]>();
  for (const node of nodes) {
    const key = keyOf(node, node.outputs[0]!);
    alike.set(key, [...(alike.get(key) ?? []), node]);
  }
  const found = new Map<Node, Found>();
  for (const node of nodes) {
    const [y] = node.outputs as [Value];
    if (y.dtype !== "float32" || y.shape.includes(0)) continue;
    const [x, g] = ["x", "g"].map((name) => inputValue(name, y)) as [Value, Value];
    const known = single.get(node.op)?.(node.attributes);
    const own = known && { ...known, of: (value: Value) => apply(node.op, [value], node.attributes)[0]! };
    const alone = own ?? clipOf(node);
    for (const { name, of, alpha = 0, beta = 0 } of alone ? [alone] : composed) {
      const pattern = of(x);
      const bound = match(pattern, y, new Map());
      if (!bound) continue;
      const operand = bound.get(x)!;
      const numbers = { alpha, beta };
      if (!isKept(name)) found.set(node, { op: activations.get(name)!, numbers, operands: [operand] });
      if (name === "clip") break;
      const [gradient] = gradientsOf(pattern, [x], { seed: g });
      for (const other of alike.get(keyOf(producerOf(gradient!)!, y)) ?? []) {
        const behind = match(gradient!, other.outputs[0]!, new Map([[x, operand]]));
        if (!behind || found.has(other)) continue;
        found.set(other, {
          op: activationGradients.get(name)!,
          numbers,
          operands: [byResult[name] ? y : operand, behind.get(g)!],
        });
      }
      break;
    }
  }
  return found;
}

/** The graph with nodes of the library's in place of activations and their gradients. */
export function withActivations(graph: Graph): Graph {
  const found = find(graph);
  const now = new Map<Value, Value>();
  return rewrite(graph, (node, inputs) => {
    const stands = found.get(node);
    const operands = stands?.operands.map((value) => now.get(value) ?? value);
    const outputs = stands ? apply(stands.op, operands!, stands.numbers) : withInputs(node, inputs);
    node.outputs.forEach((output, index) => {
      now.set(output, outputs[index]!);
    });
    return outputs;
  }).graph;
}
