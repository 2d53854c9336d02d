/** Operators: each states everything about itself in one object, and the type insists on it. */
import { StriateError } from "../errors.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Graph } from "./graph.ts";
import { currentScope } from "./scope.ts";
import type { Dimension, Node, Value, ValueType } from "./value.ts";

export type AttributeValue = number | string | readonly number[] | readonly string[] | Tensor;
export type Attributes = Readonly<Record<string, AttributeValue | undefined>>;

export interface AttributeTypes {
  int: number;
  float: number;
  string: string;
  ints: readonly number[];
  floats: readonly number[];
  tensor: Tensor;
}
export type AttributeKind = keyof AttributeTypes;

/** One attribute of an operator: its ONNX type, and the value it has when it is not written. */
export interface AttributeDeclaration<K extends AttributeKind = AttributeKind> {
  readonly kind: K;
  readonly default?: AttributeTypes[K];
}

type DeclarationFor<T> = T extends number
  ? AttributeDeclaration<"int" | "float">
  : T extends string
    ? AttributeDeclaration<"string">
    : T extends Tensor
      ? AttributeDeclaration<"tensor">
      : AttributeDeclaration<"ints" | "floats">;

/** What running a node takes: multiply-accumulates, and bytes read and written at least once. */
export interface Cost {
  readonly macs: number;
  readonly bytes: number;
}

/** Shapes all known, for counting. */
export interface CostContext {
  readonly inputs: readonly (readonly number[] | undefined)[];
  readonly outputs: readonly (readonly number[])[];
}

/** What an operator becomes in training: other values in place of its outputs, and statistics to keep. */
export interface TrainingForm {
  readonly outputs: readonly Value[];
  readonly updates?: readonly { readonly variable: Value; readonly next: Value }[];
}

/** Zero or undefined everywhere: indices, comparisons, shapes. Never said of an operator whose derivative is merely hard. */
export const notDifferentiable = "notDifferentiable";

/** Our own operators' domain; ONNX's own is the empty string. */
export const striateDomain = "ai.striate";

/** Methods, not properties, so that an operator with its own attribute type is an `Op` too. */
export interface Op<A extends object = Attributes> {
  /** The operator's name in ONNX, or in our own domain. */
  readonly name: string;
  readonly domain: string;
  readonly attributes: { readonly [K in keyof A]-?: DeclarationFor<Exclude<A[K], undefined>> };
  /** The fewest and most operands. */
  readonly arity: readonly [number, number];
  /** Which operands among those fewest may be left out all the same. */
  readonly optional?: readonly number[];
  /** How many outputs are written even if nothing asks for the last of them; where it is not said, none. */
  readonly leastOutputs?: number;
  /** Which operands are settings, such as scales: never weights, even where a file keeps them as floats. */
  readonly settings?: readonly number[];
  /** The graph that it runs over and over: of the operator that does so. Its inputs are the operands, part by part. */
  readonly body?: Graph;
  /** How many of the first operands that graph takes whole instead, and under the names that they have outside of it. */
  readonly shared?: number;
  /** Which operands are statistics that training gathers: states, not weights, even where a file keeps them as floats. */
  readonly statistics?: readonly number[];
  /** The outputs' types, from the inputs' types (and values, where those are constants). */
  infer(inputs: readonly (Value | undefined)[], attributes: A): readonly ValueType[];
  /** The meaning, in plain loops: float64 for floats (in whichever float type the data comes), exact for integers. */
  evaluate(inputs: readonly (Tensor | undefined)[], attributes: A): readonly Tensor[];
  /** The gradients of the inputs, as more graph, from those of the outputs. */
  readonly gradient: typeof notDifferentiable | GradientRule<A>;
  /** Multiply-accumulates; the bytes follow from the shapes. */
  macs?(context: CostContext, attributes: A): number;
  /** The numbers that engines may hold while it runs, beside operands and results, where that is more than they are. */
  workspace?(context: CostContext, attributes: A): number;
  /** The outputs, where the inputs' types alone decide them: the shape of a value whose shape is fixed. */
  fold?(inputs: readonly (Value | undefined)[], attributes: A): readonly Tensor[] | undefined;
  /** The dimensions, some of them by name, that a whole-number output stands for: of operators that shapes go through. */
  dimensions?(inputs: readonly (Value | undefined)[], attributes: A): readonly Dimension[] | undefined;
  /** Its form in training, where that differs; `unique` gives an input that it adds a name that no other has. */
  training?(node: Node, attributes: A, unique: (name: string) => string): TrainingForm;
  /** For our own operators: the same in ONNX's standard operators. */
  composition?(inputs: readonly (Value | undefined)[], attributes: A): readonly Value[];
}

