import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { expectClose } from "../../test/check/compare.ts";
import { distinct } from "../../test/check/draw.ts";
import { buildLayer, checkLayer, type LayerCase } from "../../test/check/layer.ts";
import { plainDilation } from "../../test/check/plain.ts";
import { randomConvolution } from "../../test/check/random-convolution.ts";
import { ort } from "../engine/ort/ort.ts";
import { evaluateGraph } from "../engine/reference.ts";
import { makeGraph } from "../graph/graph.ts";
import { inputValue } from "../graph/value.ts";
import { mul } from "../ops/core/elementwise.ts";
import { sizeOf } from "../tensor/shape.ts";
import { type Tensor, tensor } from "../tensor/tensor.ts";
import { conv1d, conv2d, conv3d, convTranspose1d, convTranspose2d, convTranspose3d } from "./convolution.ts";
import * as resampling from "./resampling.ts";
import { type Layer, Scope } from "./scope.ts";

const { dilate, maxUnpool, maxPoolWithIndices, pixelShuffle, pixelUnshuffle, unpooled, upsample } = resampling;

afterAll(() => ort.close());

/** Numbers that anyone can make again: -1 to 1.5 in steps of a quarter. */
const known = (...shape: number[]): Tensor =>
  tensor(
    Array.from({ length: sizeOf(shape) }, (_, index) => ((index * 7) % 11) / 4 - 1),
    shape,
  );

function run(layer: Layer, x: Tensor): Tensor {
  const input = inputValue("x", { dtype: "float32", shape: ["batch", ...x.shape.slice(1)] });
  const graph = makeGraph([input], { y: layer(input, new Scope()) });
  return evaluateGraph(graph, new Map([["x", x]])).outputs.get("y")!;
}

const row = (name: string, layer: Layer, input: number[], output: number[], fields: Partial<LayerCase> = {}) => ({
  name,
  layer,
  input,
  output,
  ...fields,
});

const same = conv2d({ channels: 2, kernel: 3, padding: "same" });

