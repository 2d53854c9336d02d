import { describe, expect, test, vi } from "vitest";
import { makeGraph } from "../../graph/graph.ts";
import { inputValue, type Value } from "../../graph/value.ts";
import { Random } from "../../index.ts";
import { conv } from "../../ops/conv.ts";
import { relu } from "../../ops/core/elementwise.ts";
import { sin } from "../../ops/core/functions.ts";
import { reshape } from "../../ops/core/shape.ts";
import { Tensor } from "../../tensor/tensor.ts";
import { reference } from "../reference.ts";
import { dnnl, missing, useThreads } from "./library.ts";
import { Memory } from "./memory.ts";
import { NativeProgram } from "./program.ts";

const shape = [2, 3, 9, 9];

describe.skipIf(missing() !== undefined)("inputs", () => {
  test.each<[string, (x: Value, w: Value) => Record<string, Value>, readonly boolean[]]>([
    ["that the library alone reads", (x, w) => ({ y: conv(x, w, undefined, {}) }), [true, true]],
    ["in another shape too", (x, w) => ({ y: conv(x, w, undefined, {}), z: relu(reshape(x, [-1])) }), [true, true]],
    ["that are given back", (x, w) => ({ y: conv(x, w, undefined, {}), x }), [false, true]],
    ["that our loops go over", (x, w) => ({ y: conv(x, w, undefined, {}), z: sin(x) }), [false, true]],
  ])("are read where they are only where the library alone reads them, at once: %s", async (_, build, isLent) => {
    const x = inputValue("x", { dtype: "float32", shape });
    const w = inputValue("w", { dtype: "float32", shape: [4, 3, 3, 3] });
    const graph = makeGraph([x, w], build(x, w));
    useThreads(2);
    const program = new NativeProgram(dnnl(), graph, new Map());
    const exact = await reference.compile(graph, new Map());
    const lend = vi.spyOn(Memory.prototype, "lend");
    const random = new Random(1, "inputs");
    for (const before of [0, 5, 64]) {
      const drawn = (of: readonly number[]) => {
        const count = of.reduce((a, b) => a * b);
        const all = Float32Array.from({ length: before + count }, () => random.normal());
        return new Tensor("float32", of, all.subarray(before));
      };
      const feeds = { x: drawn(shape), w: drawn([4, 3, 3, 3]) };
      const kept = [...feeds.x.data];
      const found = program.run(new Map(Object.entries(feeds)));
      for (const [name, { data }] of await exact.run(feeds))
        for (const [index, value] of data.entries()) expect(found.get(name)!.data[index]).toBeCloseTo(Number(value), 4);
      expect([...feeds.x.data]).toEqual(kept);
    }
    expect(lend.mock.results.slice(0, 2).map(({ value }) => value)).toEqual(isLent);
    lend.mockRestore();
    await program.dispose();
  });
});
