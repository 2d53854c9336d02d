import { afterAll, describe, expect, test } from "vitest";
import { makeGraph } from "../../graph/graph.ts";
import { apply } from "../../graph/op.ts";
import { type Dimension, inputValue, parameterValue, stateValue, type Value } from "../../graph/value.ts";
import { conv } from "../../ops/conv.ts";
import { add, mul, Neg, neg, Relu, relu } from "../../ops/core/elementwise.ts";
import { Reciprocal } from "../../ops/core/functions.ts";
import { reshape } from "../../ops/core/shape.ts";
import { gemm } from "../../ops/matmul.ts";
import { openLibrary } from "../../platform/native.ts";
import { Random } from "../../tensor/random.ts";
import { type Shape, sizeOf } from "../../tensor/shape.ts";
import { full, scalar, Tensor } from "../../tensor/tensor.ts";
import { reference } from "../reference.ts";
import { Unimplemented } from "./dnnl.ts";
import { dnnl, missing } from "./library.ts";
import { pass } from "./loops.ts";
import { onednn } from "./onednn.ts";
import { Plan, type Rule } from "./plan.ts";
import { NativeProgram } from "./program.ts";

/** Sums of windows of nine: 27 of each, where there are three channels of ones. */
function sums(shape: readonly Dimension[]) {
  const x = inputValue("x", { dtype: "float32", shape });
  const w = parameterValue("w", { dtype: "float32", shape: [8, 3, 3, 3] });
  return makeGraph([x], { y: conv(x, w, undefined, { kernel_shape: [3, 3] }) });
}
const ones = new Map([["w", full([8, 3, 3, 3], 1)]]);

test("a library that is not there is missed by its names", () => {
  expect(openLibrary(["libnothing.so.9", "libnothing.so.8"]).missing).toBe(
    "no library named libnothing.so.9, libnothing.so.8",
  );
});

