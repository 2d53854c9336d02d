/** What a check of an operator is made of. */
import type { Attributes, Op } from "../../src/graph/op.ts";
import type { Dimension, Value } from "../../src/graph/value.ts";
import type { DType } from "../../src/tensor/dtype.ts";
import type { Draw } from "./draw.ts";

/** One operand: its type, how its elements are drawn, and whether the gradient reaches it. */
export interface OperandSpec {
  /** Dimensions that have names are checked both as numbers and by name; their lengths are the case's `dimensions`. */
  readonly shape: readonly Dimension[];
  /** float32 by default. */
  readonly dtype?: DType;
  /** Normal by default. Draw away from kinks here: no element is dropped later. */
  readonly draw?: Draw;
  /** Floats are differentiated for, unless this is false. */
  readonly differentiable?: boolean;
  /** The random numbers of a training form that draws them under this operand's name: fed, but no input. */
  readonly random?: boolean;
  /** A part of the graph, not an input of it: shapes, axes. */
  readonly constant?: boolean;
}

export interface OpCase {
  readonly name: string;
  readonly op: Op;
  readonly inputs: readonly OperandSpec[];
  readonly attributes?: Attributes;
  /** The operator's operands from the values of `inputs`, where they are not the same. */
  readonly operands?: (values: readonly Value[]) => readonly (Value | undefined)[];
  /** What is made of the values in place of the operator by itself: its form in training, or a loss that is made of it. */
  readonly results?: (values: readonly Value[]) => readonly Value[];
  /** The lengths of named dimensions; `batch` is 2 unless it is here. */
  readonly dimensions?: Readonly<Record<string, number>>;
  /** False where the gradient is right but has itself no right gradient at the elements drawn. */
  readonly secondOrder?: false;
  /** Engines that are known to be wrong here, or `onnx` for writing and reading, with the reason beside it. */
  readonly except?: readonly string[];
}

type Fields = Omit<OpCase, "name" | "op" | "inputs">;

/** A row of a table of cases. */
export const row = (
  op: { readonly name: string },
  name: string,
  inputs: readonly OperandSpec[],
  fields: Fields = {},
): OpCase => ({ name: `${op.name}: ${name}`, op: op as Op, inputs, ...fields });

/** A float32 operand that the gradient reaches. */
export const moving = (shape: readonly Dimension[], draw?: Draw): OperandSpec => ({ shape, draw });

/** A float32 operand that stays where it is. */
export const still = (shape: readonly Dimension[], draw?: Draw): OperandSpec => ({
  shape,
  draw,
  differentiable: false,
});

/** Whole numbers that are part of the graph, such as a shape or axes. */
export const fixedVector = (...values: readonly number[]): OperandSpec => ({
  shape: [values.length],
  dtype: "int64",
  draw: () => values,
  constant: true,
});
