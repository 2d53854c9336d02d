import { afterAll, describe, expect, test } from "vitest";
import { expectClose } from "../../test/check/compare.ts";
import { awayFromZero, distinct, uniform } from "../../test/check/draw.ts";
import { checkLayer, evaluateLayer, type LayerCase } from "../../test/check/layer.ts";
import { elementAt, plainConvolution, tensorOf } from "../../test/check/plain.ts";
import { gradientsOf } from "../autodiff/gradient.ts";
import { linesData } from "../data/lines.ts";
import { ort } from "../engine/ort/ort.ts";
import { evaluateGraph } from "../engine/reference.ts";
import { makeGraph } from "../graph/graph.ts";
import { type Dimension, inputValue } from "../graph/value.ts";
import { Model } from "../models/model.ts";
import { reduceSum } from "../ops/core/reduce.ts";
import type { Shape } from "../tensor/shape.ts";
import { full, type Tensor, tensor } from "../tensor/tensor.ts";
import { fit } from "../train/fit.ts";
import { relu, sigmoid } from "./activations.ts";
import { conv2d } from "./convolution.ts";
import { linear } from "./linear.ts";
import * as pooling from "./pooling.ts";
import { type Layer, Scope, sequential } from "./scope.ts";

const { averagePool1d, averagePool2d, averagePool3d, maxPool1d, maxPool2d, maxPool3d } = pooling;
const { adaptiveAveragePool, adaptiveMaxPool, blurConv, blurPool, channelPool, globalAveragePool } = pooling;
const { globalLpPool, globalMaxPool, lpPool, maxBlurPool, maxout, spectralPool, stochasticPool } = pooling;

afterAll(() => ort.close());

const shapeOf = (layer: Layer, ...shape: readonly Dimension[]) =>
  layer(inputValue("x", { dtype: "float32", shape: ["batch", ...shape] }), new Scope()).shape;

/** What a layer without parameters makes of a tensor. */
function run(layer: Layer, x: Tensor): Tensor {
  const value = inputValue("x", { dtype: "float32", shape: x.shape });
  const graph = makeGraph([value], { y: layer(value, new Scope()) });
  return evaluateGraph(graph, new Map([["x", x]])).outputs.get("y")!;
}

const row = (name: string, layer: Layer, input: Shape, output: Shape, more: Partial<LayerCase> = {}): LayerCase => ({
  name,
  layer,
  input,
  output,
  ...more,
});

const apart = { draw: distinct };

