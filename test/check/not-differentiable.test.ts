/** What is said to have no gradient has none: its derivative is zero, or there is nothing to differentiate for. */
import { describe, expect, test } from "vitest";
import { evaluateGraph } from "../../src/engine/reference.ts";
import { apply, notDifferentiable, type Op } from "../../src/graph/op.ts";
import { inputValue } from "../../src/graph/value.ts";
import { Tanh } from "../../src/ops/core/elementwise.ts";
import { Range } from "../../src/ops/core/order.ts";
import { operators } from "../../src/ops/registry.ts";
import { isFloat } from "../../src/tensor/dtype.ts";
import { Tensor } from "../../src/tensor/tensor.ts";
import { buildCase } from "./build.ts";
import { moving, type OpCase, row } from "./case.ts";
import { tables } from "./cases/all.ts";
import { step } from "./differences.ts";
import type { Draw } from "./draw.ts";
import { wide } from "./op.ts";

/** Why an operator has no gradient. */
const reasons: Readonly<Record<string, string>> = {
  Greater: "whether, not how much: constant but for a jump where both are equal",
  GreaterOrEqual: "whether, not how much: constant but for a jump where both are equal",
  Less: "whether, not how much: constant but for a jump where both are equal",
  LessOrEqual: "whether, not how much: constant but for a jump where both are equal",
  Equal: "whether, not how much: false but where both are equal",
  IsNaN: "whether, not how much: false for every number",
  IsInf: "whether, not how much: false for every number",
  Sign: "constant but for a jump at zero",
  Floor: "constant but for jumps at whole numbers",
  Ceil: "constant but for jumps at whole numbers",
  Round: "constant but for jumps at halves",
  ArgMax: "a place: constant but for jumps where two are equal",
  ArgMin: "a place: constant but for jumps where two are equal",
  Shape: "lengths, whatever the elements are",
};

/** Those without a float that could move. */
const withoutFloats: Readonly<Record<string, string>> = {
  And: "of booleans",
  Or: "of booleans",
  Xor: "of booleans",
  Not: "of booleans",
  Range: "of constants",
};

const marked = [...operators.values()].filter(({ gradient }) => gradient === notDifferentiable);
const cases = Object.values(tables).flat();

/** All different, none of them nearer than a tenth to a whole number, a half, or an element of another operand. */
const betweenJumps =
  (operand: number): Draw =>
  (random, size) =>
    Array.from(random.permutation(size), (rank) => rank - (size >> 1) + 0.2 + 0.15 * operand);

const hasFloats = ({ inputs }: OpCase): boolean =>
  inputs.some(({ dtype = "float32", constant }) => isFloat(dtype) && !constant);

/** Whether no output changes when any element of any float changes by a little. */
function isConstant(opCase: OpCase): boolean {
  const inputs = opCase.inputs.map((spec, operand) =>
    isFloat(spec.dtype ?? "float32") ? { ...spec, draw: betweenJumps(operand) } : spec,
  );
  const { forward, feeds } = buildCase({ ...opCase, inputs }, "fixed");
  const at = wide(feeds);
  const outputs = (given: ReadonlyMap<string, Tensor>) =>
    [...evaluateGraph(forward, given).outputs.values()].map((tensor) => tensor.toArray());
  const before = JSON.stringify(outputs(at));
  return [...at].every(
    ([name, tensor]) =>
      !isFloat(tensor.dtype) ||
      Array.from({ length: tensor.size }, (_, index) => index).every((index) =>
        [step, -step].every((by) => {
          const data = Float64Array.from(tensor.numbers, (value, each) => (each === index ? value + by : value));
          const moved = new Map([...at, [name, new Tensor("float64", tensor.shape, data)] as const]);
          return JSON.stringify(outputs(moved)) === before;
        }),
      ),
  );
}

describe("operators without a gradient", () => {
  test("are those that have a reason", () => {
    const names = marked.map(({ name }) => name);
    expect(names.sort()).toEqual([...Object.keys(reasons), ...Object.keys(withoutFloats)].sort());
  });

  test.each(Object.entries(reasons))("%s: %s", (name) => {
    const floats = cases.filter(({ op }) => op.name === name).filter(hasFloats);
    expect(floats.length).toBeGreaterThan(0);
    for (const opCase of floats) expect.soft(isConstant(opCase), opCase.name).toBe(true);
  });

  test.each(Object.entries(withoutFloats))("%s: %s", (name) => {
    const all = cases.filter(({ op }) => op.name === name);
    expect(all.length).toBeGreaterThan(0);
    expect(all.filter(hasFloats)).toEqual([]);
  });

  test("a range of what may change is refused", () => {
    const x = inputValue("x", { dtype: "float32", shape: [] });
    expect(() => apply(Range, [x, x, x])).toThrow("expected constants");
  });

  test("one that does change is found out", () => {
    const wrong = { ...Tanh, gradient: notDifferentiable } as Op;
    expect(isConstant(row(wrong, "wrong", [moving([3])]))).toBe(false);
  });
});
