import { expect, test } from "vitest";
import { makeGraph, nodesOf } from "../../graph/graph.ts";
import { apply } from "../../graph/op.ts";
import { inputValue, type Value } from "../../graph/value.ts";
import { pad, Slice, slice } from "../../ops/core/arrange.ts";
import { vector } from "../../ops/core/shape.ts";
import { Tensor } from "../../tensor/tensor.ts";
import { reference } from "../reference.ts";
import { shortcutsByConvolution } from "./shortcuts.ts";

const x = inputValue("x", { dtype: "float32", shape: [2, 4, 7, 6] });
const image = new Tensor(
  "float32",
  [2, 4, 7, 6],
  Float32Array.from({ length: 336 }, (_, index) => index - 100),
);
const none = [0, 0] as const;
const every = (value: Value, axis: number, step: number, start = 0): Value =>
  apply(Slice, [value, ...[start, 2 ** 31, axis, step].map((each) => vector([each]))])[0]!;
const halved = every(every(x, 2, 2), 3, 2);

test.each([
  ["every second element, and channels before and after", pad(halved, [none, [1, 3], none, none])],
  ["every third row", pad(every(x, 2, 3), [none, [0, 4], none, none])],
])("a shortcut is a convolution: %s", async (_, y) => {
  const graph = makeGraph([x], { y });
  const changed = shortcutsByConvolution(graph);
  expect(nodesOf(changed).map(({ op }) => op.name)).toEqual(["Conv"]);
  const [before, after] = await Promise.all(
    [graph, changed].map(async (each) => (await reference.compile(each, new Map())).run({ x: image })),
  );
  expect(after!.get("y")).toEqual(before!.get("y"));
});

test.each([
  ["rows are added too", pad(halved, [none, [1, 1], [1, 1], none])],
  ["nothing is left out", pad(x, [none, [1, 1], none, none])],
  ["the first row is left out", pad(every(x, 2, 2, 1), [none, [1, 1], none, none])],
  ["the last rows are", pad(slice(x, { axis: 2, start: 0, end: 4 }), [none, [1, 1], none, none])],
  ["channels are left out", pad(every(x, 1, 2), [none, [1, 1], none, none])],
])("it stays as it is where %s", (_, y) => {
  const graph = makeGraph([x], { y });
  expect(nodesOf(shortcutsByConvolution(graph))).toEqual(nodesOf(graph));
});
