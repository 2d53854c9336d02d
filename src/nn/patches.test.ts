import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { expectClose } from "../../test/check/compare.ts";
import { checkLayer, evaluateLayer } from "../../test/check/layer.ts";
import { elementAt, indicesOf, tensorOf } from "../../test/check/plain.ts";
import { randomConvolution } from "../../test/check/random-convolution.ts";
import { ort } from "../engine/ort/ort.ts";
import { evaluateGraph } from "../engine/reference.ts";
import { makeGraph } from "../graph/graph.ts";
import { constant, inputValue, type Value } from "../graph/value.ts";
import { sizeOf } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { relu, tanh } from "./activations.ts";
import { conv1d, conv2d, conv3d } from "./convolution.ts";
import { flatten, linear } from "./linear.ts";
import { fold, locallyConnected, patchwise, unfold } from "./patches.ts";
import { type Layer, Scope, sequential } from "./scope.ts";

afterAll(() => ort.close());

const layers = [conv1d, conv2d, conv3d];
const evaluated = (value: Value): Tensor => evaluateGraph(makeGraph([], { y: value }), new Map()).outputs.get("y")!;

/** A linear function of a patch, its parameters named as a convolution's. */
const affine =
  (features: number, bias: boolean): Layer =>
  (x, scope) =>
    linear({ features, bias })(flatten()(x, scope), scope);

describe("Algorithm 1", () => {
  test("unfold, process each patch, fold: the layer, for 200 random convolutions", () => {
    fc.assert(
      fc.property(randomConvolution(), ({ options, input }) => {
        const { kernel, stride, dilation, padding, channels, bias } = options;
        const window = { kernel, stride, dilation, padding };
        const layer = layers[kernel.length - 1]!({ ...window, channels, bias });
        const expected = evaluateLayer(layer, input).y;
        const found = evaluateLayer(patchwise({ ...window, process: affine(channels, bias) }), input).y;
        expectClose("patches", found, expected, { relative: 1e-6 });
      }),
      { seed: 1, numRuns: 200 },
    );
  });

  test("a whole convnet is its patches, each run through the convnet by itself", () => {
    const network = sequential({
      conv1: conv2d({ channels: 4, kernel: 3 }),
      tanh: tanh(),
      conv2: conv2d({ channels: 3, kernel: 3, dilation: 2 }),
      relu: relu(),
      conv3: conv2d({ channels: 2, kernel: [1, 2] }),
    });
    const whole = evaluateLayer(network, [2, 9, 10]).y;
    expect(whole.shape).toEqual([2, 2, 3, 3]);
    const patches = evaluateLayer(patchwise({ kernel: [7, 8], process: network }), [2, 9, 10]).y;
    expectClose("patches", patches, whole, { relative: 1e-6 });
  });

  test("fold is the transpose of unfold: <unfold x, c> = <x, fold c> in 100 random cases", () => {
    fc.assert(
      fc.property(randomConvolution(), ({ options, input }) => {
        const { kernel, stride, dilation, padding } = options;
        const window = { kernel, stride, dilation, padding };
        const x = tensorOf([2, ...input], (index) => Math.sin(index.reduce((sum, each) => 3 * sum + each, 1)));
        const columns = evaluated(unfold(constant(x), window));
        const c = tensorOf(columns.shape, (index) => Math.cos(index.reduce((sum, each) => 5 * sum + each, 1)));
        const back = evaluated(fold(constant(c), { ...window, size: input.slice(1) }));
        expect(back.shape).toEqual(x.shape);
        const product = (a: Tensor, b: Tensor) => a.toArray().reduce((sum, each, at) => sum + each * b.numbers[at]!, 0);
        expect(product(columns, c)).toBeCloseTo(product(x, back), 3);
      }),
      { seed: 1, numRuns: 100 },
    );
  });

  test("folding patches that do not overlap gives the maps back, and the batch may stay open", () => {
    const x = tensorOf([2, 2, 4, 6], (index) => index.reduce((sum, each) => 7 * sum + each, 0));
    const window = { kernel: [2, 3], stride: [2, 3] };
    const back = evaluated(fold(unfold(constant(x), window), { ...window, size: [4, 6] }));
    expect(back.toArray()).toEqual(x.toArray());
    const open = inputValue("x", { dtype: "float32", shape: ["batch", 2, 4, 6] });
    expect(fold(unfold(open, window), { ...window, size: [4, 6] }).shape).toEqual(["batch", 2, 4, 6]);
  });

  test("patchwise has its gradients and ONNX Runtime's numbers", async () => {
    const process = sequential({
      flatten: flatten(),
      fc1: linear({ features: 3 }),
      tanh: tanh(),
      fc2: linear({ features: 2 }),
    });
    const parameters = ["fc1.weight 3x8", "fc1.bias 3", "fc2.weight 2x3", "fc2.bias 2"];
    const layer = patchwise({ kernel: 2, stride: [1, 2], padding: "same", process });
    const layerCase = { name: "patchwise", layer, input: [2, 3, 4], output: [2, 3, 2], parameters };
    await expect(checkLayer(layerCase, [ort])).resolves.toBeUndefined();
  });
});

