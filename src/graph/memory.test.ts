import { afterAll, describe, expect, test } from "vitest";
import { ort } from "../engine/ort/ort.ts";
import { reference } from "../engine/reference.ts";
import { convTranspose } from "../ops/conv.ts";
import { concat } from "../ops/core/arrange.ts";
import { expand } from "../ops/core/broadcast.ts";
import { exp, relu } from "../ops/core/elementwise.ts";
import { reduceSum } from "../ops/core/reduce.ts";
import { shapeOf, vector } from "../ops/core/shape.ts";
import { averagePool } from "../ops/pool.ts";
import { full } from "../tensor/tensor.ts";
import { makeGraph } from "./graph.ts";
import { checkMemory, memoryPeak } from "./memory.ts";
import { foldConstants } from "./rewrite.ts";
import { withinScope } from "./scope.ts";
import { constant, inputValue } from "./value.ts";

const x = inputValue("x", { dtype: "float32", shape: [10, 25] });
const kilobyte = 10 * 25 * 4;

describe("the memory of a run", () => {
  afterAll(() => ort.close());

  test("is that of all values that are held at once", () => {
    expect(memoryPeak(makeGraph([x], { y: relu(x) })).bytes).toBe(2 * kilobyte);
    const chain = exp(relu(exp(relu(x))));
    expect(memoryPeak(makeGraph([x], { y: chain })).bytes).toBe(3 * kilobyte);
    const kept = relu(x);
    const both = concat([exp(exp(kept)), kept], 0);
    expect(memoryPeak(makeGraph([x], { both })).bytes).toBe(5 * kilobyte);
  });

  test("counts what an operator holds beside its values", () => {
    const image = inputValue("image", { dtype: "float32", shape: [1, 1, 10, 10] });
    const weights = constant(full([1, 1, 20, 20], 1));
    const { bytes } = memoryPeak(makeGraph([image], { y: convTranspose(image, weights, {}) }));
    expect(bytes).toBe(4 * (100 + 29 * 29 + 100 * 400));
  });

  test("is refused above its limit, naming the largest value, its layer and the limit", () => {
    const y = withinScope("neck", () => expand(x, vector([1000, 10, 25])));
    const graph = makeGraph([x], { y });
    expect(() => checkMemory(graph, 1_001_000)).not.toThrow();
    expect(() => checkMemory(graph, 500_000)).toThrow(
      "neck/Expand: found 1000x10x25 of float32, which bring the memory for a run to 1 MB; expected at most 500 kB. " +
        "Use smaller inputs or batches, or raise the limit (`memory`, in bytes) if the machine has as much.",
    );
  });

  test.each([reference, ort])("is limited by compile on $name, before anything is made", async (engine) => {
    const y = expand(x, vector([2 ** 24, 10, 25]));
    const graph = makeGraph([x], { y: reduceSum(y) });
    await expect(engine.compile(graph, new Map())).rejects.toThrow(
      "bring the memory for a run to 16.8 GB; expected at most ",
    );
  });

  test.each([reference, ort])("is known on $name when inputs decide it", async (engine) => {
    const image = inputValue("image", { dtype: "float32", shape: ["batch", 100] });
    const graph = makeGraph([image], { y: exp(expand(image, shapeOf(relu(image)))) });
    const program = await engine.compile(graph, new Map(), { memory: 100_000 });
    await program.run({ image: full([10, 100], 1) });
    await expect(program.run({ image: full([100, 100], 1) })).rejects.toThrow("expected at most 100 kB");
    await program.dispose();
  });

  test("folding stops at what would take minutes", () => {
    const means = averagePool(constant(full([1, 1, 60_000], 1)), { kernel_shape: [30_000] });
    const start = performance.now();
    expect(() => foldConstants(makeGraph([], { means }))).toThrow("products of elements and weights for one map");
    expect(performance.now() - start).toBeLessThan(1000);
  });
});
