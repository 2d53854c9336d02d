/** Elements at indices: taken, put and counted out, in loops of our own. */
import { StriateError } from "../../errors.ts";
import { constantOf, type Node, type Value } from "../../graph/value.ts";
import { Concat, OneHot } from "../../ops/core/arrange.ts";
import { Gather, GatherND, ScatterND } from "../../ops/core/gather.ts";
import { combine, GatherElements, reductionOf, ScatterElements } from "../../ops/core/index.ts";
import { isBigInt } from "../../tensor/dtype.ts";
import { normaliseAxis, offsets, type Shape, sizeOf, stridesOf } from "../../tensor/shape.ts";
import type { Cell, Memory } from "./memory.ts";
import type { Plan, Rule, Rules } from "./plan.ts";

type Numbers = Float32Array;
type Elements = () => Numbers;

/** The indices in a tensor, as numbers: of 64-bit integers the lower halves, which are all that a tensor's axis needs. */
function indicesIn(memory: Memory, cell: Cell): () => (place: number) => number {
  if (!isBigInt(cell.dtype)) {
    const view = memory.view(cell) as Elements;
    return () => {
      const numbers = view();
      return (place) => numbers[place]!;
    };
  }
  const view = memory.view({ ...cell, dtype: "int32", shape: [2 * sizeOf(cell.shape)] }) as () => Int32Array;
  return () => {
    const halves = view();
    return (place) => (halves[2 * place + 1] === halves[2 * place]! >> 31 ? halves[2 * place]! : Number.NaN);
  };
}

/** An index that may count from the end. */
function placed(index: number, length: number, subject: string): number {
  if (!(index >= -length && index < length))
    throw new StriateError({ subject, found: `index ${index}`, expected: `one from ${-length} to ${length - 1}` });
  return index < 0 ? index + length : index;
}

/** Elements of any type: copied and compared as they come. */
const elementsIn = (memory: Memory, cell: Cell): Elements => memory.view(cell) as Elements;

const plainly = (plan: Plan, node: Node): Cell[] => node.inputs.map((value) => plan.ordered(value!, "plain"));

const oneHot: Rule = (node, plan) => {
  const [indices, depth, values] = node.inputs as [Value, Value, Value];
  const classes = constantOf(depth)!.item();
  const at = normaliseAxis(node.attributes.axis as number, indices.shape.length + 1, "OneHot");
  const inner = sizeOf((indices.shape as Shape).slice(at));
  const [from, ofValues] = [plan.ordered(indices, "plain"), plan.ordered(values, "plain")];
  const result = plan.output(node, 0, "plain");
  const count = sizeOf(from.shape);
  const run = (memory: Memory) => {
    const [given, pair, to] = [indicesIn(memory, from), elementsIn(memory, ofValues), elementsIn(memory, result)];
    return () => {
      const [data, [off, on], index] = [to(), pair(), given()];
      data.fill(off!);
      for (let place = 0; place < count; place++) {
        const asked = index(place);
        const chosen = asked < 0 ? asked + classes : asked;
        if (!(chosen >= 0 && chosen < classes)) continue;
        data[(Math.floor(place / inner) * classes + chosen) * inner + (place % inner)] = on!;
      }
    };
  };
  plan.step([from, ofValues, result], run, { writes: [result] });
  return true;
};

const gather: Rule = (node, plan) => {
  const [from, at] = plainly(plan, node) as [Cell, Cell];
  const axis = normaliseAxis(node.attributes.axis as number, from.shape.length, "Gather");
  const [outer, length, inner] = [
    sizeOf(from.shape.slice(0, axis)),
    from.shape[axis]!,
    sizeOf(from.shape.slice(axis + 1)),
  ];
  const result = plan.output(node, 0, "plain");
  const count = sizeOf(at.shape);
  const run = (memory: Memory) => {
    const [given, source, to] = [indicesIn(memory, at), elementsIn(memory, from), elementsIn(memory, result)];
    return () => {
      const [index, elements, data] = [given(), source(), to()];
      for (let row = 0, place = 0; row < outer; row++)
        for (let each = 0; each < count; each++) {
          const start = (row * length + placed(index(each), length, "Gather")) * inner;
          for (let column = 0; column < inner; column++) data[place++] = elements[start + column]!;
        }
    };
  };
  plan.step([from, at, result], run, { writes: [result] });
  return true;
};

/** Where tuples of indices, the rows of the last axis, begin in a tensor, after `batch` axes that both have. */
function startsIn(
  memory: Memory,
  subject: string,
  shape: Shape,
  at: Cell,
  batch: number,
): () => (row: number) => number {
  const depth = at.shape.at(-1)!;
  const each = Math.max(1, sizeOf(at.shape.slice(batch, -1)));
  const strides = stridesOf(shape);
  const batchSize = batch === 0 ? 0 : sizeOf(shape.slice(batch));
  const given = indicesIn(memory, at);
  return () => {
    const index = given();
    return (row) => {
      let start = Math.floor(row / each) * batchSize;
      for (let axis = 0; axis < depth; axis++)
        start += placed(index(row * depth + axis), shape[batch + axis]!, subject) * strides[batch + axis]!;
      return start;
    };
  };
}