describe.skipIf(missing() !== undefined)("oneDNN", () => {
  afterAll(() => onednn.close());

  test("runs batches of several lengths, with the weights that were written last", async () => {
    const program = await onednn.compile(sums(["batch", 3, 8, 8]), ones);
    for (const batch of [2, 5, 2]) {
      const y = (await program.run({ x: full([batch, 3, 8, 8], 1) })).get("y")!;
      expect(y.shape).toEqual([batch, 8, 6, 6]);
      expect(new Set(y.toArray())).toEqual(new Set([27]));
    }
    await program.write(new Map([["w", full([8, 3, 3, 3], 2)]]));
    expect((await program.run({ x: full([2, 3, 8, 8], 1) })).get("y")!.toArray()[0]).toBe(54);
    await program.dispose();
    await expect(program.run({ x: full([2, 3, 8, 8], 1) })).rejects.toThrow("a program that was disposed of");
  });

  test("what would wait for a loop does not wait for a function that the library has", async () => {
    const x = inputValue("x", { dtype: "float32", shape: [2, 3] });
    const program = await onednn.compile(makeGraph([x], { y: apply(Reciprocal, [add(x, 1)])[0]! }), new Map());
    expect((await program.run({ x: full([2, 3], 3) })).get("y")!.toArray()).toEqual(new Array(6).fill(0.25));
  });

  test("weights of one product turned and of another as they are, of a kernel that covers its input too, are each packed", async () => {
    const x = inputValue("x", { dtype: "float32", shape: [2, 64] });
    const w = parameterValue("w", { dtype: "float32", shape: [64, 64] });
    const kernel = parameterValue("kernel", { dtype: "float32", shape: [48, 4, 4, 4] });
    const map = reshape(x, [2, 4, 4, 4]);
    const graph = makeGraph([x], {
      turned: gemm(x, w, { transB: 1 }),
      plain: gemm(x, w),
      whole: relu(conv(map, kernel, undefined, { kernel_shape: [4, 4] })),
    });
    const random = new Random(1, "products");
    const draw = (shape: Shape) =>
      new Tensor(
        "float32",
        shape,
        Float32Array.from({ length: sizeOf(shape) }, () => random.normal()),
      );
    const variables = new Map([
      ["w", draw([64, 64])],
      ["kernel", draw([48, 4, 4, 4])],
    ]);
    const feeds = { x: draw([2, 64]) };
    const [ours, expected] = await Promise.all(
      [onednn, reference].map(async (engine) => (await engine.compile(graph, variables)).run(feeds)),
    );
    for (const [name, { data }] of expected!)
      [...data].forEach((each, index) => {
        expect(ours!.get(name)!.data[index]).toBeCloseTo(Number(each), 4);
      });
  });

  test("a small program runs on in the calling thread when a larger one comes to the engine's own", async () => {
    await onednn.close();
    const [small, large] = await Promise.all(
      [8, 512].map(async (length) => {
        const program = await onednn.compile(sums([1, 3, length, length]), ones);
        return async () => (await program.run({ x: full([1, 3, length, length], 1) })).get("y")!.toArray();
      }),
    );
    for (let run = 0; run < 3; run++)
      for (const each of [small!, large!]) expect(new Set(await each())).toEqual(new Set([27]));
  });

  test("what only constants decide is computed once, and a variable's next value where it is looked for", () => {
    const x = inputValue("x", { dtype: "float32", shape: [4] });
    const w = parameterValue("w", { dtype: "float32", shape: [4] });
    const count = stateValue("count", { dtype: "float32", shape: [] });
    const graph = makeGraph([x], { y: mul(x, mul(w, 3)) }, [{ variable: count, next: add(count, 1) }]);
    const start = new Map([
      ["w", full([4], 2)],
      ["count", scalar(1)],
    ]);
    const program = new NativeProgram(dnnl(), graph, start);
    expect(program.plan.prepared.map(({ kind }) => kind.operator)).toEqual(["Mul"]);
    expect(program.plan.steps.map(({ kind }) => kind.operator)).toEqual(["Mul", "Add"]);
    expect(
      program
        .run(new Map([["x", full([4], 5)]]))
        .get("y")!
        .toArray(),
    ).toEqual([30, 30, 30, 30]);
    program.run(new Map([["x", full([4], 5)]]));
    expect(program.read().get("count")!.item()).toBe(3);
  });

  test("what was laid out for a kernel that then could not be is not computed, but for what others take of it", () => {
    const x = inputValue("x", { dtype: "float32", shape: [2, 3, 4, 4] });
    const [y, z] = [relu(x), neg(x)];
    const refused: Rule = (node, plan) => {
      pass(plan, plan.output(node, 0, "plain"), [plan.ordered(x, "channelsLast")], { text: "x0 * 2" });
      throw new Unimplemented();
    };
    const turned: Rule = (node, plan) => {
      pass(plan, plan.output(node, 0, "plain"), [plan.ordered(x, "channelsLast")], { text: "-x0" });
      return true;
    };
    const rules = new Map<object, Rule>([
      [Relu, refused],
      [Neg, turned],
    ]);
    const kindsOf = (outputs: Record<string, Value>) =>
      new Plan(dnnl(), makeGraph([x], outputs), rules, "float32").steps.map(({ kind }) => kind.operator);
    expect(kindsOf({ y })).toEqual(["Relu"]);
    expect(kindsOf({ y, z })).toEqual(["Reorder", "Relu", "Neg"]);
  });

  test("what the library complains of names the operator and its shapes, when it is made and when it runs", () => {
    const x = inputValue("x", { dtype: "float32", shape: [2, 3] });
    const refused: Rule = (_, plan) => plan.dnnl.reorder({ address: 0 }, { address: 0 }) !== undefined;
    expect(() => new Plan(dnnl(), makeGraph([x], { y: relu(x) }), new Map([[Relu, refused]]), "float32")).toThrow(
      "oneDNN: dnnl_reorder_primitive_desc_create: invalid arguments at Relu of 2x3.",
    );
    const primitive = dnnl().elementwise("relu", { shape: [2, 3], strides: [3, 1] }, 0, 0);
    const run = dnnl().bound("layer1/Relu 2x3", primitive, new Map());
    expect(run).toThrow("oneDNN: invalid arguments at layer1/Relu 2x3.");
  });
});
