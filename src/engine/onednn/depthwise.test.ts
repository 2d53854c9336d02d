/** Which depthwise convolutions are in the pass of the one before them, and what they give there. */
import { afterAll, describe, expect, test } from "vitest";
import { bind } from "../../graph/rewrite.ts";
import { inputValue, parameterValue, producerOf } from "../../graph/value.ts";
import { Model } from "../../models/model.ts";
import { relu6 } from "../../nn/activations.ts";
import { depthwiseConv, pointwiseConv } from "../../nn/convolution.ts";
import { sequential } from "../../nn/scope.ts";
import { conv } from "../../ops/conv.ts";
import { Random } from "../../tensor/random.ts";
import { Tensor } from "../../tensor/tensor.ts";
import { reference } from "../reference.ts";
import { depthwiseOf } from "./depthwise.ts";
import { dnnl, missing, useThreads } from "./library.ts";
import { onednn } from "./onednn.ts";
import { NativeProgram } from "./program.ts";

const x = inputValue("x", { dtype: "float32", shape: [1, 16, 9, 9] });
const w = (kernel: number, channels = 1) =>
  parameterValue("w", { dtype: "float32", shape: [16, channels, kernel, kernel] });
const around = { pads: [1, 1, 1, 1], group: 16 };

test.each([
  ["one that steps by one is such a one", conv(x, w(3), undefined, around), 1],
  ["one that steps by two is", conv(x, w(3), undefined, { ...around, strides: [2, 2] }), 2],
  ["one that steps by three is not", conv(x, w(3), undefined, { ...around, strides: [3, 3] }), undefined],
  ["nor one that steps otherwise along each axis", conv(x, w(3), undefined, { ...around, strides: [1, 2] }), undefined],
  ["nor one without padding", conv(x, w(3), undefined, { group: 16 }), undefined],
  ["nor one with taps further apart", conv(x, w(3), undefined, { ...around, dilations: [2, 2] }), undefined],
  ["nor one of 5x5", conv(x, w(5), undefined, { group: 16, pads: [2, 2, 2, 2] }), undefined],
  ["nor one that sums over channels", conv(x, w(3, 16), undefined, { pads: [1, 1, 1, 1] }), undefined],
])("of depthwise convolutions, %s", (_, y, stride) => {
  expect(depthwiseOf(producerOf(y)!, x)?.stride).toBe(stride);
});

describe.skipIf(missing() !== undefined)("a depthwise convolution after a 1x1 convolution", () => {
  afterAll(() => Promise.all([onednn.close(), reference.close()]));

  const batch = 4;
  const block = (stride: number, bias: boolean) =>
    sequential({
      expand: pointwiseConv({ channels: 96 }),
      clip: relu6(),
      depthwise: depthwiseConv({ kernel: 3, padding: 1, stride, bias }),
      clipped: relu6(),
    });
  const model = Model.build(
    sequential({ one: block(2, true), project: pointwiseConv({ channels: 16 }), two: block(1, false) }),
    {
      name: "inverted",
      input: [16, 96, 96],
      seed: 1,
    },
  );
  const random = new Random(1, "depthwise");
  const length = batch * 16 * 96 * 96;
  const image = new Tensor(
    "float32",
    [batch, 16, 96, 96],
    Float32Array.from({ length }, () => random.uniform() - 0.5),
  );

  test("gives the reference's numbers, and large maps between the two are never there", async () => {
    const [ours, theirs] = await Promise.all(
      [onednn, reference].map(async (engine) => {
        const program = await engine.compile(model.graph, model.variables);
        return (await program.run({ image })).get("logits")!.toArray();
      }),
    );
    const worst = ours!.reduce((most, each, index) => Math.max(most, Math.abs(each - theirs![index]!)), 0);
    expect(worst).toBeLessThan(1e-5);
    if (!dnnl().hasLongVectors()) return;
    // It is for maps beyond the caches of all threads.
    useThreads(1);
    const program = new NativeProgram(dnnl(), bind(model.graph, { batch }), model.variables);
    expect(program.bytes).toBeLessThan(4 * batch * 96 * 96 * 96);
    await program.dispose();
  });
});