const gatherTuples: Rule = (node, plan) => {
  const batch = node.attributes.batch_dims as number;
  const [from, at] = plainly(plan, node) as [Cell, Cell];
  const result = plan.output(node, 0, "plain");
  const size = sizeOf(from.shape.slice(batch + at.shape.at(-1)!));
  const rows = sizeOf(at.shape.slice(0, -1));
  const run = (memory: Memory) => {
    const starts = startsIn(memory, "GatherND", from.shape, at, batch);
    const [source, to] = [elementsIn(memory, from), elementsIn(memory, result)];
    return () => {
      const [startOf, elements, data] = [starts(), source(), to()];
      for (let row = 0, place = 0; row < rows; row++) {
        const start = startOf(row);
        for (let column = 0; column < size; column++) data[place++] = elements[start + column]!;
      }
    };
  };
  plan.step([from, at, result], run, { writes: [result] });
  return true;
};

/** What becomes of an element and one that is put onto it. */
const combinationOf = ({ op, attributes }: Node) =>
  combine[reductionOf(op.name, attributes.reduction as string)] as (kept: number, update: number) => number;

const scatterTuples: Rule = (node, plan) => {
  const [onto, at, updates] = plainly(plan, node) as [Cell, Cell, Cell];
  const result = plan.output(node, 0, "plain");
  const combined = combinationOf(node);
  const rows = sizeOf(at.shape.slice(0, -1));
  const size = sizeOf(onto.shape.slice(at.shape.at(-1)!));
  const run = (memory: Memory) => {
    const starts = startsIn(memory, "ScatterND", onto.shape, at, 0);
    const [first, given, to] = [onto, updates, result].map((cell) => elementsIn(memory, cell)) as [
      Elements,
      Elements,
      Elements,
    ];
    return () => {
      const [startOf, elements, data] = [starts(), given(), to()];
      data.set(first());
      for (let row = 0, place = 0; row < rows; row++) {
        const start = startOf(row);
        for (let to = start; to < start + size; to++) data[to] = combined(data[to]!, elements[place++]!);
      }
    };
  };
  plan.step([onto, at, updates, result], run, { writes: [result] });
  return true;
};

/** Where each index along an axis points, given where its row begins. */
function targetsIn(memory: Memory, subject: string, shape: Shape, at: Cell, given: number) {
  const axis = normaliseAxis(given, shape.length, subject);
  const strides = stridesOf(shape);
  const rows = offsets(at.shape, strides.with(axis, 0));
  const [length, stride] = [shape[axis]!, strides[axis]!];
  const indices = indicesIn(memory, at);
  return () => {
    const index = indices();
    return (place: number): number => rows[place]! + placed(index(place), length, subject) * stride;
  };
}

const gatherElements: Rule = (node, plan) => {
  const [from, at] = plainly(plan, node) as [Cell, Cell];
  const result = plan.output(node, 0, "plain");
  const run = (memory: Memory) => {
    const targets = targetsIn(memory, "GatherElements", from.shape, at, node.attributes.axis as number);
    const [source, to] = [elementsIn(memory, from), elementsIn(memory, result)];
    return () => {
      const [target, elements, data] = [targets(), source(), to()];
      for (let place = 0; place < data.length; place++) data[place] = elements[target(place)]!;
    };
  };
  plan.step([from, at, result], run, { writes: [result] });
  return true;
};

const scatterElements: Rule = (node, plan) => {
  const [onto, at, updates] = plainly(plan, node) as [Cell, Cell, Cell];
  const result = plan.output(node, 0, "plain");
  const combined = combinationOf(node);
  const run = (memory: Memory) => {
    const targets = targetsIn(memory, "ScatterElements", onto.shape, at, node.attributes.axis as number);
    const [first, given, to] = [onto, updates, result].map((cell) => elementsIn(memory, cell)) as [
      Elements,
      Elements,
      Elements,
    ];
    return () => {
      const [target, elements, data] = [targets(), given(), to()];
      data.set(first());
      for (let place = 0; place < elements.length; place++) {
        const spot = target(place);
        data[spot] = combined(data[spot]!, elements[place]!);
      }
    };
  };
  plan.step([onto, at, updates, result], run, { writes: [result] });
  return true;
};

/** One after the other along an axis, of types that the library does not copy. */
const joined: Rule = (node, plan) => {
  const parts = plainly(plan, node);
  const result = plan.output(node, 0, "plain");
  const axis = normaliseAxis(node.attributes.axis as number, result.shape.length, "Concat");
  const row = sizeOf(result.shape.slice(axis));
  let first = 0;
  for (const part of parts) {
    const [length, start] = [sizeOf(part.shape.slice(axis)), first];
    first += length;
    const run = (memory: Memory) => {
      const [from, to] = [elementsIn(memory, part), elementsIn(memory, result)];
      return () => {
        const [elements, data] = [from(), to()];
        for (let place = 0; place < elements.length; place++)
          data[Math.floor(place / length) * row + start + (place % length)] = elements[place]!;
      };
    };
    plan.step([part, result], run, { writes: [result] });
  }
  return true;
};

export const indexRules: Rules = [
  [Concat, joined],
  [OneHot, oneHot],
  [Gather, gather],
  [GatherND, gatherTuples],
  [ScatterND, scatterTuples],
  [GatherElements, gatherElements],
  [ScatterElements, scatterElements],
];
