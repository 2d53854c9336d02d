/** Sums, extremes and places along axes, in loops of our own. */
import { constantOf, type Node, type Value } from "../../graph/value.ts";
import { ArgMax, ArgMin, CumSum, TopK, Trilu } from "../../ops/core/order.ts";
import { ReduceMax, ReduceMean, ReduceMin, ReduceProd, ReduceSum } from "../../ops/core/reduce.ts";
import { isBigInt } from "../../tensor/dtype.ts";
import { normaliseAxis, type Shape, sizeOf } from "../../tensor/shape.ts";
import { type Axis, compiled, walkOf } from "./loops.ts";
import type { Cell, Memory } from "./memory.ts";
import type { Rule, Rules } from "./plan.ts";

/** Which axes a reduction takes away. */
export function reducedAxes({ inputs, attributes, op }: Node): readonly boolean[] {
  const rank = inputs[0]!.shape.length;
  const given = inputs[1] ? constantOf(inputs[1])!.toArray() : [];
  const all = given.length === 0 && attributes.noop_with_empty_axes !== 1;
  const axes = new Set(given.map((axis) => normaliseAxis(axis, rank, op.name)));
  return inputs[0]!.shape.map((_, axis) => all || axes.has(axis));
}

/** A sum, product or extreme so far, `a`, with one more element, `x`; what becomes of it in the end. */
interface Fold {
  readonly start: string;
  readonly step: string;
  readonly isMean?: boolean;
}

/** The text of a fold over a walk through the operand, with what is accumulated in float64. */
function foldText(walk: readonly Axis[], { start, step }: Fold, element: string): string {
  const text = [`sums.fill(${start});`, "let t = 0;"];
  const last = walk.length - 1;
  for (const [depth, { length, strides }] of walk.entries()) {
    const base = depth === 0 ? "" : `o${depth - 1} + `;
    if (depth === last && strides[1] === 0) text.push(`let a = sums[${depth === 0 ? "0" : `o${depth - 1}`}];`);
    text.push(`for (let i${depth} = 0; i${depth} < ${length}; i${depth}++) {`);
    if (depth < last || strides[1] !== 0) text.push(`const o${depth} = ${base}i${depth} * ${strides[1]};`);
  }
  const isHeld = walk[last]!.strides[1] === 0;
  text.push(`const x = ${element};`);
  if (isHeld) text.push(`a = ${step};`, "}", `sums[${last === 0 ? "0" : `o${last - 1}`}] = a;`, "}".repeat(last));
  else text.push(`const a = sums[o${last}];`, `sums[o${last}] = ${step};`, "}".repeat(last + 1));
  return text.join("\n");
}

const fold =
  (given: Fold): Rule =>
  (node, plan) => {
    const [x] = node.inputs as [Value];
    if (plan.isFollowed(node) || x.shape.includes(0)) return false;
    const source = plan.cell(x);
    const isReduced = reducedAxes(node);
    const shape = source.shape.map((length, axis) => (isReduced[axis] ? 1 : length));
    const order = node.attributes.keepdims === 1 ? source.order : "plain";
    const result = plan.output(node, 0, order);
    const count = sizeOf(source.shape) / sizeOf(shape);
    const whole = isBigInt(x.dtype);
    const walk = walkOf(source, [{ ...result, shape }]);
    const each = given.isMean ? `sums[index] / ${count}` : "sums[index]";
    const text = `${foldText(walk, given, whole ? "Number(v0[t++])" : "v0[t++]")}
for (let index = 0; index < sums.length; index++) v1[index] = ${whole ? `BigInt(Math.trunc(${each}))` : each};`;
    const cells = [source, result];
    plan.step(cells, (memory) => compiled(memory, cells, text, new Float64Array(sizeOf(shape))), { writes: [result] });
    return true;
  };

/** The rows of a tensor along an axis: how long, how far apart a row's elements are, how many rows, and where each begins. */
function rowsAlong(shape: Shape, axis: number) {
  const [length, inner] = [shape[axis]!, sizeOf(shape.slice(axis + 1))];
  const startOf = (row: number): number => Math.floor(row / inner) * length * inner + (row % inner);
  return { length, inner, count: sizeOf(shape) / length, startOf };
}

type Numbers = Float32Array;
const numbersIn = (memory: Memory, cell: Cell) => memory.view(cell) as () => Numbers;
/** The lower and upper halves of 64-bit integers, which are quicker to write than whole ones. */
const halvesIn = (memory: Memory, cell: Cell) =>
  memory.view({ ...cell, dtype: "int32", shape: [2 * sizeOf(cell.shape)] }) as () => Int32Array;

