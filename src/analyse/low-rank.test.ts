import { afterAll, describe, expect, test } from "vitest";
import { expectClose } from "../../test/check/compare.ts";
import { linesData } from "../data/lines.ts";
import { ort } from "../engine/ort/ort.ts";
import { evaluateGraph } from "../engine/reference.ts";
import { nodesOf, trainableOf } from "../graph/graph.ts";
import { linesNetwork } from "../models/lines.ts";
import { Model } from "../models/model.ts";
import { freeze } from "../models/transfer.ts";
import { relu, tanh } from "../nn/activations.ts";
import { conv1d, conv2d } from "../nn/convolution.ts";
import { linear } from "../nn/linear.ts";
import { globalAveragePool } from "../nn/pooling.ts";
import { type Layer, sequential, shared } from "../nn/scope.ts";
import { Random } from "../tensor/random.ts";
import { sizeOf } from "../tensor/shape.ts";
import { type Tensor, tensor } from "../tensor/tensor.ts";
import { fit } from "../train/fit.ts";
import { lowRank } from "./low-rank.ts";

afterAll(() => ort.close());

const build = (layer: Layer, input: readonly number[]) => Model.build(layer, { name: "test", input, seed: 1 });

const draw = (shape: readonly number[]): Tensor => {
  const random = new Random(1, "low rank");
  return tensor(
    Array.from({ length: sizeOf(shape) }, () => random.normal()),
    shape,
  );
};

const run = (model: Model, image: Tensor): Tensor =>
  evaluateGraph(model.graph, new Map([...model.variables, ["image", image]])).outputs.get("logits")!;

const single = (weight: Tensor): Model => {
  const [channels, inputs, ...kernel] = weight.shape as [number, number, number, number];
  const layer = conv2d({ channels, kernel, initialiser: () => weight });
  return build(sequential({ conv: layer }), [inputs, 7, 8]);
};

const namesOf = (model: Model) => trainableOf(model.graph).map(({ source }) => source.name);

