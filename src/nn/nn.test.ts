import { describe, expect, test } from "vitest";
import { evaluateGraph } from "../engine/reference.ts";
import { makeGraph, variablesOf } from "../graph/graph.ts";
import { training } from "../graph/training.ts";
import { inputValue } from "../graph/value.ts";
import { Random } from "../tensor/random.ts";
import { full, type Tensor, tensor } from "../tensor/tensor.ts";
import { relu, temperature } from "./activations.ts";
import { residual } from "./blocks.ts";
import { conv2d } from "./convolution.ts";
import { dropout } from "./dropout.ts";
import { heNormal, heUniform, type Initialiser, xavierNormal, xavierUniform } from "./initialisers.ts";
import { flatten, linear } from "./linear.ts";
import { averagePool2d, globalAveragePool, maxPool2d } from "./pooling.ts";
import {
  constantRate,
  cosineDecay,
  oneCycle,
  plateauDecay,
  type Schedule,
  scheduleOf,
  stepDecay,
  warmCosine,
} from "./schedules.ts";
import { type Layer, Scope, sequential, shared } from "./scope.ts";

function build(layer: Layer, input: readonly number[]) {
  const x = inputValue("x", { dtype: "float32", shape: ["batch", ...input] });
  const scope = new Scope();
  const graph = makeGraph([x], { y: layer(x, scope) });
  const weights = scope.initialise(1);
  return { graph, weights, shape: graph.outputs.get("y")!.shape, names: [...weights.keys()] };
}

