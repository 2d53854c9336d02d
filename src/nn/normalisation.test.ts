import { afterAll, describe, expect, test } from "vitest";
import { linesData } from "../data/lines.ts";
import { ort } from "../engine/ort/ort.ts";
import { evaluateGraph, reference } from "../engine/reference.ts";
import { makeGraph, trainableOf, variablesOf } from "../graph/graph.ts";
import { training } from "../graph/training.ts";
import { type Dimension, inputValue } from "../graph/value.ts";
import { Random } from "../tensor/random.ts";
import { type Shape, sizeOf } from "../tensor/shape.ts";
import { type Tensor, tensor } from "../tensor/tensor.ts";
import { evaluate } from "../train/evaluate.ts";
import { fit } from "../train/fit.ts";
import { relu } from "./activations.ts";
import { conv2d } from "./convolution.ts";
import { linear } from "./linear.ts";
import { batchNorm, groupNorm, instanceNorm, layerNorm, localResponseNorm } from "./normalisation.ts";
import { globalAveragePool } from "./pooling.ts";
import { type Layer, Scope, sequential, shared } from "./scope.ts";

function build(layer: Layer, shape: readonly Dimension[]) {
  const x = inputValue("x", { dtype: "float32", shape: ["batch", ...shape] });
  const scope = new Scope();
  const graph = makeGraph([x], { y: layer(x, scope) });
  return { graph, variables: scope.initialise(1) };
}

const random = (shape: Shape, mean = 0): Tensor => {
  const stream = new Random(3, "normalisation");
  return tensor(
    Array.from({ length: sizeOf(shape) }, () => stream.normal(mean, 2)),
    shape,
  );
};

function run(layer: Layer, x: Tensor) {
  const { graph, variables } = build(layer, x.shape.slice(1));
  return evaluateGraph(graph, new Map([...variables, ["x", x]])).outputs.get("y")!;
}

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
const variance = (values: readonly number[]) => {
  const centre = mean(values);
  return mean(values.map((value) => (value - centre) ** 2));
};

afterAll(() => ort.close());

