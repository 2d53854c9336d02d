/** Loops of our own over memory: what the library lacks, one pass for each, which allocates nothing. */
import type { TypedArray } from "../../tensor/dtype.ts";
import { type Shape, stridesOf } from "../../tensor/shape.ts";
import { type Cell, type Memory, stridesIn } from "./memory.ts";
import type { Plan } from "./plan.ts";

/** One axis of a walk over elements: how many, and how far apart the neighbours of each tensor are. */
export interface Axis {
  readonly length: number;
  readonly strides: readonly number[];
}

/** A tensor that a loop reads: its elements follow its own order, or these strides along the axes of the result. */
export type Operand = Cell & { readonly strides?: readonly number[] };

/** A tensor's strides along the axes of a shape that it broadcasts to. */
function stridesTo({ order, shape: own, strides: given }: Operand, shape: Shape): readonly number[] {
  if (given) return given;
  const strides = own.length < 3 ? stridesOf(own) : stridesIn(order, own);
  const lead = shape.length - own.length;
  return shape.map((_, axis) => (axis < lead || own[axis - lead] === 1 ? 0 : strides[axis - lead]!));
}

/** The axes in which a tensor's elements follow one another: those that all tensors walk through alike become one. */
export function walkOf(result: Cell, operands: readonly Operand[]): readonly Axis[] {
  const { shape, order } = result;
  const strides = [result, ...operands].map((cell) => stridesTo(cell, shape));
  const inner = order === "channelsLast" && shape.length > 2 ? 1 : -1;
  const axes = [...shape.keys()].filter((axis) => axis !== inner && shape[axis] !== 1);
  if (inner === 1 && shape[1] !== 1) axes.push(1);
  const walk: Axis[] = [];
  for (const axis of axes) {
    const length = shape[axis]!;
    const here = strides.map((each) => each[axis]!);
    const outer = walk.at(-1);
    if (outer?.strides.every((stride, index) => stride === here[index]! * length))
      walk.splice(-1, 1, { length: outer.length * length, strides: here });
    else walk.push({ length, strides: here });
  }
  return walk.length > 0 ? walk : [{ length: 1, strides: strides.map(() => 0) }];
}

/** Whether a tensor's elements follow one another as the result's do. */
const isDense = (walk: readonly Axis[], index: number): boolean =>
  walk.every(({ strides }) => strides[index] === strides[0]);

/** A polynomial, from its highest power down. */
const polynomial = (factors: readonly number[]): string =>
  factors.map(String).reduce((sum, each) => `(${sum}) * t + ${each}`);

/** Of |x| < 1, with t = x^2. S. L. Moshier, Cephes, single precision. */
const nearZero = polynomial([
  7.853861353153693e-5, -8.010193625184903e-4, 5.188327685732524e-3, -2.685381193529856e-2, 0.1128358514861418,
  -0.37612625824233, 1.12837916572671,
]);
/** Of others, with t = 1 / (1 + |x| / 2). W. H. Press et al., Numerical Recipes, 6.2. */
const farOff = polynomial([
  0.17087277, -0.82215223, 1.48851587, -1.13520398, 0.27886807, -0.18628806, 0.09678418, 0.37409196, 1.00002368,
  -1.26551223,
]);

/** Functions that a loop may call: the error function to 2e-7, and rounding with halves to the even number. */
const called = `
const nearZero = (t) => ${nearZero};
const farOff = (t) => ${farOff};
function erf(x) {
  const size = Math.abs(x);
  if (size < 1) return x * nearZero(x * x);
  const t = 1 / (1 + size / 2);
  return Math.sign(x) * (1 - t * Math.exp(farOff(t) - x * x));
}
function even(x) {
  const nearest = Math.round(x);
  return nearest - x === 0.5 && nearest % 2 !== 0 ? nearest - 1 : nearest;
}`;

type Views = readonly (() => TypedArray)[];
type Make = (views: Views, sums?: Float64Array) => () => void;
/** Loops by their texts, those last asked for at the end: no more than so many, as programs come and go without end. */
const made = new Map<string, Make>();
const mostMade = 1000;

/**
 * A loop from its text, in which `v0`, `v1` ... are the elements of these tensors and `sums` is room of its own. Each text is compiled by itself: one
 * function for all would know neither what it computes nor of which types.
 */
export function compiled(memory: Memory, cells: readonly Cell[], text: string, sums?: Float64Array): () => void {
  const key = `${cells.map(({ dtype }) => dtype)}\n${text}`;
  const views = cells.map((_, index) => `const v${index} = views[${index}]();`).join("\n");
  const source = `${called}\nreturn () => {\n${views}\n${text}\n};`;
  const make = made.get(key) ?? (new Function("views", "sums", source) as Make);
  made.delete(key);
  made.set(key, make);
  if (made.size > mostMade) made.delete(made.keys().next().value!);
  return make(
    cells.map((cell) => memory.view(cell)),
    sums,
  );
}

/**
 * The text of a loop is made for the tensors that it goes over, so that the compiler knows their types and strides: the
 * elements of operands are `x0`, `x1` ..., and `lines` may name what is computed of them before the result.
 */
function textOf(walk: readonly Axis[], lines: readonly string[], result: string): string {
  const operands = [...walk[0]!.strides.keys()].slice(1);
  const depthOf = (index: number) => walk.findLastIndex(({ strides }) => strides[index] !== 0);
  const loaded = (index: number, place: string) => `const x${index - 1} = v${index}[${place}];`;
  const text = ["let t = 0;"];
  for (const index of operands) if (depthOf(index) < 0) text.push(loaded(index, "0"));
  for (const [depth, { length, strides }] of walk.entries()) {
    text.push(`for (let i${depth} = 0; i${depth} < ${length}; i${depth}++) {`);
    for (const index of operands) {
      if (strides[index] === 0 || isDense(walk, index)) continue;
      const outer = walk.findLastIndex((axis, before) => before < depth && axis.strides[index] !== 0);
      const base = outer < 0 ? "" : `o${index}_${outer} + `;
      text.push(`const o${index}_${depth} = ${base}i${depth} * ${strides[index]};`);
      if (depthOf(index) === depth) text.push(loaded(index, `o${index}_${depth}`));
    }
  }
  for (const index of operands) if (depthOf(index) >= 0 && isDense(walk, index)) text.push(loaded(index, "t"));
  text.push(...lines, `v0[t++] = ${result};`, "}".repeat(walk.length));
  return text.join("\n");
}

/**
 * One pass over a tensor: each element by a text from those of operands (`x0`, `x1` ...) that broadcast to its shape,
 * whatever the order in which they lie.
 */
export function pass(
  plan: Plan,
  result: Cell,
  operands: readonly Operand[],
  {
    lines = [],
    text,
    prepared = false,
  }: { readonly lines?: readonly string[]; readonly text: string; readonly prepared?: boolean },
): void {
  const cells = [result, ...operands];
  const walk = walkOf(result, operands);
  const source = textOf(walk, lines, text);
  const over = operands.filter((_, index) => isDense(walk, index + 1));
  plan.step(cells, (memory) => compiled(memory, cells, source), { writes: [result], over, prepared });
}