describe("pooling layers", () => {
  test.each([
    row("maxPool1d", maxPool1d({ kernel: 3, stride: 2 }), [2, 7], [2, 3], apart),
    row("maxPool2d, dilated", maxPool2d({ kernel: 2, stride: 1, dilation: [2, 1] }), [2, 4, 5], [2, 2, 4], apart),
    row("maxPool2d, same size", maxPool2d({ kernel: [2, 3], stride: 1, padding: "same" }), [1, 4, 5], [1, 4, 5], apart),
    row(
      "maxPool2d, asymmetric",
      maxPool2d({ kernel: 3, stride: 2, padding: [[0, 1], 1] }),
      [1, 4, 5],
      [1, 2, 3],
      apart,
    ),
    row("maxPool3d, rounded up", maxPool3d({ kernel: 2, ceil: true }), [1, 3, 2, 5], [1, 2, 1, 3], apart),
    row("averagePool1d, rounded up", averagePool1d({ kernel: 3, ceil: true }), [2, 7], [2, 3]),
    row("averagePool2d", averagePool2d({ kernel: [3, 2], stride: [1, 2], padding: [1, 0] }), [2, 4, 6], [2, 4, 3]),
    row(
      "averagePool2d, padding counted",
      averagePool2d({ kernel: 3, stride: 2, padding: 1, countIncludePad: true, ceil: true }),
      [2, 4, 6],
      [2, 3, 4],
    ),
    row("averagePool2d, dilated", averagePool2d({ kernel: 2, stride: 1, dilation: 3 }), [1, 4, 6], [1, 1, 3]),
    row("averagePool3d", averagePool3d({ kernel: 2, stride: 1 }), [1, 3, 2, 3], [1, 2, 1, 2]),
    row("lpPool of a line", lpPool({ kernel: 3, stride: 2 }), [2, 7], [2, 3]),
    row("lpPool, p 3, with padding", lpPool({ p: 3, kernel: 2, padding: [1, 0], ceil: true }), [2, 4, 5], [2, 3, 3]),
    row("lpPool of a volume, p 1.5", lpPool({ p: 1.5, kernel: 2 }), [1, 2, 4, 2], [1, 1, 2, 1]),
    row("lpPool, p 1", lpPool({ p: 1, kernel: 2 }), [1, 2, 4], [1, 1, 2]),
    row("lpPool, p 1/2", lpPool({ p: 0.5, kernel: 2 }), [1, 2, 4], [1, 1, 2], { draw: awayFromZero() }),
    row("globalAveragePool", globalAveragePool(), [3, 2, 4], [3]),
    row("globalMaxPool", globalMaxPool(), [3, 2, 4], [3], apart),
    row("globalMaxPool of a volume", globalMaxPool(), [2, 2, 3, 2], [2], apart),
    row("globalLpPool", globalLpPool({ p: 3 }), [2, 5], [2]),
    row("adaptiveAveragePool", adaptiveAveragePool({ size: [2, 3] }), [2, 5, 7], [2, 2, 3]),
    row("adaptiveAveragePool to more", adaptiveAveragePool({ size: 4 }), [2, 3], [2, 4]),
    row("adaptiveMaxPool", adaptiveMaxPool({ size: [2, 3] }), [2, 5, 7], [2, 2, 3], apart),
    row("adaptiveMaxPool of a volume", adaptiveMaxPool({ size: 2 }), [1, 3, 2, 5], [1, 2, 2, 2], apart),
    row("channelPool, max", channelPool({ size: 2 }), [4, 2, 3], [2, 2, 3], apart),
    row("channelPool, mean", channelPool({ size: 3, kind: "mean" }), [6, 4], [2, 4]),
    row("channelPool, l2", channelPool({ size: 2, kind: "l2" }), [4, 2, 2, 1], [2, 2, 2, 1]),
    row("maxout", maxout({ pieces: 3 }), [6], [2], apart),
    row("stochasticPool", stochasticPool({ kernel: 2 }), [2, 4, 6], [2, 2, 3], { draw: uniform(0.1, 2) }),
    row("stochasticPool of a line", stochasticPool({ kernel: 3, stride: 2, ceil: true }), [2, 6], [2, 3], {
      draw: uniform(0.1, 2),
    }),
    row("stochasticPool of a volume", stochasticPool({ kernel: 2, padding: 1 }), [1, 2, 2, 2], [1, 2, 2, 2], {
      draw: uniform(0.1, 2),
    }),
    row("spectralPool", spectralPool({ size: [4, 3] }), [2, 6, 7], [2, 4, 3]),
    row("spectralPool, even sizes", spectralPool({ size: 4 }), [1, 6, 8], [1, 4, 4]),
    row("spectralPool of a line to more", spectralPool({ size: 7 }), [2, 4], [2, 7]),
    row("spectralPool of a volume", spectralPool({ size: 2 }), [1, 3, 4, 3], [1, 2, 2, 2]),
    row("blurPool", blurPool(), [2, 6, 8], [2, 3, 4]),
    row("blurPool of a line, 7 taps", blurPool({ taps: 7, stride: 3 }), [2, 8], [2, 3]),
    row("blurPool of a volume, 2 taps", blurPool({ taps: 2, stride: [1, 2, 2] }), [1, 3, 4, 2], [1, 3, 2, 1]),
    row("maxBlurPool", maxBlurPool({ kernel: 3, padding: 1, taps: 5 }), [2, 6, 5], [2, 3, 3], apart),
    row("blurConv", blurConv({ channels: 3, kernel: 3, padding: 1, activation: sigmoid() }), [2, 5, 6], [3, 3, 3], {
      parameters: ["weight 3x2x3x3", "bias 3"],
    }),
    row(
      "blurConv of a line",
      blurConv({ channels: 2, kernel: 3, taps: 2, stride: 3, bias: false, activation: sigmoid() }),
      [2, 8],
      [2, 2],
      { parameters: ["weight 2x2x3"] },
    ),
  ])("$name works", async (layerCase) => {
    await expect(checkLayer(layerCase, [ort])).resolves.toBeUndefined();
  });

  test("take maps of any size", () => {
    expect(shapeOf(maxPool2d({ kernel: 2 }), 3, "height", "width").slice(0, 2)).toEqual(["batch", 3]);
    for (const layer of [globalAveragePool(), globalMaxPool(), globalLpPool()])
      expect(shapeOf(layer, 3, "height", "width")).toEqual(["batch", 3]);
    expect(shapeOf(channelPool({ size: 3, kind: "l2" }), 6, "height", "width")).toEqual([
      "batch",
      2,
      "height",
      "width",
    ]);
    expect(shapeOf(blurPool({ stride: 1 }), 6, "height", "width")).toEqual(["batch", 6, "height", "width"]);
  });
});