describe("resampling layers", () => {
  test.each([
    row("upsample, nearest, whole", upsample({ scale: 2 }), [2, 3, 2], [2, 6, 4]),
    row("upsample, nearest, not whole, three axes", upsample({ scale: [1.5, 2, 0.5] }), [1, 2, 2, 4], [1, 3, 4, 2]),
    row("upsample, linear, one axis", upsample({ scale: 1.7, mode: "linear" }), [2, 5], [2, 8]),
    row(
      "upsample, linear, corners",
      upsample({ size: [5, 4], mode: "linear", alignCorners: true }),
      [1, 3, 3],
      [1, 5, 4],
    ),
    row("upsample, linear, three axes", upsample({ size: 3, mode: "linear" }), [1, 2, 2, 2], [1, 3, 3, 3]),
    row("upsample, cubic", upsample({ scale: 2.5, mode: "cubic" }), [1, 3, 4], [1, 7, 10]),
    row("upsample, cubic, corners", upsample({ scale: 2, mode: "cubic", alignCorners: true }), [1, 3, 2], [1, 6, 4]),
    row("dilate", dilate({ stride: [1, 3] }), [2, 3, 2], [2, 3, 4]),
    row("pixelShuffle", pixelShuffle({ factor: 2 }), [8, 2, 3], [2, 4, 6]),
    row("pixelShuffle of lines", pixelShuffle({ factor: 3 }), [6, 2], [2, 6]),
    row("pixelUnshuffle", pixelUnshuffle({ factor: 2 }), [2, 4, 6], [8, 2, 3]),
    row(
      "unpooled lines, gaps between windows",
      unpooled({ kernel: 2, stride: 3, body: (x) => mul(x, x) }),
      [2, 8],
      [2, 8],
      {
        draw: distinct,
      },
    ),
    row("unpooled volumes, padded", unpooled({ kernel: 2, padding: 1, body: (x) => x }), [1, 2, 3, 2], [1, 2, 3, 2], {
      draw: distinct,
    }),
    row("unpooled", unpooled({ kernel: 2, body: same }), [2, 4, 6], [2, 4, 6], {
      parameters: ["weight 2x2x3x3", "bias 2"],
      draw: distinct,
    }),
  ])("$name has its shape, its gradients and ONNX Runtime's numbers", async (layerCase) => {
    await expect(checkLayer(layerCase, [ort])).resolves.toBeUndefined();
  });

  const [linear, cubic] = ["linear", "cubic"] as const;
  // PyTorch 1.13, torch.nn.functional, in float64.
  test.each<[string, Layer, number[], number[]]>([
    ["nearest by 1.7", upsample({ scale: 1.7 }), [5], [-1, -1, 0.75, 0.75, -0.25, -0.25, 1.5, 0.5]],
    ["nearest by 0.7 and 0.6", upsample({ scale: [0.7, 0.6] }), [3, 5], [-1, 0.75, 1.5, -0.5, 1.25, -0.75]],
    [
      "linear by 1.5",
      upsample({ scale: 1.5, mode: linear }),
      [5],
      [-1, -0.125, 0.583333, -0.083333, 0.625, 1.333333, 0.666667],
    ],
    [
      "linear to 8, corners",
      upsample({ size: 8, mode: linear, alignCorners: true }),
      [5],
      [-1, 0, 0.607143, 0.035714, 0.25, 1.25, 1.071429, 0.5],
    ],
    [
      "bilinear by 1.5 and 2",
      upsample({ scale: [1.5, 2], mode: linear }),
      [2, 3],
      [
        -1, -0.5625, 0.3125, 0.5, 0, -0.25, 0.25, 0.34375, 0.53125, 0.375, -0.125, -0.375, 1.5, 1.25, 0.75, 0.25, -0.25,
        -0.5,
      ],
    ],
    [
      "bilinear by 1.4 and 1.6, which float32 makes less",
      upsample({ scale: [1.4, 1.6], mode: linear }),
      [5, 2],
      [
        -1, -0.234375, 0.75, -0.571429, 0.194196, 1.178571, -0.035714, 0.386161, 0.928571, 0.5, 0.0625, -0.5, 1.035714,
        0.598214, 0.035714, 0.392857, 0.470982, 0.571429, -0.75, 0.015625, 1,
      ],
    ],
    [
      "bilinear by 1.2 and 1, no element more",
      upsample({ scale: [1.2, 1], mode: linear }),
      [4, 1],
      [-1, 0.75, -0.25, 1.5],
    ],
    [
      "nearest by 1 and 2.2, just twice as many",
      upsample({ scale: [1, 2.2] }),
      [1, 4],
      [-1, -1, 0.75, 0.75, -0.25, -0.25, 1.5, 1.5],
    ],
    ["nearest by 2.2, of one axis", upsample({ scale: 2.2 }), [4], [-1, -1, -1, 0.75, 0.75, -0.25, -0.25, 1.5]],
    [
      "bilinear by 2.3, corners",
      upsample({ scale: 2.3, mode: linear, alignCorners: true }),
      [2, 2],
      [
        -1, -0.416667, 0.166667, 0.75, -0.75, -0.166667, 0.416667, 1, -0.5, 0.083333, 0.666667, 1.25, -0.25, 0.333333,
        0.916667, 1.5,
      ],
    ],
    [
      "bicubic by 1.4",
      upsample({ scale: 1.4, mode: cubic }),
      [3, 3],
      [
        -1.351588, 0.049061, 0.720824, -0.230321, 0.464513, 0.671281, 0.38424, -0.368805, 1.809746, 1.05771, 0.000657,
        -0.593294, 1.328717, 0.774781, -0.123178, -0.75,
      ],
    ],
    [
      "bicubic to 4x2, corners",
      upsample({ size: [4, 2], mode: cubic, alignCorners: true }),
      [3, 5],
      [-1, 0.5, -0.712963, 0.787037, -0.287037, 1.212963, 0, 1.5],
    ],
    [
      "bicubic to 2x4",
      upsample({ size: [2, 4], mode: cubic }),
      [3, 3],
      [-0.505694, 0.405912, 0.465608, -0.369629, 1.473248, 0.802905, -0.182985, -0.773926],
    ],
    [
      "trilinear to 2x3x3",
      upsample({ size: [2, 3, 3], mode: linear }),
      [2, 2, 2],
      [-1, -0.125, 0.75, -0.625, 0.25, 1.125, -0.25, 0.625, 1.5, 0.5, 0, -0.5, 0.875, 0.375, -0.125, 1.25, 0.75, 0.25],
    ],
    [
      "unpooling of twice the largest",
      unpooled({ kernel: 2, body: (x) => mul(x, 2) }),
      [2, 4, 4],
      [
        [0, 1.5, 0, 3, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 3, 0],
        [0, 2.5, 0, 0, 0, 0, 0, 1.5, 0, 3, 0, 0, 0, 0, 0, 2],
      ].flat(),
    ],
  ])("%s has PyTorch's numbers", (name, layer, shape, expected) => {
    const x = known(...(name.startsWith("unpooling") ? [1, ...shape] : [1, 1, ...shape]));
    expect(run(layer, x).toArray()).toEqual(expected.map((value) => expect.closeTo(value, 5)));
  });

  test("the shuffles have PyTorch's order, and each undoes the other over any number of axes", () => {
    const count = (...shape: number[]) =>
      tensor(
        Array.from({ length: sizeOf(shape) }, (_, index) => index),
        shape,
      );
    expect(run(pixelUnshuffle({ factor: 2 }), count(1, 1, 4, 4)).toArray()).toEqual([
      0, 2, 8, 10, 1, 3, 9, 11, 4, 6, 12, 14, 5, 7, 13, 15,
    ]);
    for (const shape of [
      [2, 6, 4],
      [1, 8, 2, 3],
      [1, 16, 2, 1, 3],
    ]) {
      const x = count(...shape);
      const large = run(pixelShuffle({ factor: 2 }), x);
      expect(run(pixelUnshuffle({ factor: 2 }), large).toArray()).toEqual(x.toArray());
    }
    expect(run(pixelShuffle({ factor: 2 }), count(1, 8, 1, 1)).toArray()).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  });

  test("a size of one stands in the middle, as PyTorch has it, whatever ONNX's pytorch_half_pixel says", () => {
    const x = tensor([1, 2, 4, 8], [1, 1, 4]);
    expect(run(upsample({ size: [1], mode: "cubic" }), x).toArray()).toEqual([expect.closeTo(2.71875, 6)]);
    expect(run(upsample({ size: [1], mode: "linear" }), x).toArray()).toEqual([3]);
  });

  test("sizes that have names are scaled by name", () => {
    const x = inputValue("x", { dtype: "float32", shape: ["batch", 3, "height", "width"] });
    expect(upsample({ scale: 2 })(x, new Scope()).shape).toEqual(["batch", 3, "2*height", "2*width"]);
    expect(() => upsample({ scale: 2, mode: "linear", alignCorners: true })(x, new Scope())).toThrow(
      "upsample: found an axis of unknown length height; expected numbers. Bind the named dimensions first.",
    );
  });
});

