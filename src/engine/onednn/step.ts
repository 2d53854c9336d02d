/** Pieces of work: what each touches, what it writes, and how to do it once everything has its place. */
import { argument } from "./dnnl.ts";
import type { Cell, Memory, Region } from "./memory.ts";

export interface Step {
  readonly name: string;
  readonly touches: readonly Region[];
  /** Of those, what it writes, the result first. */
  readonly writes: readonly Region[];
  /** What it may write its result over: it reads every element of it before it writes the same element. */
  readonly over: readonly Region[];
  make(memory: Memory): () => void;
}

export interface StepOptions {
  /** Whether it is made once, not in every run. */
  readonly prepared?: boolean;
  readonly writes?: readonly Cell[];
  readonly over?: readonly Cell[];
}

const gradients: readonly number[] = [
  argument.sourceGradient,
  argument.weightsGradient,
  argument.biasGradient,
  argument.scaleGradient,
  argument.shiftGradient,
];
const results: readonly number[] = [argument.result, argument.workspace, argument.mean, argument.variance];

/** What a primitive writes of its arguments: gradients, where it has one; otherwise results. */
export function written(arguments_: readonly (readonly [number, Cell])[]): Cell[] {
  const kinds = arguments_.some(([index]) => gradients.includes(index)) ? gradients : results;
  return [...kinds, argument.scratchpad].flatMap((kind) =>
    arguments_.filter(([index]) => index === kind).map(([, cell]) => cell),
  );
}

/** Those of these arguments that lie as the result does. */
export function underneath(arguments_: readonly (readonly [number, Cell])[], kinds: readonly number[]): Cell[] {
  const target = written(arguments_)[0];
  return arguments_
    .filter(([kind, { start = 0, order }]) => kinds.includes(kind) && start === 0 && order === target?.order)
    .map(([, cell]) => cell);
}
