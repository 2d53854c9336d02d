import { describe, expect, test } from "vitest";
import { evaluateGraph } from "../engine/reference.ts";
import { makeGraph } from "../graph/graph.ts";
import { constant, inputValue, type Value } from "../graph/value.ts";
import { conv } from "../ops/conv.ts";
import { mul } from "../ops/core/elementwise.ts";
import { reshape } from "../ops/core/shape.ts";
import { matmul } from "../ops/matmul.ts";
import * as compose from "../ops/spatial.ts";
import { full, tensor } from "../tensor/tensor.ts";
import * as convolution from "./convolution.ts";
import * as pooling from "./pooling.ts";
import { type Layer, Scope } from "./scope.ts";
import * as layers from "./spatial.ts";

const shapeOf = (layer: Layer, ...shape: number[]) =>
  layer(inputValue("x", { dtype: "float32", shape: ["batch", ...shape] }), new Scope()).shape.slice(1);

const numbers = (count: number) => Array.from({ length: count }, (_, index) => Math.sin(index * 1.7));
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
    ["conv1d", convolution.conv1d({ channels: 4, kernel: 5, padding: 2, border: "circular" }), [2, 9], [4, 9]],
    ["conv2d", convolution.conv2d({ channels: 4, kernel: 3, padding: 1, border: "reflect" }), [2, 5, 6], [4, 5, 6]],
    ["conv3d", convolution.conv3d({ channels: 4, kernel: 3, stride: 2, padding: 1 }), [2, 5, 6, 7], [4, 3, 3, 4]],
    ["1d", convolution.convTranspose1d({ channels: 4, kernel: 3, stride: 2, outputPadding: 1 }), [2, 5], [4, 12]],
    ["2d", convolution.convTranspose2d({ channels: 4, kernel: 3, stride: 2, padding: 1 }), [2, 5, 4], [4, 9, 7]],
    ["3d", convolution.convTranspose3d({ channels: 4, kernel: 2, bias: false }), [2, 5, 4, 3], [4, 6, 5, 4]],
    ["upsample", layers.upsample({ size: [7, 9], mode: "cubic", alignCorners: true }), [2, 3, 4], [2, 7, 9]],
    ["mean", pooling.adaptiveAveragePool({ size: [2, 3] }), [2, 5, 7], [2, 2, 3]],
    ["largest", pooling.adaptiveMaxPool({ size: [2, 3] }), [2, 5, 7], [2, 2, 3]],
    ["blur", pooling.blurPool(), [2, 6, 8], [2, 3, 4]],
    ["shuffle", layers.pixelShuffle({ factor: 2 }), [8, 3, 4], [2, 6, 8]],
  ])("%s gives its shape", (_, layer, input, output) => {
    expect(shapeOf(layer, ...input)).toEqual(output);
  });

  test("patches, a matrix product and a reshape are a convolution", () => {
    const x = constant(tensor(numbers(70), [1, 2, 5, 7]));
    const w = constant(tensor(numbers(54), [3, 2, 3, 3]));
    const columns = compose.unfold(x, { kernel: [3, 3], stride: [2, 2], padding: [1, 1] });
    const product = reshape(matmul(reshape(w, [3, 18]), columns), [1, 3, 3, 4]);
    expectSame(product, conv(x, w, undefined, { strides: [2, 2], pads: [1, 1, 1, 1] }));
  });

  test("folding patches that do not overlap gives the maps back", () => {
    const x = constant(tensor(numbers(48), [1, 2, 4, 6]));
    const patches = { kernel: [2, 3], stride: [2, 3] };
    expectSame(compose.fold(compose.unfold(x, patches), [4, 6], patches), x);
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