describe("to dilate the signal, then to convolve", () => {
  const plain = [conv1d, conv2d, conv3d];
  const transposed = [convTranspose1d, convTranspose2d, convTranspose3d];

  test("300 random transposed convolutions are that (chapter, equations 1.9 and 1.10)", () => {
    fc.assert(
      fc.property(
        randomConvolution(),
        fc.array(fc.nat(), { minLength: 3, maxLength: 3 }),
        ({ options, input }, draws) => {
          const { kernel, stride, dilation, padding, groups, channels, bias } = options;
          const reach = kernel.map((taps, axis) => dilation[axis]! * (taps - 1));
          const pads = padding.map(
            ([before, after], axis) => [Math.min(before, reach[axis]!), Math.min(after, reach[axis]!)] as const,
          );
          const outputPadding = stride.map((step, axis) => draws[axis]! % step);
          const layer = transposed[kernel.length - 1]!({
            channels,
            kernel,
            stride,
            dilation,
            groups,
            padding: pads,
            outputPadding,
            bias,
          });
          const { graph, variables, feeds } = buildLayer(layer, input);
          const found = evaluateGraph(graph, new Map([...variables, ...feeds])).outputs.get("y")!;

          const spread = plainDilation(feeds.get("x")!, stride);
          const around = pads.map(
            ([before, after], axis) => [reach[axis]! - before, reach[axis]! - after + outputPadding[axis]!] as const,
          );
          const convolution = plain[kernel.length - 1]!({
            channels,
            kernel,
            dilation,
            groups,
            padding: around,
            bias,
            flip: true,
          });
          const second = buildLayer(convolution, spread.shape.slice(1));
          const filters = exchanged(variables.get("weight")!, groups);
          const y = evaluateGraph(
            second.graph,
            new Map([...variables, ["weight", filters], ["x", spread]]),
          ).outputs.get("y")!;
          expectClose("dilation and convolution", y, found, { relative: 1e-6 });
        },
      ),
      { seed: 1, numRuns: 300 },
    );
  });

  test("dilate puts zeros between neighbours", () => {
    expect(run(dilate({ stride: 3 }), tensor([1, 2, 3], [1, 1, 3])).toArray()).toEqual([1, 0, 0, 2, 0, 0, 3]);
    const x = known(2, 3, 2, 4);
    expectClose("dilate", run(dilate({ stride: [3, 2] }), x), plainDilation(x, [3, 2]), { relative: 0 });
  });
});