const flat = tensor(
  Array.from({ length: 30 }, (_, index) => (index * 7) % 11),
  [1, 1, 5, 6],
);
const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
const norm = (p: number) => (values: readonly number[]) => sum(values.map((each) => Math.abs(each) ** p)) ** (1 / p);
describe("pooling over whole maps, shares of them and channels", () => {
  const { x } = evaluateLayer(relu(), [6, 5, 4]);
  const mapOf = (sample: number, channel: number) => {
    const start = (sample * 6 + channel) * 20;
    return x.toArray().slice(start, start + 20);
  };

  test("is that of its elements", () => {
    const whole = (layer: Layer, of: (values: readonly number[]) => number) =>
      expectClose(
        "whole maps",
        run(layer, x),
        tensorOf([2, 6], ([sample, channel]) => of(mapOf(sample!, channel!))),
        {
          relative: 1e-6,
        },
      );
    whole(globalMaxPool(), (values) => Math.max(...values));
    whole(globalAveragePool(), (values) => sum(values) / 20);
    whole(globalLpPool(), norm(2));
    whole(globalLpPool({ p: 1 }), norm(1));
    const across = (kind: "max" | "mean" | "l2", of: (values: readonly number[]) => number) =>
      expectClose(
        `channels, ${kind}`,
        run(channelPool({ size: 3, kind }), x),
        tensorOf([2, 2, 5, 4], ([sample, group, ...place]) =>
          of([0, 1, 2].map((each) => elementAt(x, [sample!, 3 * group! + each, ...place]))),
        ),
        { relative: 1e-6 },
      );
    across("max", (values) => Math.max(...values));
    across("mean", (values) => sum(values) / 3);
    across("l2", norm(2));
  });

  test("shares maps out as PyTorch does", () => {
    const line = tensor([1, 2, 4, 8, 16], [1, 1, 5]);
    expect(run(adaptiveAveragePool({ size: 3 }), line).toArray()).toEqual([1.5, expect.closeTo(14 / 3, 6), 12]);
    expect(run(adaptiveMaxPool({ size: 3 }), line).toArray()).toEqual([2, 8, 16]);
  });
});

describe("anti-aliased pooling", () => {
  test.each([1, 2, 3, 4, 5, 6, 7])("a blur of %i taps is Pascal's row, borders mirrored", (taps) => {
    const pascal = [
      [1],
      [1, 1],
      [1, 2, 1],
      [1, 3, 3, 1],
      [1, 4, 6, 4, 1],
      [1, 5, 10, 10, 5, 1],
      [1, 6, 15, 20, 15, 6, 1],
    ];
    const filter = pascal[taps - 1]!;
    const x = flat.reshape([1, 3, 10]);
    const mirrored = (place: number) => (place < 0 ? -place : place > 9 ? 18 - place : place);
    const before = Math.floor((taps - 1) / 2);
    const expected = tensorOf([1, 3, 5], ([, channel, place]) =>
      sum(filter.map((each, tap) => each * elementAt(x, [0, channel!, mirrored(2 * place! - before + tap)]))),
    );
    const scaled = tensor(
      expected.toArray().map((each) => each / 2 ** (taps - 1)),
      expected.shape,
    );
    expectClose("blur", run(blurPool({ taps }), x), scaled, { relative: 1e-6 });
    expectClose("constant", run(blurPool({ taps }), full([1, 2, 8, 8], 1)), full([1, 2, 4, 4], 1), { relative: 1e-6 });
  });

  test("average pooling is a blur of two taps", () => {
    const even = flat.reshape([1, 1, 6, 5]);
    const wide = tensor([...even.toArray(), ...even.toArray()], [1, 2, 6, 5]).reshape([1, 1, 6, 10]);
    expectClose("two taps", run(blurPool({ taps: 2 }), wide), run(averagePool2d({ kernel: 2 }), wide), {
      relative: 1e-6,
    });
  });

  test("max pooling changes less when its input moves by one: the paper's own example", () => {
    const signal = (shift: number) =>
      tensor(
        Array.from({ length: 24 }, (_, place) => ((place + shift) % 4 < 2 ? 0 : 1)),
        [1, 1, 24],
      );
    const inside = (layer: Layer, shift: number) => run(layer, signal(shift)).toArray().slice(2, 8);
    const [plain, blurred] = [maxPool1d({ kernel: 2 }), maxBlurPool({ kernel: 2, taps: 3 })];
    expect([inside(plain, 0), inside(plain, 1)]).toEqual([
      [0, 1, 0, 1, 0, 1],
      [1, 1, 1, 1, 1, 1],
    ]);
    expect([inside(blurred, 0), inside(blurred, 1)]).toEqual([
      [0.5, 1, 0.5, 1, 0.5, 1],
      [0.75, 0.75, 0.75, 0.75, 0.75, 0.75],
    ]);
  });

  test("max pooling is dense, then blurred; a strided convolution too, after its activation", () => {
    const parts = sequential({ max: maxPool2d({ kernel: 2, stride: 1 }), blur: blurPool({ taps: 4, stride: 2 }) });
    expect(run(maxBlurPool({ kernel: 2, taps: 4 }), flat).toArray()).toEqual(run(parts, flat).toArray());
    const { x, y, variables } = evaluateLayer(blurConv({ channels: 2, kernel: 2 }), [1, 4, 5]);
    const everywhere = { stride: [1, 1], dilation: [1, 1], pads: [[0, 0] as const, [0, 0] as const] };
    const plain = { ...everywhere, groups: 1, border: "zeros" as const, flip: false };
    const dense = plainConvolution(x, variables.get("weight")!, variables.get("bias"), plain);
    expectClose("blurConv", y, run(sequential({ relu: relu(), blur: blurPool() }), dense), { relative: 1e-6 });
  });
});

