import { describe, expect, test } from "vitest";
import { bind } from "../../graph/rewrite.ts";
import { Model } from "../../models/model.ts";
import { relu } from "../../nn/activations.ts";
import { denseConnection } from "../../nn/blocks.ts";
import { conv2d, pointwiseConv } from "../../nn/convolution.ts";
import { linear } from "../../nn/linear.ts";
import { batchNorm } from "../../nn/normalisation.ts";
import { globalAveragePool } from "../../nn/pooling.ts";
import { sequential } from "../../nn/scope.ts";
import { Random } from "../../tensor/random.ts";
import { Tensor } from "../../tensor/tensor.ts";
import { reference } from "../reference.ts";
import { dnnl, missing, useThreads } from "./library.ts";
import { lower } from "./lower.ts";
import { NativeProgram } from "./program.ts";

const layer = () =>
  denseConnection({
    body: sequential({
      norm: batchNorm(),
      relu: relu(),
      narrow: pointwiseConv({ channels: 64, bias: false }),
      conv: conv2d({ channels: 32, kernel: 3, padding: 1, bias: false }),
    }),
  });
const network = sequential({
  first: conv2d({ channels: 32, kernel: 3, padding: 1, bias: false }),
  one: layer(),
  two: layer(),
  three: layer(),
  norm: batchNorm(),
  relu: relu(),
  pool: globalAveragePool(),
  classes: linear({ features: 10 }),
});
const model = Model.build(network, { name: "dense", input: [3, 16, 16], seed: 1 });
const random = new Random(1, "dense");
const draw = (length: number) => Float32Array.from({ length }, () => random.normal());
/** No statistics of 0 and 1, which every channel would share. */
const variables = new Map(
  [...model.variables].map(([name, { dtype, shape, data }]) => [
    name,
    shape.length === 1
      ? new Tensor(
          dtype,
          shape,
          draw(data.length).map((each) => 1 + Math.abs(each) / 4),
        )
      : model.variables.get(name)!,
  ]),
);

describe.skipIf(missing() !== undefined)("concatenations that grow", () => {
  test.each([1, 3])("write each map once: batch %i", async (batch) => {
    const feeds = { image: new Tensor("float32", [batch, 3, 16, 16], draw(batch * 3 * 16 * 16)) };
    useThreads(1);
    const program = new NativeProgram(dnnl(), lower(bind(model.graph, { batch })), variables);
    const found = program
      .run(new Map(Object.entries(feeds)))
      .get("logits")!
      .toArray();
    const expected = (await (await reference.compile(model.graph, variables)).run(feeds)).get("logits")!.toArray();
    found.forEach((each, index) => {
      expect(each).toBeCloseTo(expected[index]!, 4);
    });
    const count = (operator: string) =>
      program.plan.steps.filter(({ kind }) => kind.operator.startsWith(operator)).length;
    // Four parts; four normalisations of each image.
    expect([count("Concat"), count("BatchNormalization")]).toEqual([4, 1 + 3 * batch]);
    await program.dispose();
  });
});