describe("batch normalisation", () => {
  test.each([[[3]], [[3, 5]], [[3, 4, 2]], [[3, 2, 2, 2]]])("is one layer for inputs of %j", (shape) => {
    const { graph, variables } = build(sequential({ bn: batchNorm() }), shape);
    expect([...variables.keys()]).toEqual(["bn.weight", "bn.bias", "bn.running_mean", "bn.running_var"]);
    expect(trainableOf(graph).map(({ source }) => source.name)).toEqual(["bn.weight", "bn.bias"]);
    expect(graph.outputs.get("y")!.shape).toEqual(["batch", ...shape]);
  });

  test("in evaluation goes by the running statistics, in training by the batch's, and gathers them", () => {
    const { graph, variables } = build(batchNorm({ momentum: 0.25, epsilon: 1e-9 }), [1, 2]);
    const feeds = new Map([...variables, ["x", tensor([1, 2, 4, 9], [2, 1, 2])]]);
    expect(evaluateGraph(graph, feeds).outputs.get("y")!.toArray()).toEqual(
      [1, 2, 4, 9].map((x) => expect.closeTo(x, 6)),
    );
    const trained = evaluateGraph(training(graph), feeds);
    const y = trained.outputs.get("y")!.toArray();
    expect([mean(y), variance(y)]).toEqual([expect.closeTo(0, 9), expect.closeTo(1, 6)]);
    expect(trained.updates.get("running_mean")!.toArray()).toEqual([expect.closeTo(0.25 * 4, 6)]);
    const unbiased = (9 + 4 + 0 + 25) / 3;
    expect(trained.updates.get("running_var")!.toArray()).toEqual([expect.closeTo(0.75 + 0.25 * unbiased, 6)]);
    expect([...trained.updates.keys()]).toEqual(["running_mean", "running_var"]);
  });

  test.each([true, false])("is the same for places in a line, in maps and in volumes, affine: %s", async (affine) => {
    const x = random([3, 2, 12], 1);
    const outputs = async (shape: Shape) => {
      const { graph, variables } = build(batchNorm({ affine }), shape);
      const program = await ort.compile(training(graph), variables, { threads: 1 });
      const y = (await program.run({ x: x.reshape([3, ...shape]) })).get("y")!.toArray();
      const { running_mean, running_var } = Object.fromEntries(await program.read());
      await program.dispose();
      return [...y, ...running_mean!.toArray(), ...running_var!.toArray()];
    };
    const line = await outputs([2, 12]);
    const channel = (index: number) => x.toArray().filter((_, place) => Math.floor(place / 12) % 2 === index);
    expect(line[0]).toBeCloseTo((x.toArray()[0]! - mean(channel(0))) / Math.sqrt(variance(channel(0)) + 1e-5), 4);
    expect(line.at(-1)).toBeCloseTo(0.9 + (0.1 * variance(channel(1)) * 36) / 35, 4);
    for (const shape of [
      [2, 4, 3],
      [2, 2, 2, 3],
    ])
      expect(await outputs(shape)).toEqual(line.map((each) => expect.closeTo(each, 5)));
  });

  test("without weight and bias has statistics alone", () => {
    expect(variablesOf(build(batchNorm({ affine: false }), [3, 4]).graph).map(({ source }) => source.kind)).toEqual([
      "state",
      "state",
    ]);
  });

  test("refuses what has no variance", () => {
    const graph = makeGraph([inputValue("x", { dtype: "float32", shape: [1, 3] })], {});
    const scope = new Scope();
    const y = batchNorm()(graph.inputs[0]!, scope);
    expect(() => training(makeGraph(graph.inputs, { y }))).toThrow(
      "BatchNormalization: found one number for each channel, 1x3, in training; expected at least two, to have a " +
        "variance. Train with a larger batch, or drop the last partial one.",
    );
    expect(() => build(batchNorm(), [])).toThrow(
      "batchNorm: found an input of batch; expected [batch, channels, ...].",
    );
    expect(() => batchNorm({ epsilon: 0 })).toThrow("batchNorm: found epsilon 0; expected a number above 0.");
    expect(() => batchNorm({ momentum: 2 })).toThrow("batchNorm: found momentum 2; expected between 0 and 1.");
  });

  test.each([reference, ort])("trains on $name, and evaluates by what it gathered", async (engine) => {
    const network = sequential({
      conv: conv2d({ channels: 4, kernel: 5, stride: 4, bias: false }),
      bn: batchNorm(),
      relu: relu(),
      pool: globalAveragePool(),
      fc: linear({ features: 8 }),
    });
    const data = linesData({ seed: 1, split: "train", count: 32 });
    const { model, history } = await fit(network, data, { epochs: 2, batchSize: 16, seed: 1, engine }).result;
    expect(history.at(-1)!.loss).toBeLessThan(history[0]!.loss);
    expect(model.variables.get("bn.running_var")!.toArray()).not.toEqual([1, 1, 1, 1]);
    expect((await evaluate(model, data, { engine }).result).loss).toBeGreaterThan(0);
  });
});

