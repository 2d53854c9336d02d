import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { buildCase } from "../../../test/check/build.ts";
import { tables } from "../../../test/check/cases/all.ts";
import { expectClose } from "../../../test/check/compare.ts";
import { gradientsOf } from "../../autodiff/gradient.ts";
import { makeGraph } from "../../graph/graph.ts";
import { apply } from "../../graph/op.ts";
import { foldConstants } from "../../graph/rewrite.ts";
import { constant, inputValue, type Value } from "../../graph/value.ts";
import * as activation from "../../ops/activation.ts";
import { conv } from "../../ops/conv.ts";
import { concat, pad } from "../../ops/core/arrange.ts";
import { expandLike } from "../../ops/core/broadcast.ts";
import * as core from "../../ops/core/elementwise.ts";
import { cos, maximum } from "../../ops/core/functions.ts";
import { cumulativeSum } from "../../ops/core/order.ts";
import { reduceMax, reduceMean, reduceSum } from "../../ops/core/reduce.ts";
import { transpose } from "../../ops/core/shape.ts";
import { SpaceToDepth } from "../../ops/depth-space.ts";
import { MaxPoolGradient, MaxPoolSelect, maxPool } from "../../ops/pool.ts";
import { softmax } from "../../ops/softmax.ts";
import { Random } from "../../tensor/random.ts";
import { sizeOf } from "../../tensor/shape.ts";
import { Tensor } from "../../tensor/tensor.ts";
import { evaluateGraph } from "../reference.ts";
import { rules } from "./kernels.ts";
import { dnnl, missing } from "./library.ts";
import { piecesOf } from "./pieces.ts";
import { Plan } from "./plan.ts";
import { NativeProgram } from "./program.ts";
import { withActivations } from "./recognise.ts";

const image = (name: string) => inputValue(name, { dtype: "float32", shape: [2, 3, 4, 5] });

const planOf = (inputs: ReturnType<typeof image>[], outputs: Record<string, Value>) =>
  new Plan(dnnl(), withActivations(foldConstants(makeGraph(inputs, outputs))), rules, "float32");

/** What computes a function and its gradient. */
function stepsOf(f: (x: Value) => Value): readonly string[] {
  const [x, g] = [image("x"), image("g")];
  const y = f(x);
  return planOf([x, g], { y, dx: gradientsOf(y, [x], { seed: g })[0]! }).steps.map(({ kind }) => kind.operator);
}

const gaussian = (x: Value): Value => core.add(apply(activation.Erf, [core.div(x, Math.SQRT2)])[0]!, 1);

const drawn = (random: Random, shape: readonly number[]) =>
  new Tensor(
    "float32",
    shape,
    Float32Array.from({ length: sizeOf(shape) }, () => random.normal()),
  );