const placeOf =
  (isBefore: (a: number, b: number) => boolean): Rule =>
  (node, plan) => {
    const [x] = node.inputs as [Value];
    const source = plan.ordered(x, "plain");
    const result = plan.output(node, 0, "plain");
    const axis = normaliseAxis(node.attributes.axis as number, source.shape.length, node.op.name);
    const { length, inner, count, startOf } = rowsAlong(source.shape, axis);
    const isLast = node.attributes.select_last_index === 1;
    const run = (memory: Memory) => {
      const [from, to] = [numbersIn(memory, source), halvesIn(memory, result)];
      return () => {
        const [elements, places] = [from(), to()];
        for (let row = 0; row < count; row++) {
          const start = startOf(row);
          let best = 0;
          for (let index = 1; index < length; index++) {
            const [here, kept] = [elements[start + index * inner]!, elements[start + best * inner]!];
            if (isBefore(here, kept) || (isLast && here === kept)) best = index;
          }
          places[2 * row] = best;
          places[2 * row + 1] = 0;
        }
      };
    };
    plan.step([source, result], run, { writes: [result] });
    return true;
  };

/** The first few of each row, kept in order: each further element is compared with the last of them. */
const firstFew: Rule = (node, plan) => {
  const source = plan.ordered(node.inputs[0]!, "plain");
  const [values, places] = [plan.output(node, 0, "plain"), plan.output(node, 1, "plain")];
  const axis = normaliseAxis(node.attributes.axis as number, source.shape.length, "TopK");
  const { length, inner, count, startOf } = rowsAlong(source.shape, axis);
  const into = rowsAlong(values.shape, axis);
  const few = into.length;
  if (few === 0) return false;
  const isLargest = node.attributes.largest === 1;
  const run = (memory: Memory) => {
    const [from, to, at] = [numbersIn(memory, source), numbersIn(memory, values), halvesIn(memory, places)];
    const kept = new Int32Array(few);
    return () => {
      const [elements, first, indices] = [from(), to(), at()];
      for (let row = 0; row < count; row++) {
        const [start, target] = [startOf(row), into.startOf(row)];
        for (let index = 0; index < length; index++) {
          const here = elements[start + index * inner]!;
          let place = Math.min(index, few);
          for (; place > 0; place--) {
            const other = elements[start + kept[place - 1]! * inner]!;
            if (!(isLargest ? here > other : here < other)) break;
            if (place < few) kept[place] = kept[place - 1]!;
          }
          if (place < few) kept[place] = index;
        }
        for (let place = 0; place < few; place++) {
          const spot = target + place * into.inner;
          first[spot] = elements[start + kept[place]! * inner]!;
          indices[2 * spot] = kept[place]!;
          indices[2 * spot + 1] = 0;
        }
      }
    };
  };
  plan.step([source, values, places], run, { writes: [values, places] });
  return true;
};

const runningSum: Rule = (node, plan) => {
  const [x, axes] = node.inputs as [Value, Value];
  const { exclusive, reverse } = node.attributes;
  const source = plan.ordered(x, "plain");
  const result = plan.output(node, 0, "plain");
  const axis = normaliseAxis(constantOf(axes)!.toArray()[0]!, source.shape.length, "CumSum");
  const { length, inner, count } = rowsAlong(source.shape, axis);
  const text = `for (let row = 0; row < ${count}; row++) {
  const start = Math.floor(row / ${inner}) * ${length * inner} + row % ${inner};
  let sum = ${isBigInt(x.dtype) ? "0n" : "0"};
  for (let step = 0; step < ${length}; step++) {
    const at = start + ${reverse === 1 ? `(${length - 1} - step)` : "step"} * ${inner};
    const next = sum + v0[at];
    v1[at] = ${exclusive === 1 ? "sum" : "next"};
    sum = next;
  }
}`;
  const cells = [source, result];
  plan.step(cells, (memory) => compiled(memory, cells, text), { writes: [result], over: [source] });
  return true;
};

const triangle: Rule = (node, plan) => {
  const [x, k] = node.inputs as [Value, Value?];
  const source = plan.ordered(x, "plain");
  const result = plan.output(node, 0, "plain");
  const [height, width] = source.shape.slice(-2) as [number, number];
  const text = `for (let at = 0; at < ${sizeOf(source.shape)}; at++) {
  const distance = at % ${width} - Math.floor(at / ${width}) % ${height};
  v1[at] = distance ${node.attributes.upper === 1 ? "<" : ">"} ${constantOf(k)?.item() ?? 0} ? ${isBigInt(x.dtype) ? "0n" : "0"} : v0[at];
}`;
  const cells = [source, result];
  plan.step(cells, (memory) => compiled(memory, cells, text), { writes: [result], over: [source] });
  return true;
};

const sum: Fold = { start: "0", step: "a + x" };

export const foldRules: Rules = [
  [ReduceSum, fold(sum)],
  [ReduceMean, fold({ ...sum, isMean: true })],
  [ReduceMax, fold({ start: "-Infinity", step: "Math.max(a, x)" })],
  [ReduceMin, fold({ start: "Infinity", step: "Math.min(a, x)" })],
  [ReduceProd, fold({ start: "1", step: "a * x" })],
  [ArgMax, placeOf((a, b) => a > b)],
  [ArgMin, placeOf((a, b) => a < b)],
  [TopK, firstFew],
  [CumSum, runningSum],
  [Trilu, triangle],
];
