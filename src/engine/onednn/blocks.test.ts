import { afterAll, describe, expect, test, vi } from "vitest";
import { nodesOf } from "../../graph/graph.ts";
import { attributesOf } from "../../graph/op.ts";
import { bind } from "../../graph/rewrite.ts";
import { training } from "../../graph/training.ts";
import type { Value } from "../../graph/value.ts";
import { Model } from "../../models/model.ts";
import { hardSigmoid, hardSwish, mish, relu } from "../../nn/activations.ts";
import { denseConnection, residual, skipConnection, squeezeExcitation } from "../../nn/blocks.ts";
import { conv2d, convTranspose2d, depthwiseConv, pointwiseConv } from "../../nn/convolution.ts";
import { linear } from "../../nn/linear.ts";
import { crossEntropy } from "../../nn/losses.ts";
import { batchNorm } from "../../nn/normalisation.ts";
import { sgd } from "../../nn/optimisers.ts";
import { averagePool2d, globalAveragePool, maxPool2d } from "../../nn/pooling.ts";
import { sequential } from "../../nn/scope.ts";
import { step, withLoss } from "../../nn/step.ts";
import { Conv, ConvWeightGradient } from "../../ops/conv.ts";
import { Random } from "../../tensor/random.ts";
import type { Shape } from "../../tensor/shape.ts";
import { scalar, Tensor } from "../../tensor/tensor.ts";
import { reference } from "../reference.ts";
import { isQuickInBlocks } from "./blocks.ts";
import { dnnl, missing } from "./library.ts";
import { lower } from "./lower.ts";
import { onednn } from "./onednn.ts";
import { NativeProgram } from "./program.ts";
import { isForWinograd } from "./winograd.ts";

const block = (channels: number) =>
  sequential({ conv: conv2d({ channels, kernel: 3, padding: 1, bias: false }), norm: batchNorm(), relu: relu() });

/** Convolutions of all the kinds that blocks meet: of three channels, of 24, which fill one and a half, 3x3, 1x1, depthwise, in groups. */
const network = sequential({
  first: conv2d({ channels: 32, kernel: 7, stride: 2, padding: 3, bias: false }),
  norm: batchNorm(),
  relu: relu(),
  pool: maxPool2d({ kernel: 3, stride: 2, padding: 1 }),
  residual: residual({ body: sequential({ one: block(32), two: block(32) }) }),
  dense: denseConnection({ body: sequential({ one: pointwiseConv({ channels: 48 }), two: block(16) }) }),
  level: skipConnection({
    body: sequential({
      down: averagePool2d({ kernel: 2 }),
      body: block(64),
      up: convTranspose2d({ channels: 32, kernel: 2, stride: 2, bias: false }),
    }),
  }),
  odd: conv2d({ channels: 24, kernel: 1, bias: false }),
  oddMish: mish(),
  oddNorm: batchNorm(),
  oddPool: maxPool2d({ kernel: 3, stride: 1, padding: 1 }),
  oddResidual: residual({
    body: sequential({
      one: depthwiseConv({ kernel: 3, padding: 1 }),
      swish: hardSwish(),
      two: pointwiseConv({ channels: 24 }),
    }),
  }),
  oddRelu: relu(),
  oddExcitation: squeezeExcitation({ squeeze: 20, gate: hardSigmoid() }),
  oddSwish: hardSwish(),
  oddGroups: residual({ body: conv2d({ channels: 24, kernel: 3, groups: 3, padding: 1, bias: false }) }),
  even: conv2d({ channels: 32, kernel: 3, stride: 2, padding: 1 }),
  wide: residual({ body: depthwiseConv({ kernel: 5, padding: 2 }) }),
  groups: residual({ body: conv2d({ channels: 32, kernel: 3, groups: 4, padding: 1, bias: false }) }),
  last: block(64),
  excitation: squeezeExcitation({ squeeze: 16 }),
  swish: hardSwish(),
  mean: globalAveragePool(),
  classes: linear({ features: 10 }),
});
const batch = 4;
const model = Model.build(network, { name: "blocks", input: [3, 64, 64], seed: 1 });
const random = new Random(1, "blocks");
const image = new Tensor(
  "float32",
  [batch, 3, 64, 64],
  Float32Array.from({ length: batch * 3 * 64 * 64 }, () => random.uniform() - 0.5),
);