describe("locally connected layers", () => {
  test.each([
    {
      name: "over one axis",
      layer: locallyConnected({ channels: 2, kernel: 3, stride: 2, padding: [[1, 0]] }),
      input: [2, 6],
      output: [2, 3],
      parameters: ["weight 3x2x2x3", "bias 2x3"],
    },
    {
      name: "over two",
      layer: locallyConnected({ channels: 3, kernel: [2, 3], dilation: [2, 1] }),
      input: [2, 4, 4],
      output: [3, 2, 2],
      parameters: ["weight 2x2x3x2x2x3", "bias 3x2x2"],
    },
    {
      name: "over three",
      layer: locallyConnected({ channels: 2, kernel: 2, bias: false }),
      input: [1, 2, 3, 3],
      output: [2, 1, 2, 2],
      parameters: ["weight 1x2x2x2x1x2x2x2"],
    },
  ])("$name have their shape, their gradients and ONNX Runtime's numbers", async (layerCase) => {
    await expect(checkLayer(layerCase, [ort])).resolves.toBeUndefined();
  });

  test("have filters and biases of their own at every place: 200 random ones by plain loops", () => {
    fc.assert(
      fc.property(randomConvolution(), ({ options, input }) => {
        const { kernel, stride, dilation, padding, channels, bias } = options;
        const window = { kernel, stride, dilation, padding };
        const { x, y, variables } = evaluateLayer(locallyConnected({ ...window, channels, bias }), input);
        const [weight, biases] = [variables.get("weight")!, variables.get("bias")];
        const expected = tensorOf(y.shape, ([image, filter, ...place]) => {
          let sum = biases ? elementAt(biases, [filter!, ...place]) : 0;
          for (const [channel, ...tap] of indicesOf([input[0]!, ...kernel])) {
            const from = place.map((at, axis) => at * stride[axis]! + tap[axis]! * dilation[axis]! - padding[axis]![0]);
            if (from.some((at, axis) => at < 0 || at >= input[axis + 1]!)) continue;
            sum += elementAt(weight, [...place, filter!, channel!, ...tap]) * elementAt(x, [image!, channel!, ...from]);
          }
          return sum;
        });
        expectClose("locally connected", y, expected, { relative: 1e-6 });
      }),
      { seed: 1, numRuns: 200 },
    );
  });

  test("start with the variance that a convolution of as many inputs starts with", () => {
    const scope = new Scope();
    locallyConnected({ channels: 8, kernel: 5 })(
      inputValue("x", { dtype: "float32", shape: ["batch", 4, 12, 12] }),
      scope,
    );
    const values = scope.initialise(1).get("weight")!.toArray();
    expect(values.length).toBe(64 * sizeOf([8, 4, 5, 5]));
    expect(values.reduce((sum, value) => sum + value * value, 0) / values.length).toBeCloseTo(2 / 100, 3);
  });
});

describe("patches refuse", () => {
  const value = (...shape: (number | string)[]) => inputValue("x", { dtype: "float32", shape });
  const on = (layer: Layer, x: Value) => () => layer(x, new Scope());
  test.each<[string, () => unknown, string]>([
    [
      "features in place of maps",
      () => unfold(value("batch", 3), { kernel: 2 }),
      "unfold: found an input of batchx3; expected [batch, channels, size, ...].",
    ],
    [
      "columns of another size",
      () => fold(value("batch", 8, 9), { kernel: 2, size: [3, 3] }),
      "fold: found columns of batchx8x9; expected [batch, channels * 4, 4] for maps of 3x3.",
    ],
    [
      "sizes that are not known",
      on(locallyConnected({ channels: 2, kernel: 3 }), value("batch", 3, "height", 8)),
      "locallyConnected: found an input of batchx3xheightx8; expected spatial sizes that are known. " +
        "Build it for one size, with numbers in place of names.",
    ],
    [
      "no filters",
      () => locallyConnected({ channels: 0, kernel: 3 }),
      "locallyConnected: found channels 0; expected a whole number of at least 1.",
    ],
    [
      "a process that leaves nothing to put in place",
      on(patchwise({ kernel: 9, process: flatten() }), value("batch", 3, 8, 8)),
      "patchwise: found a kernel of 9x9 on an input of 8x8; expected at most 8 along axis 2 with padding counted.",
    ],
  ])("%s", (_, body, sentence) => {
    expect(body).toThrow(sentence);
  });
});