/**
 * From a node, its outputs' gradients (undefined: zero) and its attributes to its inputs' gradients (undefined: zero). A
 * method's type, so that a rule with its own attribute type is a rule too.
 */
export type GradientRule<A extends object = Attributes> = {
  rule(node: Node, gradients: readonly (Value | undefined)[], attributes: A): readonly (Value | undefined)[];
}["rule"];

/** States an operator; the attributes' TypeScript type is checked against their declarations. */
export const defineOp = <A extends object>(op: Op<A>): Op<A> => op;

/** Longer names of dimensions say nothing, and double with every operator. */
const longestName = 1000;

/** Longer axes are a mistake or an attack. */
const longestAxis = 2 ** 40;
const isLength = (length: number): boolean => Number.isInteger(length) && length >= 0 && length <= longestAxis;

/** Applies an operator: checks the operands, fills in default attributes, infers the outputs' types. */
export function apply<A extends object>(
  op: Op<A>,
  inputs: readonly (Value | undefined)[],
  given: Partial<A> = {},
): readonly Value[] {
  const present = inputs.length;
  if (present < op.arity[0] || present > op.arity[1])
    throw new StriateError({
      subject: op.name,
      found: `${present} inputs`,
      expected: op.arity[0] === op.arity[1] ? `${op.arity[0]}` : `${op.arity[0]} to ${op.arity[1]}`,
    });
  const missing = inputs.findIndex((input, index) => !input && index < op.arity[0] && !op.optional?.includes(index));
  if (missing >= 0)
    throw new StriateError({ subject: op.name, found: `nothing for input ${missing}`, expected: "a value" });
  const attributes: Record<string, AttributeValue | undefined> = {};
  for (const [name, declaration] of Object.entries<AttributeDeclaration>(op.attributes))
    attributes[name] = (given as Attributes)[name] ?? declaration.default;
  const outputs: Value[] = [];
  const node: Node = { op: op as Op, inputs, attributes, outputs, scope: currentScope() };
  op.infer(inputs, attributes as A).forEach((type, output) => {
    if (type.shape.some((dimension) => typeof dimension === "number" && !isLength(dimension)))
      throw new StriateError({
        subject: op.name,
        found: `a result of [${type.shape}]`,
        expected: "whole lengths from 0 to 2^40",
      });
    if (type.shape.some((dimension) => typeof dimension === "string" && dimension.length > longestName))
      throw new StriateError({ subject: op.name, found: "a dimension that is a sum or product of too many names" });
    outputs.push({ dtype: type.dtype, shape: type.shape, source: { kind: "node", node, output } });
  });
  return outputs;
}

/** The cost of a node whose shapes are all known. */
export function costOf(node: Node, context: CostContext): Cost {
  const macs = node.op.macs?.(context, node.attributes) ?? 0;
  const elements = [...context.inputs, ...context.outputs].reduce(
    (sum, shape) => sum + (shape?.reduce((size, dimension) => size * dimension, 1) ?? 0),
    0,
  );
  return { macs, bytes: 4 * elements };
}

/**
 * A node's attributes, by the types that its operator declares.
 * @param known the operators that it may be of
 * @throws StriateError when it is of another
 */
export function attributesOf<A extends object>(
  { op, attributes }: Pick<Node, "op" | "attributes">,
  ...known: readonly Op<A>[]
): A {
  if (known.some(({ name, domain }) => name === op.name && domain === op.domain)) return attributes as A;
  const expected = known.map(({ name }) => name).join(" or ");
  throw new StriateError({ subject: "node", found: `one of ${op.name}`, expected: `one of ${expected}` });
}
