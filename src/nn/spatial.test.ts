import { describe, expect, test } from "vitest";
import { evaluateGraph } from "../engine/reference.ts";
import { makeGraph } from "../graph/graph.ts";
import { constant, inputValue, type Value } from "../graph/value.ts";
import { mul } from "../ops/core/elementwise.ts";
import * as compose from "../ops/spatial.ts";
import { full } from "../tensor/tensor.ts";
import * as pooling from "./pooling.ts";
import { type Layer, Scope } from "./scope.ts";

const shapeOf = (layer: Layer, ...shape: number[]) =>
  layer(inputValue("x", { dtype: "float32", shape: ["batch", ...shape] }), new Scope()).shape.slice(1);

const evaluate = (value: Value) => [
  ...evaluateGraph(makeGraph([], { y: value }), new Map())
    .outputs.get("y")!
    .toArray(),
];

function expectSame(found: Value, expected: Value): void {
  const [ours, theirs] = [evaluate(found), evaluate(expected)];
  expect(ours.length).toBe(theirs.length);
  ours.forEach((each, index) => {
    expect(each).toBeCloseTo(theirs[index]!, 6);
  });
}

describe("layers over spatial axes", () => {
  test.each<[string, Layer, number[], number[]]>([
    ["mean", pooling.adaptiveAveragePool({ size: [2, 3] }), [2, 5, 7], [2, 2, 3]],
    ["largest", pooling.adaptiveMaxPool({ size: [2, 3] }), [2, 5, 7], [2, 2, 3]],
    ["blur", pooling.blurPool(), [2, 6, 8], [2, 3, 4]],
  ])("%s gives its shape", (_, layer, input, output) => {
    expect(shapeOf(layer, ...input)).toEqual(output);
  });

  test.each([1, 2, 3, 4, 5, 6, 7])("a blur of %i taps leaves a constant as it is", (taps) => {
    const ones = constant(full([1, 2, 8, 8], 1));
    const blurred = compose.blurPool(ones, taps, 2);
    expectSame(blurred, constant(full([1, 2, 4, 4], 1)));
    expectSame(mul(blurred, 0), constant(full([1, 2, 4, 4], 0)));
  });

  test("a blur of too many taps is refused", () => {
    expect(() => compose.blurPool(constant(full([1, 1, 9], 1)), 8, 2)).toThrow("blurPool: found a filter of 8");
  });
});