/** The weights of a transposed convolution [in, out / groups, ...] as those of a convolution [out, in / groups, ...]. */
function exchanged(weight: Tensor, groups: number): Tensor {
  const [inputs, each, ...kernel] = weight.shape as [number, number, ...number[]];
  const [group, taps] = [inputs / groups, sizeOf(kernel)];
  const data = new Array<number>(weight.size);
  for (let input = 0; input < inputs; input++)
    for (let output = 0; output < each; output++)
      for (let tap = 0; tap < taps; tap++) {
        const filter = Math.floor(input / group) * each + output;
        data[(filter * group + (input % group)) * taps + tap] = weight.numbers[(input * each + output) * taps + tap]!;
      }
  return tensor(data, [groups * each, group, ...kernel]);
}

describe("resampling layers refuse", () => {
  const x = inputValue("x", { dtype: "float32", shape: ["batch", 3, 4, 5] });
  const on = (layer: Layer) => () => layer(x, new Scope());
  test.each<[string, () => unknown, string]>([
    [
      "neither size nor scale",
      () => upsample({}),
      "upsample: found size undefined and scale undefined; expected one of the two.",
    ],
    ["both", () => upsample({ size: 2, scale: 2 }), "upsample: found size 2 and scale 2; expected one of the two."],
    [
      "corners of nearest elements",
      () => upsample({ size: 2, alignCorners: true }),
      "upsample: found alignCorners and the nearest element; expected linear or cubic.",
    ],
    ["a scale of 0", on(upsample({ scale: 0 })), "upsample: found scale [0,0]; expected one number above 0, or 2."],
    [
      "scales for other axes",
      on(upsample({ scale: [2] })),
      "upsample: found scale [2]; expected one number above 0, or 2.",
    ],
    [
      "sizes for other axes",
      on(upsample({ size: [2, 3, 4] })),
      "upsample: found size [2,3,4]; expected one number or 2.",
    ],
    ["a stride of 0", on(dilate({ stride: 0 })), "dilate: found stride 0; expected a whole number of at least 1."],
    [
      "channels that do not shuffle",
      on(pixelShuffle({ factor: 2 })),
      "pixelShuffle: found 3 channels; expected a multiple of 4.",
    ],
    [
      "maps that do not",
      on(pixelUnshuffle({ factor: 2 })),
      "pixelUnshuffle: found maps of 4x5; expected multiples of 2.",
    ],
    [
      "half a factor",
      () => pixelShuffle({ factor: 1.5 }),
      "pixelShuffle: found factor 1.5; expected a whole number of at least 1.",
    ],
    [
      "windows that overlap",
      on(unpooled({ kernel: 3, stride: 2, body: same })),
      "maxPoolWithIndices: found windows of 3x3 every 2x2; expected windows that do not overlap.",
    ],
    [
      "maps that do not fit the indices",
      () => maxUnpool(x, maxPoolWithIndices(x, { kernel: 2 }).indices, x),
      "maxUnpool: found maps of batchx3x4x5; expected batchx3x2x2, as the indices.",
    ],
  ])("%s", (_, body, sentence) => {
    expect(body).toThrow(sentence);
  });
});
