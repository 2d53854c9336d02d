import { describe, expect, test } from "vitest";
import { tables } from "../../test/check/cases/all.ts";
import { testOps } from "../../test/check/table.ts";
import { ort } from "../engine/ort/ort.ts";
import { evaluateGraph } from "../engine/reference.ts";
import { makeGraph } from "../graph/graph.ts";
import { inputValue } from "../graph/value.ts";
import { tensor } from "../tensor/tensor.ts";
import { resizeTo } from "./resize.ts";

testOps(tables.resize!);

describe("against aliasing", () => {
  // torch.nn.functional.interpolate(x, size, mode=mode, antialias=True, align_corners=False), PyTorch 1.13, float64
  test.each([
    ["linear", [0.18367346938775522, 1.420168067226891, 3.8571428571428577]],
    ["linear", [0.08843537414965989, 0.6857142857142857, 2.262857142857143, 4.333333333333334]],
    ["cubic", [0.09677419354838764, 1.3376940519797662, 4.009216589861752]],
    ["cubic", [0.018283235202974934, 0.3566992014196987, 1.2839322839322838, 2.816326530612244, 4.755810350170437]],
  ] as const)("%s, to %j, as PyTorch's", (mode, expected) => {
    const x = tensor(
      Array.from({ length: 7 }, (_, index) => index ** 2 / 7),
      [1, 1, 7],
      "float64",
    );
    const input = inputValue("x", x);
    const attributes = { mode, antialias: 1, exclude_outside: 1, cubic_coeff_a: -0.5 };
    const graph = makeGraph([input], { y: resizeTo(input, [expected.length], attributes) });
    const found = evaluateGraph(graph, new Map([["x", x]])).outputs.get("y")!;
    for (const [index, each] of expected.entries()) expect(found.numbers[index]).toBeCloseTo(each, 12);
  });
});

describe("an axis too long for a matrix", () => {
  const x = inputValue("x", { dtype: "float32", shape: [1, 1, 2] });
  const graph = makeGraph([x], { y: resizeTo(x, [2 ** 23 + 1], { mode: "linear" }) });
  const feeds = { x: tensor([0, 1], [1, 1, 2]) };

  test("is resized by ONNX Runtime itself", async () => {
    const program = await ort.compile(graph, new Map(), { threads: 1 });
    const y = (await program.run(feeds)).get("y")!;
    await program.dispose();
    await ort.close();
    expect(y.shape).toEqual([1, 1, 2 ** 23 + 1]);
    expect(y.numbers[2 ** 22]).toBeCloseTo(0.5, 6);
  });

  test("is refused by the reference engine", () => {
    const run = () => evaluateGraph(graph, new Map(Object.entries(feeds)));
    expect(run).toThrow("Resize: found an axis of 2 to 8388609; expected shorter ones.");
  });
});
