import { describe, expect, test } from "vitest";
import { tables } from "../../test/check/cases/all.ts";
import { engines } from "../../test/check/engines.ts";
import { testOps } from "../../test/check/table.ts";
import { gradientsOf } from "../autodiff/gradient.ts";
import { reference } from "../engine/reference.ts";
import { makeGraph } from "../graph/graph.ts";
import { training } from "../graph/training.ts";
import { type Dimension, inputValue } from "../graph/value.ts";
import { Random } from "../tensor/random.ts";
import { type Shape, sizeOf } from "../tensor/shape.ts";
import { full, type Tensor, tensor } from "../tensor/tensor.ts";
import { stochasticPool } from "./stochastic-pool.ts";

testOps(tables["stochastic-pool"]!);

describe.each([reference, ...engines])("in training on $name", (engine) => {
  /** What windows give for draws, and the gradient of their sum. */
  async function drawn(
    attributes: Parameters<typeof stochasticPool>[1],
    x: Tensor,
    draws: Tensor,
    shape: readonly Dimension[] = x.shape,
  ) {
    const value = inputValue("x", { dtype: "float32", shape });
    const { inputs, outputs } = training(makeGraph([value], { y: stochasticPool(value, attributes) }));
    expect(inputs.map(({ source }) => source.name)).toEqual(["x", "stochasticPool.uniform"]);
    const y = outputs.get("y")!;
    const seed = inputValue("seed", y);
    const [dx] = gradientsOf(y, [inputs[0]!], { seed });
    const lengths = [...shape, ...y.shape].map((name, axis) => [name, [...x.shape, ...draws.shape][axis]!] as const);
    const dimensions = Object.fromEntries(lengths.filter(([name]) => typeof name === "string")) as Record<
      string,
      number
    >;
    const program = await engine.compile(makeGraph([...inputs, seed], { y, dx: dx! }), new Map(), { dimensions });
    const found = await program.run({ x, "stochasticPool.uniform": draws, seed: full(draws.shape, 1) });
    await program.dispose();
    return { y: found.get("y")!.toArray(), dx: found.get("dx")!.toArray() };
  }

  test("each window gives one of its elements, the first whose sum with those before is above the draw", async () => {
    const window = [1, 3, -5, 0, 4];
    const draws = [0, 0.124, 0.125, 0.4999, 0.5, 0.9999999];
    const x = tensor(
      draws.flatMap(() => window),
      [1, 1, 5 * draws.length],
    );
    const { y, dx } = await drawn({ kernel_shape: [5], strides: [5] }, x, tensor(draws, [1, 1, draws.length]));
    expect(y).toEqual([1, 1, 3, 3, 4, 4]);
    expect(dx).toEqual([0, 0, 1, 1, 4, 4].flatMap((place) => [0, 1, 2, 3, 4].map((each) => (each === place ? 1 : 0))));
  });

  test("elements are drawn in proportion to what they are", async () => {
    const [windows, values] = [6000, [0.5, 2, 0, 1.5, 1]];
    const x = tensor(
      Array.from({ length: windows * values.length }, (_, index) => values[index % values.length]!),
      [1, 1, windows * values.length],
    );
    const random = new Random(1, "draws");
    const draws = tensor(
      Array.from({ length: windows }, () => random.uniform()),
      [1, 1, windows],
    );
    const { y } = await drawn({ kernel_shape: [5], strides: [5] }, x, draws);
    for (const value of values) {
      const probability = value / 5;
      const share = y.filter((each) => each === value).length / windows;
      expect(Math.abs(share - probability)).toBeLessThanOrEqual(
        3 * Math.sqrt((probability * (1 - probability)) / windows),
      );
    }
    const mean = y.reduce((sum, each) => sum + each, 0) / windows;
    expect(mean).toBeCloseTo((0.25 + 4 + 2.25 + 1) / 5, 1);
  });

  test("a window of nothing above 0 gives 0, and no gradient", async () => {
    const x = tensor([0, 0, -1, -2], [1, 1, 4]);
    const found = await drawn({ kernel_shape: [2], strides: [2] }, x, tensor([0, 0.7], [1, 1, 2]));
    expect(found).toEqual({ y: [0, 0], dx: [0, 0, 0, 0] });
  });

  test.each([
    ["that overlap, with padding", { kernel_shape: [3, 3], strides: [2, 1], pads: [1, 1, 0, 1] }, [2, 2, 5, 4]],
    ["that hang over the end", { kernel_shape: [2, 3], strides: [2, 2], ceil_mode: 1 }, [2, 3, 5, 6]],
    ["with gaps", { kernel_shape: [2, 2], strides: [1, 1], dilations: [2, 3] }, [1, 2, 4, 5]],
  ])("windows %s draw from the elements under them", async (_, attributes, shape) => {
    const random = new Random(2, "windows");
    const count = sizeOf(shape);
    const x = tensor(
      Array.from({ length: count }, (_, index) => (index % 4 === 0 ? 0 : 1 + index / count)),
      shape,
    );
    const y = stochasticPool(inputValue("x", { dtype: "float32", shape }), attributes).shape as Shape;
    const draws = tensor(
      Array.from({ length: sizeOf(y) }, () => random.uniform()),
      y,
    );
    // A last window that hangs over takes padding, which takes known lengths.
    const open = "ceil_mode" in attributes ? shape.slice(2) : ["height", "width"];
    const found = await drawn(attributes, x, draws, ["batch", shape[1]!, ...open]);
    // Every element is another number, so that what comes out says where it was, and so does the gradient.
    const times = new Map<number, number>();
    for (const each of found.y) times.set(each, (times.get(each) ?? 0) + 1);
    expect(found.dx).toEqual(x.toArray().map((each) => times.get(each) ?? 0));
    expect(times.has(0)).toBe(false);
    expect(times.size).toBeGreaterThan(1);
  });
});
