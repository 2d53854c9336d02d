/**
 * Symbolic values: what a graph is made of. A value has a type and a source; a node applies an operator to values and
 * makes new ones. Values are immutable and know where they came from, so a graph is nothing but its outputs.
 */
import type { DType } from "../tensor/dtype.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Attributes, Op } from "./op.ts";

/** A dimension: its length, or the name of one that is not fixed yet (`batch`, `height`). */
export type Dimension = number | string;

export interface ValueType {
  readonly dtype: DType;
  readonly shape: readonly Dimension[];
}

/** How the numbers of a random input are drawn: uniform on [0, 1), or standard normal. */
export type Distribution = "uniform" | "normal";

export type Source =
  | { readonly kind: "node"; readonly node: Node; readonly output: number }
  | { readonly kind: "constant"; readonly tensor: Tensor }
  /** Fed by the caller at every run. */
  | { readonly kind: "input"; readonly name: string }
  /** Fed at every run with numbers drawn from (seed, step, name). */
  | { readonly kind: "random"; readonly name: string; readonly distribution: Distribution }
  /** Kept from run to run: a parameter (which the gradient reaches if trainable) or a statistic, moment, counter. */
  | { readonly kind: "parameter"; readonly name: string; readonly trainable: boolean }
  | { readonly kind: "state"; readonly name: string };

export interface Value extends ValueType {
  readonly source: Source;
}

export type NamedSource = Exclude<Source, { kind: "node" } | { kind: "constant" }>;
export type Variable = Value & { readonly source: Extract<Source, { kind: "parameter" | "state" }> };
export type Input = Value & { readonly source: Extract<Source, { kind: "input" | "random" }> };

export interface Node {
  readonly op: Op;
  /** Optional operands that are left out are undefined. */
  readonly inputs: readonly (Value | undefined)[];
  readonly attributes: Attributes;
  readonly outputs: readonly Value[];
  /** The layer that made the node, as a dotted path: `layer1.0.conv1`. */
  readonly scope: string;
}

export const inputValue = (name: string, type: ValueType): Input => ({ ...type, source: { kind: "input", name } });

export const randomValue = (name: string, type: ValueType, distribution: Distribution): Input => ({
  ...type,
  source: { kind: "random", name, distribution },
});

export const parameterValue = (name: string, type: ValueType, trainable = true): Variable => ({
  ...type,
  source: { kind: "parameter", name, trainable },
});

export const stateValue = (name: string, type: ValueType): Variable => ({ ...type, source: { kind: "state", name } });

export const constant = (tensor: Tensor): Value => ({
  dtype: tensor.dtype,
  shape: tensor.shape,
  source: { kind: "constant", tensor },
});

/** The tensor of a constant value, or undefined for any other. */
export const constantOf = (value: Value | undefined): Tensor | undefined =>
  value?.source.kind === "constant" ? value.source.tensor : undefined;

export const producerOf = (value: Value): Node | undefined =>
  value.source.kind === "node" ? value.source.node : undefined;

/** The shape when every dimension is a number, else undefined. */
export const fixedShape = (value: ValueType): readonly number[] | undefined =>
  value.shape.every((dimension) => typeof dimension === "number") ? (value.shape as readonly number[]) : undefined;