test("blocks are for graphs whose convolutions have channels in sixteens, nearly all of their arithmetic", () => {
  const bound = bind(model.graph, { batch });
  expect(isQuickInBlocks(bound)).toBe(true);
  const thin = Model.build(
    sequential({ conv: conv2d({ channels: 20, kernel: 3 }), two: conv2d({ channels: 20, kernel: 3 }) }),
    {
      name: "thin",
      input: [3, 8, 8],
      seed: 1,
    },
  );
  expect(isQuickInBlocks(bind(thin.graph, { batch }))).toBe(false);
  const quick = nodesOf(bound).filter((node) => {
    const [x, w] = node.inputs as [Value, Value];
    return node.op.name === Conv.name && isForWinograd(attributesOf(node, Conv), x.shape as Shape, w.shape as Shape);
  });
  expect(quick.length).toBe(2);
});

describe.skipIf(missing() !== undefined)("maps in blocks of channels", () => {
  afterAll(() => Promise.all([onednn.close(), reference.close()]));

  test("give a training step the reference's loss and variables", async () => {
    const { graph, state } = step(withLoss(training(model.graph), crossEntropy), sgd({ momentum: 0.9 }));
    const target = new Tensor("int64", [batch], BigInt64Array.from([1n, 2n, 3n, 4n]));
    const [ours, theirs] = await Promise.all(
      [onednn, reference].map(async (engine) => {
        const program = await engine.compile(graph, new Map([...model.variables, ...state]), { dimensions: { batch } });
        const outputs = await program.run({ image, target, learningRate: scalar(0.1) });
        return new Map([...outputs, ...(await program.read())]);
      }),
    );
    for (const [name, expected] of theirs!) {
      const [found, wanted] = [ours!.get(name)!.toArray(), expected.toArray()];
      const largest = Math.max(1e-3, ...wanted.map(Math.abs));
      const worst = Math.max(...wanted.map((each, index) => Math.abs(each - found[index]!)));
      expect([name, worst / largest]).toEqual([name, expect.closeTo(0, 4)]);
    }
  });

  test("leave no convolution and no activation to the library's own reference", () => {
    const library = dnnl();
    const ofElements = vi.spyOn(library, "elementwise");
    const [forward, input, weight, activation] = (
      ["convolution", "convolutionInputGradient", "convolutionWeightGradient", "elementwiseGradient"] as const
    ).map((kind) => {
      const made = vi.spyOn(library, kind);
      return (isReference: boolean) =>
        made.mock.results.filter(({ type, value }) => type === "return" && value.isReference === isReference).length;
    });
    const { graph } = step(withLoss(training(model.graph), crossEntropy), sgd());
    const lowered = lower(bind(graph, { batch }));
    new NativeProgram(library, lowered, new Map(), {}).dispose();
    const functions = ofElements.mock.calls.map(([name], index) => {
      return { name, isReference: ofElements.mock.results[index]!.value.isReference as boolean };
    });
    vi.restoreAllMocks();
    expect([forward!(true), input!(true), activation!(true)]).toEqual([0, 0, 0]);
    // One that turns out to be by the reference is made anew; that of the 5x5 one is a convolution, in the place of which
    // that of the 3x3 one is made twice, first to see that it is quick.
    const gradients = nodesOf(lowered).filter(({ op }) => op.name === ConvWeightGradient.name);
    expect(weight!(false)).toBe(gradients.length);
    const slow = functions.flatMap(({ name, isReference }, index) => (isReference ? [{ name, index }] : []));
    for (const { name, index } of slow) expect(functions[index + 1]).toEqual({ name, isReference: false });
  });

  test("give an evaluation the reference's logits", async () => {
    const [ours, theirs] = await Promise.all(
      [onednn, reference].map(async (engine) => {
        const program = await engine.compile(model.graph, model.variables);
        return (await program.run({ image })).get("logits")!.toArray();
      }),
    );
    const largest = Math.max(...theirs!.map(Math.abs));
    ours!.forEach((each, index) => {
      expect(each / largest).toBeCloseTo(theirs![index]! / largest, 5);
    });
  });
});