describe("other normalisations", () => {
  test.each([
    ["instanceNorm", instanceNorm(), [2, 3, 4, 5], 20],
    ["groupNorm", groupNorm({ groups: 2 }), [2, 4, 3, 3], 18],
    ["layerNorm", layerNorm(), [2, 3, 6], 6],
    ["layerNorm over two axes", layerNorm({ over: 2 }), [2, 3, 6], 18],
  ] as const)("%s: each run has mean 0 and variance 1", (_, layer, shape, length) => {
    const values = run(layer, random(shape, 3)).toArray();
    for (let start = 0; start < values.length; start += length) {
      const part = values.slice(start, start + length);
      expect(mean(part)).toBeCloseTo(0, 6);
      expect(variance(part)).toBeCloseTo(1, 3);
    }
  });

  test("layerNorm over the channels: each place has mean 0 and variance 1", () => {
    const y = run(layerNorm({ over: "channels" }), random([2, 5, 2, 3], 3));
    expect(y.shape).toEqual([2, 5, 2, 3]);
    for (let place = 0; place < 6; place++) {
      const values = Array.from({ length: 5 }, (_, channel) => y.toArray()[channel * 6 + place]!);
      expect([mean(values), variance(values)]).toEqual([expect.closeTo(0, 6), expect.closeTo(1, 3)]);
    }
  });

  test("localResponseNorm is chapter equation 1.13", () => {
    const y = run(localResponseNorm({ size: 3, alpha: 3, beta: 0.5, k: 1 }), tensor([1, 2, 3, 4], [1, 4]));
    const expected = [1 / Math.sqrt(6), 2 / Math.sqrt(15), 3 / Math.sqrt(30), 4 / Math.sqrt(26)];
    expect(y.toArray()).toEqual(expected.map((value) => expect.closeTo(value, 6)));
  });

  test.each([2, 3, 4])("localResponseNorm of size %i runs on ONNX Runtime for maps and for features", async (size) => {
    for (const shape of [
      [2, 5, 3, 2],
      [2, 5],
    ]) {
      const layer = localResponseNorm({ size, alpha: 0.5, beta: 0.5, k: 2 });
      const program = await ort.compile(build(layer, shape.slice(1)).graph, new Map());
      const found = (await program.run({ x: random(shape) })).get("y")!.toArray();
      await program.dispose();
      expect(found).toEqual(
        run(layer, random(shape))
          .toArray()
          .map((value) => expect.closeTo(value, 5)),
      );
    }
  });

  test("their parameters have PyTorch's names and shapes", () => {
    const network = sequential({
      instance: instanceNorm({ affine: true }),
      group: groupNorm({ groups: 2 }),
      channels: layerNorm({ over: "channels" }),
      layer: layerNorm({ over: 3 }),
      plain: instanceNorm(),
    });
    const shapes = [...build(network, [4, 2, 3]).variables].map(([name, { shape }]) => `${name} ${shape.join("x")}`);
    expect(shapes).toEqual([
      "instance.weight 4",
      "instance.bias 4",
      "group.weight 4",
      "group.bias 4",
      "channels.weight 4",
      "channels.bias 4",
      "layer.weight 4x2x3",
      "layer.bias 4x2x3",
    ]);
  });

  test("a shared layer gathers statistics at each of its uses in turn", () => {
    const one = shared(batchNorm({ momentum: 0.5 }));
    const { graph, variables } = build(sequential({ first: one, second: one }), [1]);
    expect([...variables.keys()].length).toBe(4);
    const feeds = new Map([...variables, ["x", tensor([2, 6], [2, 1])]]);
    const { updates } = evaluateGraph(training(graph), feeds);
    expect([...updates.keys()]).toEqual(["first.running_mean", "first.running_var"]);
    expect(updates.get("first.running_mean")!.toArray()).toEqual([expect.closeTo(0.5 * 2, 5)]);
    expect(updates.get("first.running_var")!.toArray()).toEqual([expect.closeTo(0.5 * (0.5 + 0.5 * 8) + 0.5 * 2, 4)]);
  });

  test("refuse what they cannot normalise", () => {
    expect(() => build(groupNorm({ groups: 3 }), [4, 2])).toThrow(
      "groupNorm: found 4 channels in 3 groups; expected whole groups.",
    );
    expect(() => build(instanceNorm(), [4])).toThrow(
      "instanceNorm: found an input of batchx4; expected [batch, channels, size, ...].",
    );
    expect(() => build(layerNorm({ over: 2 }), [4, "width"])).toThrow(
      "layerNorm: found an input of batchx4xwidth; expected numbers as its last 2 axes, to have weights.",
    );
    expect(() => localResponseNorm({ size: 0 })).toThrow(
      "localResponseNorm: found size 0; expected a whole number of at least 1.",
    );
  });
});