test("an L_p norm of zeros has no gradient, not one that is no number", () => {
  for (const p of [0.5, 1, 1.5, 2, 3]) {
    const x = inputValue("x", { dtype: "float32", shape: [1, 1, 4] });
    const y = lpPool({ p, kernel: 2 })(x, new Scope());
    const [dx] = gradientsOf(reduceSum(y), [x]);
    const zeros = new Map([["x", full([1, 1, 4], 0)]]);
    const found = evaluateGraph(makeGraph([x], { dx: dx! }), zeros).outputs.get("dx")!;
    expect(found.toArray().map(Math.abs)).toEqual([0, 0, 0, 0]);
  }
});

describe("stochastic pooling", () => {
  const network = sequential({
    conv: conv2d({ channels: 4, kernel: 5, stride: 2 }),
    relu: relu(),
    pool: stochasticPool({ kernel: 3, stride: 2, ceil: true }),
    gap: globalAveragePool(),
    fc: linear({ features: 8 }),
  });

  test("trains; the same seed draws the same elements, another seed others", async () => {
    const data = linesData({ seed: 1, split: "train", count: 32 });
    const weights = async (seed: number) => {
      const start = Model.build(network, { name: "network", input: [1, 64, 64], seed: 1 });
      const { model } = await fit(start, data, { epochs: 1, batchSize: 16, seed }).result;
      return model.variables.get("conv.weight")!.toArray();
    };
    const [first, again, other] = [await weights(1), await weights(1), await weights(2)];
    expect(again).toEqual(first);
    expect(other).not.toEqual(first);
  });
});

test("bad options are refused", () => {
  const build =
    (layer: Layer, ...shape: readonly Dimension[]) =>
    () =>
      shapeOf(layer, ...shape);
  expect(() => maxPool2d({ kernel: [2, 2, 2] })).toThrow("maxPool2d: found kernel [2,2,2]; expected one number or 2.");
  expect(() => averagePool3d({ kernel: 0 })).toThrow(
    "averagePool3d: found kernel 0; expected a whole number of at least 1.",
  );
  expect(() => maxPool1d({ kernel: 2, dilation: 1.5 })).toThrow(
    "maxPool1d: found dilation 1.5; expected a whole number",
  );
  expect(build(maxPool2d({ kernel: 2 }), 3, 8)).toThrow(
    "maxPool2d: found an input of batchx3x8; expected [batch, channels, size, size].",
  );
  expect(build(averagePool2d({ kernel: 2, exact: true, dilation: 2 }), 1, 7, 6)).toThrow("fractions are illegal");
  expect(build(maxPool1d({ kernel: 2, padding: 2 }), 1, 6)).toThrow(
    "MaxPool: found windows of 2 on padding alone, around an input of 6; expected every window to reach the input.",
  );
  expect(build(lpPool({ kernel: 2, p: 0 }), 1, 6)).toThrow("lpPool: found p = 0; expected a number above 0.");
  expect(build(lpPool({ kernel: 2 }), 6)).toThrow(
    "lpPool: found an input of batchx6; expected [batch, channels, size, ...].",
  );
  expect(build(adaptiveMaxPool({ size: [2, 2] }), 1, 6)).toThrow(
    "adaptiveMaxPool: found size [2,2]; expected one number or 1.",
  );
  expect(build(adaptiveAveragePool({ size: 0 }), 1, 6)).toThrow("adaptiveAveragePool: found size 0; expected a whole");
  expect(build(channelPool({ size: 4 }), 6, 2)).toThrow("channelPool: found 6 channels by 4; expected whole groups.");
  expect(() => maxout({ pieces: 0 })).toThrow("channelPool: found size 0; expected a whole number of at least 1.");
  expect(build(blurPool({ taps: 8 }), 1, 9)).toThrow("blurPool: found a filter of 8; expected 1 to 7 taps.");
  expect(build(spectralPool({ size: 3 }), 1, 6, "width")).toThrow(
    "spectralPool: found an axis of unknown length width; expected numbers. Bind the named dimensions first.",
  );
  expect(build(blurConv({ channels: 1, kernel: 1 }), 1, 2, 2, 2, 2)).toThrow(
    "blurConv: found 4 spatial axes; expected 1 to 3.",
  );
});
