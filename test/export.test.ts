/** Networks of every kind of layer as files: written, read again, and run in onnxruntime-node alone. */
import * as runtime from "onnxruntime-node";
import { afterAll, describe, expect, test } from "vitest";
import { ort } from "../src/engine/ort/ort.ts";
import {
  adaptiveAveragePool,
  batchNorm,
  blurPool,
  branches,
  channelPool,
  channelShuffle,
  conv2d,
  convTranspose2d,
  denseConnection,
  depthwiseSeparableConv,
  dropout,
  elu,
  gelu,
  globalAveragePool,
  groupNorm,
  hardSwish,
  highway,
  instanceNorm,
  type Layer,
  layerNorm,
  linear,
  localNorm,
  localResponseNorm,
  lpPool,
  Model,
  maxBlurPool,
  maxPool2d,
  mish,
  pixelShuffle,
  predict,
  prelu,
  projectionShortcut,
  Random,
  relu,
  residual,
  separableConv,
  sequential,
  silu,
  softmax,
  spatialDropout,
  spectralPool,
  squeezeExcitation,
  stochasticDepth,
  stochasticPool,
  type Tensor,
  tensor,
  upsample,
  zeroPaddingShortcut,
} from "../src/index.ts";
import { decodeSafetensors, encodeSafetensors } from "../src/tensor/safetensors.ts";
import { largestDifference, largestMagnitude } from "./check/compare.ts";

const conv = conv2d({ channels: 4, kernel: 3, padding: 1 });
const wide = conv2d({ channels: 12, kernel: 3, padding: 1 });
const head = { pool: globalAveragePool(), fc: linear({ features: 3 }) };

/** A small network with the layers in its middle. */
const around = (layers: Readonly<Record<string, Layer>>): Layer => sequential({ stem: conv, ...layers, ...head });

const networks: Readonly<Record<string, Layer>> = {
  "convolutions of all kinds": around({
    reflected: conv2d({ channels: 4, kernel: 3, padding: 2, border: "reflect" }),
    separable: separableConv({ channels: 4, kernel: 3, padding: 1 }),
    depthwise: depthwiseSeparableConv({ channels: 6, kernel: 3, stride: 2, padding: 1 }),
    transposed: convTranspose2d({ channels: 4, kernel: 3, stride: 2 }),
  }),
  normalisations: around({
    batch: batchNorm(),
    instance: instanceNorm({ affine: true }),
    group: groupNorm({ groups: 2 }),
    layer: layerNorm(),
    response: localResponseNorm({ size: 3 }),
    local: localNorm({ by: "standard", space: 3 }),
  }),
  activations: around({
    elu: elu(),
    gelu: gelu(),
    hardSwish: hardSwish(),
    mish: mish(),
    prelu: prelu(),
    silu: silu(),
    relu: relu(),
    softmax: softmax({ axis: 1, tau: 2 }),
  }),
  pools: around({
    max: maxPool2d({ kernel: 2, stride: 1 }),
    lp: lpPool({ kernel: 2, stride: 1 }),
    blur: maxBlurPool({ kernel: 2, stride: 2 }),
    channels: channelPool({ size: 2 }),
    up: upsample({ scale: 2, mode: "linear" }),
    soft: blurPool({ stride: 2 }),
    adaptive: adaptiveAveragePool({ size: 2 }),
  }),
  "a spectral pool": around({ pool: spectralPool({ size: 5 }) }),
  "a stochastic pool": around({ act: relu(), stochastic: stochasticPool({ kernel: 2 }) }),
  "all that drops": around({ some: dropout({ ratio: 0.5 }), maps: spatialDropout({ ratio: 0.5 }) }),
  blocks: around({
    depth: residual({ body: sequential({ conv, depth: stochasticDepth({ ratio: 0.5 }) }) }),
    wider: residual({
      body: sequential({ conv: conv2d({ channels: 6, kernel: 3, stride: 2, padding: 1 }) }),
      shortcut: projectionShortcut({ channels: 6, stride: 2 }),
    }),
    padded: residual({
      body: sequential({ conv: conv2d({ channels: 8, kernel: 1 }) }),
      shortcut: zeroPaddingShortcut({ channels: 8 }),
    }),
    dense: denseConnection({ body: sequential({ conv }) }),
    squeeze: squeezeExcitation({ squeeze: 2 }),
    shuffle: channelShuffle({ groups: 2 }),
    highway: highway({ body: wide, gate: wide }),
    split: branches({ left: conv, right: conv2d({ channels: 4, kernel: 1 }) }),
    larger: pixelShuffle({ factor: 2 }),
  }),
};

const drawn = (batch: number): Tensor => {
  const random = new Random(9, "export");
  return tensor(
    Array.from({ length: batch * 3 * 64 }, () => random.normal()),
    [batch, 3, 8, 8],
  );
};

const close = (found: Tensor, expected: Tensor): void => {
  expect(found.shape).toEqual(expected.shape);
  expect(largestDifference(found, expected)).toBeLessThan(1e-6 * largestMagnitude([expected]));
};

afterAll(() => ort.close());

describe("written and read again, and in onnxruntime-node alone, it answers the same, whatever the batch", () => {
  test.each(Object.entries(networks))("%s", async (name, layer) => {
    const model = Model.build(layer, { name, input: [3, 8, 8], seed: 2 });
    const bytes = model.toOnnx();
    const again = Model.fromOnnx(bytes);
    expect([...again.variables.keys()].sort()).toEqual([...model.variables.keys()].sort());
    expect(decodeSafetensors(encodeSafetensors(model.variables), name)).toEqual(new Map(model.variables));
    const session = await runtime.InferenceSession.create(bytes);
    for (const batch of [1, 3]) {
      const images = drawn(batch);
      const expected = await predict(model, images);
      close(await predict(again, images), expected);
      const feeds = { image: new runtime.Tensor("float32", images.data as Float32Array, [...images.shape]) };
      const bare = (await session.run(feeds)).logits!;
      close(tensor(Array.from(bare.data as Float32Array), [...bare.dims]), expected);
    }
    await session.release();
  });
});