describe.skipIf(missing() !== undefined)("on oneDNN", () => {
  test.each<[string, (x: Value) => Value, string[]]>([
    ["SiLU", (x) => core.mul(x, core.sigmoid(x)), ["swish", "swishGradient"]],
    ["GELU", (x) => activation.gelu(x), ["geluErf", "geluErfGradient"]],
    ["GELU as files write it", (x) => core.mul(core.mul(gaussian(x), x), 0.5), ["geluErf", "geluErfGradient"]],
    ["GELU by tanh", (x) => activation.gelu(x, "tanh"), ["geluTanh", "geluTanhGradient"]],
    ["hard swish", activation.hardSwish, ["hardSwish", "hardSwishGradient"]],
    ["Mish", activation.mish, ["mish", "mishGradient"]],
    ["softplus", activation.softplus, ["softplus", "softplusGradient"]],
    ["leaky ReLU", (x) => activation.leakyRelu(x, 0.1), ["leakyRelu", "leakyReluGradient"]],
    ["ELU", (x) => activation.elu(x), ["Elu", "eluGradient"]],
    ["ReLU up to 6", (x) => activation.clip(x, 0, 6), ["clip", "ClipGradient"]],
    ["sigmoid", core.sigmoid, ["Sigmoid", "logisticGradient"]],
  ])("%s is one pass, and its gradient another", (_, f, steps) => {
    expect(stepsOf(f)).toEqual(steps);
  });

  test("functions that it lacks are computed in the loop of the one that takes their result", () => {
    const [x, y] = [image("x"), image("y")];
    const larger = core.where(core.greater(x, y), core.mul(x, 2), core.sub(x, y));
    expect(planOf([x, y], { larger }).steps.map(({ kind }) => kind.operator)).toEqual(["Where"]);
  });

  const families = [
    ...["broadcast", "elementwise", "functions", "gather", "index", "logic", "order", "reduce", "shape"].map(
      (name) => `core/${name}`,
    ),
    "activation",
    "dropout",
    "matmul",
  ];
  test.each(families)("no operator of %s, nor its gradient, runs in its own slow loops", (family) => {
    const looped = tables[family]!.flatMap((opCase) => {
      const graph = withActivations(foldConstants(buildCase(opCase, "fixed").graph));
      return piecesOf(new Plan(dnnl(), graph, rules, "float32")).map(
        ({ operator: name }) => `${name} of ${opCase.name}`,
      );
    });
    expect(looped).toEqual([]);
  });

  const functions: readonly ((a: Value, b: Value) => Value)[] = [
    (a, b) => core.where(core.greater(a, b), a, core.mul(b, 2)),
    (a, b) => core.mul(core.cast(core.less(a, b), "float32"), a),
    (a, b) => maximum(a, b, core.neg(a)),
    (a, b) => core.add(core.cast(core.cast(core.mul(a, 4), "int64"), "float32"), b),
    (a, b) => core.sub(reduceMax(a, { axes: [1], keepDimensions: true }), b),
    (a, b) => core.mul(reduceSum(core.mul(a, b), { axes: [0, 2], keepDimensions: true }), a),
    (a, b) => core.add(expandLike(reduceMean(a, { axes: [3], keepDimensions: true }), core.add(a, b)), b),
    (a, b) => core.add(cumulativeSum(a, 1), b),
    (a, b) => core.where(core.equal(core.cast(core.greater(a, 0), "float32"), 1), core.sign(a), core.abs(b)),
    (a, b) =>
      core.add(activation.prelu(a, constant(new Tensor("float32", [3, 1, 1], new Float32Array([0.1, -1, 2])))), b),
  ];
  const shapes = fc.constantFrom([2, 3, 4, 5], [1, 3, 1, 1], [2, 3, 1, 1], [3, 4, 5], [4, 1], [2, 1, 4, 5], []);

  test("any of them are what the reference says, in whichever order their operands lie", () => {
    const one = fc.tuple(fc.constantFrom(...functions), fc.constantFrom(...functions), shapes, fc.boolean(), fc.nat());
    fc.assert(
      fc.property(one, ([first, second, shape, isLast, seed]) => {
        const [x, b] = [image("x"), inputValue("b", { dtype: "float32", shape })];
        // Pooling leaves maps channels-last.
        const a = isLast ? maxPool(x, { kernel_shape: [1, 1] }) : x;
        const y = second(first(a, b), a);
        const [da, db] = gradientsOf(reduceSum(core.mul(y, y)), [x, b]);
        const graph = makeGraph([x, b], { y, da: da!, db: db! });
        const random = new Random(seed, "functions");
        const feeds = new Map([
          ["x", drawn(random, [2, 3, 4, 5])],
          ["b", drawn(random, shape)],
        ]);
        const program = new NativeProgram(dnnl(), graph, new Map());
        const expected = evaluateGraph(graph, feeds).outputs;
        // Twice: what is written over in a run must be there again in the next.
        for (const found of [program.run(feeds), program.run(feeds)])
          for (const [name, tensor] of expected) expectClose(name, found.get(name), tensor, { relative: 1e-5 });
      }),
      { seed: 1, numRuns: 150 },
    );
  });

  test("tensors of more axes than it knows are computed in loops of our own", () => {
    const shape = [2, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2];
    const x = inputValue("x", { dtype: "float32", shape });
    const row = inputValue("row", { dtype: "float32", shape: [2] });
    const turned = transpose(core.relu(x));
    const outputs = {
      sum: core.add(turned, core.mul(x, row)),
      tanh: core.tanh(x),
      softmax: softmax(x, 0),
      total: reduceSum(turned, { axes: [0, 4] }),
      padded: pad(
        x,
        shape.map((_, axis) => [axis % 2, 0] as const),
      ),
      joined: concat([x, turned], 1),
      gradient: gradientsOf(reduceSum(activation.gelu(core.mul(x, x))), [x])[0]!,
    };
    const graph = makeGraph([x, row], outputs);
    const random = new Random(1, "axes");
    const feeds = new Map([
      ["x", drawn(random, shape)],
      ["row", drawn(random, [2])],
    ]);
    const found = new NativeProgram(dnnl(), graph, new Map()).run(feeds);
    for (const [name, tensor] of evaluateGraph(graph, feeds).outputs)
      expectClose(name, found.get(name), tensor, { relative: 1e-5 });
  });

  test.each<[string, (x: Value, values: Value, pooled: Value) => Value]>([
    ["SpaceToDepth", (x) => apply(SpaceToDepth, [core.cast(x, "int32")], { blocksize: 2 })[0]!],
    ["MaxPoolGradient", (x, _, pooled) => apply(MaxPoolGradient, [x, pooled], { kernel_shape: [2, 2] })[0]!],
    ["MaxPoolSelect", (x, values) => apply(MaxPoolSelect, [x, values], { kernel_shape: [2, 2] })[0]!],
  ])("places that are no numbers of 32 bits are not looked up: %s", (name, f) => {
    const inputs = [2, 2, 1].map((length, index) =>
      inputValue(`x${index}`, { dtype: "float32", shape: [2 ** 19, 2 ** 10, length, length] }),
    );
    const plan = planOf(inputs, { y: f(inputs[0]!, inputs[1]!, inputs[2]!) });
    expect(piecesOf(plan).map(({ operator }) => operator)).toEqual([name]);
  });

  test.each([16, 24, 30])("maps in blocks of %i channels are summed without what fills them up", (channels) => {
    const x = inputValue("x", { dtype: "float32", shape: [2, 16, 6, 6] });
    const w = inputValue("w", { dtype: "float32", shape: [channels, 16, 3, 3] });
    const y = core.relu(conv(x, w, undefined, { kernel_shape: [3, 3] }));
    const chosen = core.where(core.greater(y, 1), cos(y), core.sub(y, 2));
    const outputs = {
      chosen,
      all: reduceSum(chosen),
      mean: reduceMean(y),
      largest: reduceMax(core.sub(core.neg(y), 3)),
      maps: reduceSum(y, { axes: [2, 3], keepDimensions: true }),
      rows: reduceMean(y, { axes: [2, 3] }),
    };
    const graph = makeGraph([x, w], outputs);
    const random = new Random(1, "blocks");
    const feeds = new Map(
      [x, w].map((input) => [input.source.name, drawn(random, input.shape as readonly number[])] as const),
    );
    const found = new NativeProgram(dnnl(), graph, new Map()).run(feeds);
    for (const [name, tensor] of evaluateGraph(graph, feeds).outputs)
      expectClose(name, found.get(name), tensor, { relative: 1e-5 });
  });
});