describe("a convolution of low rank", () => {
  // numpy.linalg.svd of the same kernels.
  const known = tensor(
    Array.from({ length: 36 }, (_, index) => ((index * 7) % 11) / 4 - 1),
    [2, 2, 3, 3],
  );
  const diagonal = tensor([0, -2, -2, 2, 0, -2, 2, 2, 0], [1, 1, 3, 3]);
  const laplacian = tensor([0, -1, 0, -1, 4, -1, 0, -1, 0], [1, 1, 3, 3]);
  test.each<[string, Tensor, { rank: number; shared?: boolean }, number]>([
    ["equation 1.8 by one separable filter", diagonal, { rank: 1 }, Math.SQRT1_2],
    ["equation 1.8 by two", diagonal, { rank: 2 }, 0],
    ["the Laplacian, equation 1.5, by one", laplacian, { rank: 1 }, 0.100508962],
    ["the Laplacian by two", laplacian, { rank: 2 }, 0],
    ["four kernels by one each", known, { rank: 1 }, 0.4495958996],
    ["four kernels by two each", known, { rank: 2 }, 0.0842628291],
    ["four kernels by one column for all", known, { rank: 1, shared: true }, 0.7168941869],
    ["four kernels by four columns for all", known, { rank: 4, shared: true }, 0.0967022313],
    ["four kernels by six, which is all", known, { rank: 6, shared: true }, 0],
  ])("%s has the error that numpy says, predicted and measured", (_, weight, options, expected) => {
    const { predicted, measured } = lowRank(single(weight), { parameter: "conv.weight", ...options });
    expect(predicted).toBeCloseTo(expected, 7);
    expect(measured).toBeCloseTo(expected, 6);
  });

  const all = { stride: 1, padding: "same" } as const;
  test.each<[string, Layer, number[], number]>([
    ["as it is", conv2d({ channels: 3, kernel: [3, 4] }), [2, 6, 7], 3],
    ["without bias", conv2d({ channels: 3, kernel: 3, ...all, bias: false }), [1, 6, 7], 3],
    ["of one filter", conv2d({ channels: 1, kernel: 3, ...all }), [4, 6, 7], 3],
    [
      "with stride, dilation and padding",
      conv2d({ channels: 2, kernel: [2, 3], stride: [2, 1], dilation: [1, 2], padding: [[1, 0], 2] }),
      [3, 6, 7],
      2,
    ],
    ["in groups", conv2d({ channels: 6, kernel: 3, groups: 2 }), [4, 6, 7], 3],
    ["depthwise", conv2d({ channels: 4, kernel: 3, groups: 4 }), [4, 6, 7], 3],
    ["around a ring", conv2d({ channels: 2, kernel: 3, padding: 1, border: "circular" }), [2, 6, 7], 3],
  ])("of full rank is the convolution %s", async (_, layer, input, full) => {
    const model = build(sequential({ conv: layer, act: tanh() }), input);
    const image = draw([2, ...input]);
    const expected = run(model, image);
    const weight = model.variables.get("conv.weight")!;
    const kernels = nodesOf(model.graph).find(({ op }) => op.name === "Conv")!;
    const groups = kernels.attributes.group as number;
    const most = Math.min(weight.shape[1]! * weight.shape[2]!, (weight.shape[0]! / groups) * weight.shape[3]!);
    for (const options of [{ rank: full }, { rank: most, shared: true }]) {
      const { model: made, measured } = lowRank(model, { parameter: "conv.weight", ...options });
      expect(measured).toBeLessThan(1e-6);
      expect(run(made, image).shape).toEqual(expected.shape);
      expectClose("low rank", run(made, image), expected, { relative: 1e-5 });
      const program = await ort.compile(made.graph, made.variables);
      expectClose("on ONNX Runtime", (await program.run({ image })).get("logits"), expected, { relative: 1e-5 });
      await program.dispose();
      const parts = nodesOf(made.graph).filter(({ op }) => op.name === "Conv");
      const extents = parts.map(({ inputs, scope }) => `${scope} ${inputs[1]!.shape.slice(2).join("x")}`);
      expect(extents).toEqual([`conv.height ${weight.shape[2]}x1`, `conv.width 1x${weight.shape[3]}`]);
    }
  });

  test("is the nearest: moving any of its weights makes the error larger", () => {
    const model = single(draw([2, 3, 5, 5]));
    const given = model.variables.get("conv.weight")!;
    for (const options of [{ rank: 2 }, { rank: 2, shared: true }]) {
      const { model: made, measured } = lowRank(model, { parameter: "conv.weight", ...options });
      const image = draw([1, 3, 7, 8]);
      expect(run(made, image).shape).toEqual([1, 2, 3, 4]);
      const random = new Random(1, "moved");
      const moved = new Map(
        [...made.variables].map(([name, value]) => [
          name,
          name === "conv.bias"
            ? value
            : tensor(
                value.toArray().map((each) => each + random.normal(0, 0.02)),
                value.shape,
              ),
        ]),
      );
      expect(kernelError(made.with({ variables: moved }), given)).toBeGreaterThan(measured * 1.0001);
      expect(kernelError(made, given)).toBeCloseTo(measured, 5);
    }
  });

  test("of a trained network: what it errs is what its singular values say, and it trains on under names of its own", async () => {
    const data = linesData({ seed: 1, split: "train", count: 32 });
    const { model } = await fit(linesNetwork(), data, { epochs: 3, batchSize: 16, seed: 1 }).result;
    const errors = [1, 2, 3, 9].map((rank) => lowRank(model, { parameter: "conv1.weight", rank }));
    for (const { predicted, measured } of errors) expect(measured).toBeCloseTo(predicted, 5);
    const sizes = errors.map(({ measured }) => measured);
    expect(sizes).toEqual(sizes.toSorted((a, b) => b - a));
    expect(sizes[0]).toBeGreaterThan(0.1);
    expect(sizes[3]).toBeLessThan(1e-6);
    const small = errors[0]!.model;
    expect(namesOf(small)).toEqual(expect.arrayContaining(["conv1.height.weight", "conv1.width.weight", "conv1.bias"]));
    expect(namesOf(small)).not.toContain("conv1.weight");
    const tuned = (await fit(small, data, { epochs: 1, batchSize: 16, seed: 1 }).result).model;
    expect(tuned.variables.get("conv1.height.weight")!.toArray()).not.toEqual(
      small.variables.get("conv1.height.weight")!.toArray(),
    );
    expect(Model.fromOnnx(tuned.toOnnx()).variables.get("conv1.width.weight")!.shape).toEqual([2, 1, 1, 9]);
  });

  test("stays frozen where the convolution was, and is put wherever it is used", () => {
    const one = shared(conv2d({ channels: 2, kernel: 3, padding: "same" }));
    const model = build(sequential({ first: one, act: relu(), second: one }), [2, 5, 5]);
    const frozen = freeze(model, (name) => name === "first.weight");
    expect(namesOf(lowRank(frozen, { parameter: "first.weight", rank: 3 }).model)).toEqual(["first.bias"]);
    const { model: made } = lowRank(model, { parameter: "first.weight", rank: 3 });
    expect(namesOf(made)).toEqual(["first.height.weight", "first.width.weight", "first.bias"]);
    const image = draw([1, 2, 5, 5]);
    expectClose("shared", run(made, image), run(model, image), { relative: 1e-5 });
    expect(nodesOf(made.graph).filter(({ op }) => op.name === "Conv").length).toBe(4);
  });

  test("is refused with what would be right", () => {
    const model = build(
      sequential({
        conv1: conv2d({ channels: 2, kernel: [3, 5] }),
        pool: globalAveragePool(),
        fc: linear({ features: 2 }),
      }),
      [1, 6, 6],
    );
    expect(() => lowRank(model, { parameter: "conv2.weight", rank: 1 })).toThrow(
      'lowRank: found no parameter "conv2.weight"; expected one of conv1.weight.',
    );
    expect(() => lowRank(model, { parameter: "fc.weight", rank: 1 })).toThrow(
      'lowRank: found "fc.weight", which is not the weights of convolutions over two axes alone; expected one of conv1.weight.',
    );
    expect(() => lowRank(model, { parameter: "conv1.weight", rank: 4 })).toThrow(
      "lowRank: found rank 4 for kernels of 2x1x3x5; expected a whole number from 1 to 3.",
    );
    const line = build(sequential({ conv: conv1d({ channels: 2, kernel: 3 }) }), [1, 6]);
    expect(() => lowRank(line, { parameter: "conv.weight", rank: 1 })).toThrow(
      "expected one of some: the model has none.",
    );
  });
});

/** The kernels that a model of one convolution has, by what it gives for single elements, against those given. */
function kernelError(model: Model, given: Tensor): number {
  const [, channels, height, width] = given.shape as [number, number, number, number];
  const zero = run(model, tensor(new Array(channels * 56).fill(0), [1, channels, 7, 8]));
  let [error, whole] = [0, 0];
  for (let channel = 0; channel < channels; channel++)
    for (let i = 0; i < height; i++)
      for (let j = 0; j < width; j++) {
        const data = new Array<number>(channels * 56).fill(0);
        data[channel * 56 + i * 8 + j] = 1;
        const y = run(model, tensor(data, [1, channels, 7, 8]));
        const map = y.size / y.shape[1]!;
        for (let filter = 0; filter < y.shape[1]!; filter++) {
          const weight = given.numbers[((filter * channels + channel) * height + i) * width + j]!;
          error += (y.numbers[filter * map]! - zero.numbers[filter * map]! - weight) ** 2;
          whole += weight ** 2;
        }
      }
  return Math.sqrt(error / whole);
}
