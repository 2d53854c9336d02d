import { expect, test } from "vitest";
import { makeGraph, nodesOf } from "../../graph/graph.ts";
import { inputValue, parameterValue, type Value } from "../../graph/value.ts";
import { conv } from "../../ops/conv.ts";
import { add, exp, tanh } from "../../ops/core/elementwise.ts";
import { averagePool } from "../../ops/pool.ts";
import { Random } from "../../tensor/random.ts";
import type { Shape } from "../../tensor/shape.ts";
import { sizeOf } from "../../tensor/shape.ts";
import { Tensor } from "../../tensor/tensor.ts";
import { reference } from "../reference.ts";
import { tiled } from "./tiles.ts";

const random = new Random(1, "tiles");
const drawn = (shape: Shape): Tensor =>
  new Tensor(
    "float32",
    shape,
    Float32Array.from({ length: sizeOf(shape) }, () => random.normal()),
  );
const x = inputValue("x", { dtype: "float32", shape: [2, 2, 13, 13] });
const image = drawn([2, 2, 13, 13]);
const w = parameterValue("w", { dtype: "float32", shape: [6, 2, 5, 5] });
const bias = parameterValue("bias", { dtype: "float32", shape: [6] });
const many = parameterValue("many", { dtype: "float32", shape: [12, 2, 5, 5] });
const variables = new Map([w, bias, many].map((each) => [each.source.name, drawn(each.shape as Shape)]));

const pads = [2, 1, 1, 2];
const window = { kernel_shape: [2, 2], strides: [2, 2] };
const mapped = conv(x, w, bias, { pads });

test.each<[string, Value]>([
  ["by two each way", averagePool(tanh(mapped), window)],
  ["without a function or bias between", averagePool(conv(x, w, undefined, { pads }), window)],
  [
    "by one and two, of a convolution with strides",
    averagePool(tanh(conv(x, w, bias, { pads: [0, 1, 2, 2], strides: [2, 1] })), {
      kernel_shape: [1, 2],
      strides: [1, 2],
    }),
  ],
])("the mean of windows, %s, is taken with the convolution, to the same numbers", async (_, y) => {
  const graph = makeGraph([x], { y });
  const changed = tiled(graph);
  expect(nodesOf(changed).map(({ op }) => op.name)).not.toContain("AveragePool");
  const [before, after] = await Promise.all(
    [graph, changed].map(async (each) => (await reference.compile(each, variables)).run({ x: image })),
  );
  const [wanted, found] = [before!.get("y")!, after!.get("y")!];
  expect(found.shape).toEqual(wanted.shape);
  wanted.toArray().forEach((each, index) => {
    expect(found.toArray()[index]).toBeCloseTo(each, 5);
  });
});

test.each<[string, Value]>([
  ["windows that overlap", averagePool(tanh(mapped), { kernel_shape: [2, 2], strides: [1, 1] })],
  ["windows that leave a row", averagePool(tanh(mapped), { kernel_shape: [5, 5], strides: [5, 5] })],
  [
    "windows of elements further apart",
    averagePool(tanh(mapped), { ...window, dilations: [2, 2], pads: [0, 0, 1, 1] }),
  ],
  ["windows that reach over the edge", averagePool(tanh(mapped), { ...window, pads: [1, 1, 1, 1] })],
  ["filters that fill a vector", averagePool(tanh(conv(x, many, undefined, { pads })), window)],
  ["a map that something else takes", add(averagePool(mapped, window), averagePool(tanh(mapped), window))],
  ["a function that is not known to be quick", averagePool(exp(mapped), window)],
])("%s stay as they are", (_, y) => {
  const graph = makeGraph([x], { y });
  expect(nodesOf(tiled(graph))).toEqual(nodesOf(graph));
});
