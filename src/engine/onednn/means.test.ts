import { describe, expect, test } from "vitest";
import { type Graph, makeGraph, nodesOf } from "../../graph/graph.ts";
import { constant, inputValue } from "../../graph/value.ts";
import { conv } from "../../ops/conv.ts";
import { pad } from "../../ops/core/arrange.ts";
import { add } from "../../ops/core/elementwise.ts";
import { reduceSum } from "../../ops/core/reduce.ts";
import { averagePool } from "../../ops/pool.ts";
import { Random } from "../../tensor/random.ts";
import { sizeOf } from "../../tensor/shape.ts";
import { Tensor } from "../../tensor/tensor.ts";
import { reference } from "../reference.ts";
import { meansFirst } from "./means.ts";
import { padWithin } from "./padding.ts";

describe("means of a convolution of one element are taken before it", () => {
  const x = inputValue("x", { dtype: "float32", shape: [2, 6, 8, 8] });
  const random = new Random(1, "means");
  const normal = (shape: readonly number[]) =>
    new Tensor(
      "float32",
      shape,
      Float32Array.from({ length: sizeOf(shape) }, () => random.normal()),
    );
  const weights = constant(normal([4, 6, 1, 1]));
  const bias = constant(normal([4]));
  const elements = conv(x, weights, bias, {});
  const halved = { kernel_shape: [2, 2], strides: [2, 2] };
  const padded = { ...halved, kernel_shape: [3, 3], pads: [1, 1, 1, 1] };
  const none = [0, 0] as const;
  const names = (graph: Graph) => nodesOf(graph).map(({ op }) => op.name);
  const rewritten = (graph: Graph) => meansFirst(padWithin(graph));

  test.each([
    ["without padding", averagePool(elements, halved)],
    ["without padding, counting it", averagePool(elements, { ...halved, count_include_pad: 1 })],
    ["with padding that does not count", averagePool(elements, padded)],
    [
      "with a padding of nothing between, as PyTorch writes it",
      averagePool(pad(elements, [none, none, none, none]), halved),
    ],
  ])("%s", async (_, y) => {
    const graph = makeGraph([x], { y });
    const first = rewritten(graph);
    expect(names(graph)[0]).toBe("Conv");
    expect(names(first)).toEqual(["AveragePool", "Conv"]);
    const image = normal([2, 6, 8, 8]);
    const [before, after] = await Promise.all(
      [graph, first].map(async (each) => (await reference.compile(each, new Map())).run({ x: image })),
    );
    const [theirs, ours] = [before, after].map((each) => each!.get("y")!.toArray()) as [number[], number[]];
    for (const [index, each] of theirs.entries()) expect(ours[index]).toBeCloseTo(each, 5);
  });

  test.each([
    ["padding counts", averagePool(elements, { ...padded, count_include_pad: 1 })],
    ["there are as many windows as elements", averagePool(elements, { kernel_shape: [1, 1] })],
    ["the kernel has more elements", averagePool(conv(x, constant(normal([4, 6, 3, 3])), bias, {}), halved)],
    ["the convolution skips elements", averagePool(conv(x, weights, bias, { strides: [2, 2] }), halved)],
    ["something else takes the convolution", add(reduceSum(elements), averagePool(elements, halved))],
  ])("but not where %s", (_, y) => {
    expect(names(rewritten(makeGraph([x], { y })))[0]).toBe("Conv");
  });
});
