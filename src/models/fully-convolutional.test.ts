import { describe, expect, test } from "vitest";
import { gradientsOf } from "../autodiff/gradient.ts";
import { evaluateGraph } from "../engine/reference.ts";
import { makeGraph, trainableOf } from "../graph/graph.ts";
import { relu, softmax, tanh } from "../nn/activations.ts";
import { conv2d } from "../nn/convolution.ts";
import { dropout } from "../nn/dropout.ts";
import { flatten, linear } from "../nn/linear.ts";
import { batchNorm } from "../nn/normalisation.ts";
import { averagePool2d, globalAveragePool, globalMaxPool, maxPool2d } from "../nn/pooling.ts";
import { type Layer, sequential } from "../nn/scope.ts";
import { slice } from "../ops/core/arrange.ts";
import { add, mul } from "../ops/core/elementwise.ts";
import { reduceMean, reduceSum } from "../ops/core/reduce.ts";
import { matmul } from "../ops/matmul.ts";
import { Random } from "../tensor/random.ts";
import { sizeOf } from "../tensor/shape.ts";
import { type Tensor, tensor } from "../tensor/tensor.ts";
import { catalog } from "./catalog.ts";
import { fullyConvolutional } from "./fully-convolutional.ts";
import { lenet5 } from "./lenet.ts";
import { Model } from "./model.ts";

const build = (layer: Layer, input = [1, 12, 10]): Model => Model.build(layer, { name: "net", input, seed: 1 });

function draw(shape: readonly number[], name: string): Tensor {
  const random = new Random(1, name);
  return tensor(
    Array.from({ length: sizeOf(shape) }, () => random.normal()),
    shape,
  );
}

/** What a model's first output and its gradients for all parameters are, of the sum of the output's squares. */
function run({ graph, variables }: Model, image: Tensor) {
  const y = [...graph.outputs.values()][0]!;
  const parameters = trainableOf(graph);
  const gradients = gradientsOf(reduceSum(mul(y, y)), parameters);
  const named = parameters.map(({ source }, index) => [`d${source.name}`, gradients[index]!] as const);
  const all = makeGraph(graph.inputs, new Map([["y", y], ...named]));
  const feeds = new Map([...variables, [graph.inputs[0]!.source.name, image] as const]);
  return evaluateGraph(all, feeds).outputs;
}

/** The part of an image [1, channels, height, width] at a place. */
function cut(image: Tensor, top: number, left: number, [height, width]: readonly [number, number]): Tensor {
  const [, channels, , wide] = image.shape as readonly number[];
  const rows = image.shape[2]!;
  const at = (index: number) => {
    const [channel, row, column] = [
      Math.floor(index / (height * width)),
      Math.floor(index / width) % height,
      index % width,
    ];
    return image.numbers[(channel * rows + top + row) * wide! + left + column]!;
  };
  return tensor(
    Array.from({ length: channels! * height * width }, (_, index) => at(index)),
    [1, channels!, height, width],
  );
}

const body = { conv: conv2d({ channels: 4, kernel: 3 }), relu: relu() };
const head = { fc1: linear({ features: 6 }), tanh: tanh(), fc2: linear({ features: 3, bias: false }) };

/** x by weights [in, 3], and a bias that is added: as other writers of files say a linear layer. */
const product: Layer = (x, scope) => {
  const weight = scope.parameter("weight", [x.shape[1] as number, 3], (shape) => draw(shape, "product"));
  return add(
    matmul(x, weight),
    scope.parameter("bias", [3], (shape) => draw(shape, "bias")),
  );
};

const rows: readonly (readonly [string, Layer, number])[] = [
  ["maps that are flattened", sequential({ ...body, pool: maxPool2d({ kernel: 2 }), flatten: flatten(), ...head }), 2],
  ["their mean", sequential({ ...body, pool: globalAveragePool(), ...head, softmax: softmax() }), 1],
  ["their mean, by a reduction", sequential({ ...body, pool: (x) => reduceMean(x, { axes: [2, 3] }), ...head }), 1],
  [
    "dropout, activations, normalisation",
    sequential({
      ...body,
      flatten: flatten(),
      drop: dropout({ ratio: 0.5 }),
      relu2: tanh(),
      fc0: linear({ features: 6 }),
      bn: batchNorm(),
      ...head,
      product,
    }),
    1,
  ],
  ["products of matrices", sequential({ pool: averagePool2d({ kernel: 2 }), ...body, flatten: flatten(), product }), 2],
];