describe("layers", () => {
  test("names come from keys, input channels are inferred, the batch stays open", () => {
    const block = sequential({
      conv1: conv2d({ channels: 4, kernel: 3, padding: "same" }),
      relu1: relu(),
      block: residual({ body: sequential({ conv: conv2d({ channels: 4, kernel: 3, padding: 1, bias: false }) }) }),
      pool: maxPool2d({ kernel: 2 }),
      flatten: flatten(),
      fc: linear({ features: 3 }),
    });
    const { graph, names, shape, weights } = build(block, [2, 8, 8]);
    expect(names).toEqual(["conv1.weight", "conv1.bias", "block.conv.weight", "fc.weight", "fc.bias"]);
    expect(weights.get("conv1.weight")!.shape).toEqual([4, 2, 3, 3]);
    expect(weights.get("fc.weight")!.shape).toEqual([3, 64]);
    expect(shape).toEqual(["batch", 3]);
    expect(variablesOf(graph).length).toBe(5);
  });

  test.each([
    [conv2d({ channels: 5, kernel: 3 }), [5, 7, 9]],
    [conv2d({ channels: 5, kernel: 3, stride: 2 }), [5, 4, 5]],
    [conv2d({ channels: 5, kernel: [5, 3], stride: [2, 1], padding: "same" }), [5, 5, 11]],
    [conv2d({ channels: 4, kernel: 3, dilation: 2, groups: 2 }), [4, 5, 7]],
    [conv2d({ channels: 4, kernel: 4, padding: "same" }), [4, 9, 11]],
    [averagePool2d({ kernel: 2 }), [2, 4, 5]],
    [maxPool2d({ kernel: 3, stride: 2, padding: 1 }), [2, 5, 6]],
    [globalAveragePool(), [2]],
  ])("shape of layer %#", (layer, expected) => {
    expect(build(layer, [2, 9, 11]).shape).toEqual(["batch", ...expected]);
  });

  test("a layer used twice by mistake is refused; on purpose it is shared", () => {
    const twice: Layer = (x, scope) =>
      scope.apply("fc", linear({ features: 3 }), scope.apply("fc", linear({ features: 3 }), x));
    expect(() => build(twice, [3])).toThrow(
      "fc.weight: found a parameter of this name twice; expected every layer to have",
    );
    const one = shared(linear({ features: 3 }));
    expect(build(sequential({ first: one, second: one }), [3]).names).toEqual(["first.weight", "first.bias"]);
  });

  test("bad options are refused with what would be right", () => {
    expect(() => conv2d({ channels: -3, kernel: 3 })).toThrow(
      "conv2d: found channels -3; expected a whole number of at least 1.",
    );
    expect(() => conv2d({ channels: 3, kernel: 3, stride: 0 })).toThrow("conv2d: found stride 0");
    expect(() => build(conv2d({ channels: 3, kernel: 3, padding: "sam" as never }), [1, 5, 5])).toThrow(
      'conv2d: found padding "sam"; expected "valid", "same", one number or 2, each a number or [before, after].',
    );
    expect(() => linear({ features: 1.5 })).toThrow("linear: found features 1.5; expected a whole number");
    expect(() => build(conv2d({ channels: 1, kernel: 9 }), [1, 5, 5])).toThrow(
      "Conv: found a kernel of 9x9 on an input of 5x5; expected at most 5 along axis 2 with padding counted.",
    );
    const deep = sequential({ body: sequential({ c: conv2d({ channels: 1, kernel: 9 }) }) });
    expect(() => build(deep, [1, 5, 5])).toThrow(/^body\.c, Conv: found a kernel of 9x9 on an input of 5x5/);
    expect(() => build(conv2d({ channels: 4, kernel: 3, groups: 2 }), [3, 5, 5])).toThrow(
      "3 input channels in 2 groups",
    );
    expect(() => build(linear({ features: 2 }), [3, 4, 4])).toThrow("Put `flatten()` before it.");
    expect(() => temperature({ tau: 0 })).toThrow("temperature: found tau 0");
    expect(() => build(dropout({ ratio: 1 }), [3])).toThrow("dropout: found a ratio of 1");
  });

  test("a stride that does not divide rounds down, and is refused where exact division is asked for", () => {
    const layer = (exact: boolean) => conv2d({ channels: 1, kernel: 3, stride: 3, exact });
    expect(build(layer(false), [1, 7, 7]).shape).toEqual(["batch", 1, 2, 2]);
    expect(() => build(layer(true), [1, 7, 7])).toThrow(
      "conv2d: found (7 + 0 - 3) / 3 + 1 positions along axis 2; expected a whole number, since `exact` is set " +
        "(fractions are illegal). Change the input's size, kernel, stride or padding, or leave `exact` out to round down.",
    );
    expect(build(conv2d({ channels: 1, kernel: 3, stride: 2, exact: true }), [1, 7, 7]).shape).toEqual([
      "batch",
      1,
      3,
      3,
    ]);
    expect(() => build(maxPool2d({ kernel: 2, exact: true }), [1, 7, 7])).toThrow("fractions are illegal");
  });

  test("dropout passes everything in evaluation, and in training what its numbers say", () => {
    const { graph } = build(sequential({ drop: dropout({ ratio: 0.25 }) }), [4]);
    const x = tensor([1, 2, 3, 4], [1, 4]);
    expect(
      evaluateGraph(graph, new Map([["x", x]]))
        .outputs.get("y")!
        .toArray(),
    ).toEqual([1, 2, 3, 4]);
    const trained = training(graph);
    expect(trained.inputs.map(({ source }) => source.name)).toEqual(["x", "drop.uniform"]);
    const feeds = new Map([
      ["x", x],
      ["drop.uniform", tensor([0.1, 0.25, 0.9, 0.2], [1, 4])],
    ]);
    const dropped = evaluateGraph(trained, feeds).outputs.get("y")!.toArray();
    expect(dropped).toEqual([0, 2 / 0.75, 4, 0]);
  });
});

