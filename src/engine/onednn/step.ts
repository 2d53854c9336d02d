/** Pieces of work: what each touches, what it writes, and how to do it once everything has its place. */
import { StriateError } from "../../errors.ts";
import { fixedShape, type Node } from "../../graph/value.ts";
import { formatShape } from "../../tensor/shape.ts";
import { kindOf, nameOf, type StepKind } from "../profile.ts";
import { argument } from "./dnnl.ts";
import type { Cell, Memory, Region } from "./memory.ts";
import type { Piece } from "./pieces.ts";

export interface Step {
  readonly kind: StepKind;
  readonly touches: readonly Region[];
  /** Of those, what it writes, the result first. */
  readonly writes: readonly Region[];
  /** What it may write its result over: it reads every element of it before it writes the same element. */
  readonly over: readonly Region[];
  /** Of what may run in ONNX Runtime. */
  readonly piece?: Piece;
  /** What does it: what is not done when it returns gives a promise. */
  make(memory: Memory): () => unknown;
}

export interface StepOptions {
  /** Whether it is made once, not in every run. */
  readonly prepared?: boolean;
  readonly writes?: readonly Cell[];
  readonly over?: readonly Cell[];
  readonly piece?: Piece;
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

const way = ({ order, precision = "float32" }: Cell): string => `${order} ${precision}`;

/** Those of these arguments that lie as the result does, in numbers as long as its own. */
export function underneath(arguments_: readonly (readonly [number, Cell])[], kinds: readonly number[]): Cell[] {
  const [target] = written(arguments_);
  return arguments_
    .filter(([kind, cell]) => kinds.includes(kind) && (cell.start ?? 0) === 0 && target && way(cell) === way(target))
    .map(([, cell]) => cell);
}

/** The shapes of a node whose lengths are known. */
export const shapesOf = ({ inputs, outputs }: Node) => ({
  inputs: inputs.map((value) => value && fixedShape(value)),
  outputs: outputs.map((value) => fixedShape(value) ?? []),
});

/** What is being laid out: it says of which operator and layer the steps are that come of it. */
export class Label {
  #kind: StepKind = { operator: "", scope: "", macs: 0 };

  /** The nodes that are computed together from now on. */
  set(...nodes: readonly [Node, ...Node[]]): void {
    const kinds = nodes.map((node) => kindOf(node, shapesOf(node)));
    const operator = kinds.map((kind) => kind.operator).join("+");
    this.#kind = { operator, scope: kinds[0]!.scope, macs: kinds.reduce((sum, { macs }) => sum + macs, 0) };
  }

  /** Whatever the body lays out leaves what is being laid out as it is; its steps are of another operator where one is given. */
  within<Made>(body: () => Made, operator = this.#kind.operator): Made {
    const kind = this.#kind;
    this.#kind = { ...kind, operator, macs: operator === kind.operator ? kind.macs : 0 };
    const made = body();
    this.#kind = kind;
    return made;
  }

  /** What a body that lays out nothing in the end took is there again. */
  tried(body: () => boolean): boolean {
    const kind = this.#kind;
    const isDone = body();
    if (!isDone) this.#kind = kind;
    return isDone;
  }

  /** A variable that takes its next value. */
  update(name: string): void {
    this.#kind = { operator: "update", scope: name, macs: 0 };
  }

  get name(): string {
    return nameOf(this.#kind);
  }

  /** What a new step is; arithmetic is the first one's. */
  take(): StepKind {
    const kind = this.#kind;
    this.#kind = { ...kind, macs: 0 };
    return kind;
  }
}

/** What the library complains of, with the operator and the shapes of its operands. */
export function located(error: unknown, { op, scope, inputs }: Node): unknown {
  if (!(error instanceof StriateError) || error.complaint.subject !== "oneDNN" || error.complaint.cause) return error;
  const shapes = inputs.map((input) => (input ? formatShape(input.shape) : "none")).join(", ");
  const found = `${error.complaint.found} at ${scope === "" ? "" : `${scope}/`}${op.name} of ${shapes}`;
  return new StriateError({ ...error.complaint, found, cause: error });
}