describe("fullyConvolutional", () => {
  test.each(rows)("of %s gives each window's numbers, at once", (_, layer, stride) => {
    for (const model of [build(layer), Model.fromOnnx(build(layer).toOnnx())]) {
      const maps = fullyConvolutional(model);
      expect(maps.variables).toBe(model.variables);
      expect(maps.graph.inputs[0]!.shape).toEqual(["batch", 1, "height", "width"]);
      const image = draw([1, 1, 16, 12], "image");
      const found = run(maps, image).get("y")!;
      const [height, width] = [1 + 4 / stride, 1 + 2 / stride];
      expect(found.shape).toEqual([1, 3, height, width]);
      for (let row = 0; row < height; row++)
        for (let column = 0; column < width; column++) {
          const window = cut(image, row * stride, column * stride, [12, 10]);
          const expected = run(model, window).get("y")!.toArray();
          const scores = expected.map((_, each) => found.numbers[(each * height + row) * width + column]!);
          expect(scores).toEqual(expected.map((score) => expect.closeTo(score, 5)));
        }
    }
  });

  test.each(rows)("of %s has the same gradients at the size it was built for, and is kept in a file", (_, layer) => {
    const model = build(layer);
    const image = draw([2, 1, 12, 10], "batch");
    const expected = run(model, image);
    const maps = fullyConvolutional(model);
    for (const changed of [maps, Model.fromOnnx(maps.toOnnx())]) {
      const found = run(changed, image);
      expect([...found.keys()].sort()).toEqual([...expected.keys()].sort());
      for (const [name, each] of expected)
        expect(found.get(name)!.toArray(), name).toEqual(each.toArray().map((value) => expect.closeTo(value, 4)));
    }
  });

  test.each(["lenet5", "lenet5-relu"])("makes a map of %s", (name) => {
    const { layer, input } = catalog.get(name)!;
    const model = build(layer({ classes: 10 }), [...input]);
    const image = draw([1, 1, 36, 40], "digits");
    const { graph, variables } = fullyConvolutional(model);
    const found = evaluateGraph(graph, new Map([...variables, ["image", image]])).outputs.get("logits")!;
    expect(found.shape).toEqual([1, 10, 2, 3]);
    const last = evaluateGraph(model.graph, new Map([...variables, ["image", cut(image, 4, 8, [32, 32])]]));
    const expected = last.outputs.get("logits")!.toArray();
    expect(expected.map((_, each) => found.numbers[each * 6 + 5]!)).toEqual(
      expected.map((score) => expect.closeTo(score, 5)),
    );
  });

  test("takes a size, where an operator must know it", () => {
    const every: Layer = (x) => slice(x, { axis: 2, start: 0, end: 10 });
    const model = build(sequential({ ...body, every, pool: globalAveragePool(), ...head }));
    expect(() => fullyConvolutional(model)).toThrow("Slice: found axis 2 of unknown length; expected a number.");
    const maps = fullyConvolutional(model, { size: [12, 14] });
    expect(maps.graph.inputs[0]!.shape).toEqual(["batch", 1, 12, 14]);
    expect(maps.graph.outputs.get("logits")!.shape).toEqual(["batch", 3, 1, 5]);
  });

  test("is refused where there is no such layer, and for what is not the same at each place", () => {
    const refused = (layer: Layer, found: string) =>
      expect(() => fullyConvolutional(build(layer))).toThrow(
        `fullyConvolutional net: found ${found}; expected a classifier of images of a fixed size that ends in linear layers`,
      );
    refused(sequential(body), "no linear layer that gives its scores");
    refused(sequential({ ...body, pool: globalAveragePool() }), "no linear layer that gives its scores");
    refused(sequential({ ...body, flatten: flatten() }), "no linear layer that gives its scores");
    refused(sequential({ ...body, flatten: flatten(), softmax: softmax(), ...head }), "Softmax of flattened maps");
    refused(
      sequential({ ...body, flatten: flatten(), bn: batchNorm(), ...head }),
      "BatchNormalization of flattened maps",
    );
    refused(sequential({ ...body, pool: globalMaxPool(), ...head }), "maps that are of one size for every image");
    const open = Model.build(sequential({ ...body, pool: globalAveragePool(), ...head }), {
      name: "net",
      input: [1, "height", "width"],
    });
    expect(() => fullyConvolutional(open)).toThrow("found an input of batchx1xheightxwidth; expected a classifier of");
    expect(() => fullyConvolutional(fullyConvolutional(build(lenet5(), [1, 32, 32])))).toThrow(
      "found an input of batchx1",
    );
  });
});