describe("initialisers", () => {
  const shape = [64, 32, 3, 3];
  const variance = (initialiser: Initialiser): number => {
    const values = initialiser(shape, new Random(1, "variance")).toArray();
    return values.reduce((sum, value) => sum + value * value, 0) / values.length;
  };
  const [fanIn, fanOut] = [32 * 9, 64 * 9];

  test.each([
    ["heNormal", heNormal, 2 / fanIn],
    ["heUniform", heUniform, 2 / fanIn],
    ["xavierNormal", xavierNormal, 2 / (fanIn + fanOut)],
    ["xavierUniform", xavierUniform, 2 / (fanIn + fanOut)],
  ])("%s has the variance it should", (_, initialiser, expected) => {
    expect(variance(initialiser) / expected).toBeGreaterThan(0.97);
    expect(variance(initialiser) / expected).toBeLessThan(1.03);
  });

  test("weights depend on seed and name only, not on the order of layers", () => {
    const [fc1, fc2] = [linear({ features: 4 }), linear({ features: 4 })];
    const weightsOf = (layers: Record<string, Layer>) =>
      build(sequential(layers), [4]).weights.get("b.weight")!.toArray();
    expect(weightsOf({ a: fc1, b: fc2 })).toEqual(weightsOf({ b: fc1, a: fc2 }));
  });
});

describe("schedules", () => {
  test("have the values they should", () => {
    expect([0, 50, 99].map((step) => constantRate()(step, 100))).toEqual([1, 1, 1]);
    expect([0, 49, 50, 75].map((step) => stepDecay()(step, 100))).toEqual([1, 1, 0.1, 0.1 ** 2]);
    const cosine = cosineDecay();
    expect(cosine(0, 100)).toBe(1);
    expect(cosine(50, 100)).toBeCloseTo(0.5, 12);
    expect(cosine(100, 100)).toBeCloseTo(0, 12);
    const cycle = oneCycle();
    expect(cycle(0, 100)).toBeCloseTo(1 / 25, 12);
    expect(cycle(30, 100)).toBeCloseTo(1, 12);
    expect(cycle(100, 100)).toBeCloseTo(1e-4, 12);
    expect(cycle(15, 100)).toBeCloseTo((1 + 1 / 25) / 2, 12);
    const warm = warmCosine();
    expect([0, 5, 10, 55, 100].map((step) => warm(step, 100))).toEqual([1e-3, 0.5, 1, expect.closeTo(0.5, 12), 1e-3]);
    expect(() => scheduleOf("linear" as "cosine")).toThrow('schedule: found "linear"; expected one of constant, step,');
  });
});

test("the rate falls at plateaus of the loss as PyTorch's does", () => {
  const losses = [3, 2, 1.9999, 2.5, 1, 1.2, 0.99995, 1.1, 0.5, 0.6, 0.7, 0.4999, 0.49996, 0.6];
  const rates = (schedule: Schedule) => losses.map((_, epoch) => schedule(0, 1, losses.slice(0, epoch + 1)));
  const powers = (base: number, ...exponents: readonly number[]) => exponents.map((each) => base ** each);
  expect(rates(plateauDecay({ patience: 2 }))).toEqual(powers(0.1, 0, 0, 0, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 4));
  expect(rates(plateauDecay({ factor: 0.5 }))).toEqual(powers(0.5, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1));
  expect(rates(plateauDecay({ patience: 1 }))).toEqual(powers(0.1, 0, 0, 1, 2, 2, 3, 4, 5, 5, 6, 7, 7, 8, 9));
  expect(plateauDecay()(0, 1)).toBe(1);
  expect(() => plateauDecay({ patience: 0 })).toThrow("plateauDecay: found patience 0; expected a whole number");
  expect(() => plateauDecay({ factor: 0 })).toThrow("plateauDecay: found factor 0; expected a number above 0.");
});

const shapesOf = (tensors: ReadonlyMap<string, Tensor>) => [...tensors.values()].map(({ shape }) => shape);

test("a parameter's first value has the parameter's shape", () => {
  const { weights } = build(sequential({ conv: conv2d({ channels: 2, kernel: 1 }) }), [3, 4, 4]);
  expect(shapesOf(weights)).toEqual([[2, 3, 1, 1], [2]]);
  expect(weights.get("conv.bias")!.toArray()).toEqual(full([2], 0).toArray());
});
