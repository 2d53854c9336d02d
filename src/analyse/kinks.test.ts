import { afterAll, expect, test } from "vitest";
import { engines } from "../../test/check/engines.ts";
import { Model } from "../models/model.ts";
import { relu } from "../nn/activations.ts";
import { conv2d } from "../nn/convolution.ts";
import { flatten, linear } from "../nn/linear.ts";
import { maxPool2d } from "../nn/pooling.ts";
import { type Layer, sequential } from "../nn/scope.ts";
import { add, sub } from "../ops/core/elementwise.ts";
import { Random } from "../tensor/random.ts";
import { full, tensor } from "../tensor/tensor.ts";
import { kinksOf } from "./kinks.ts";
import { answersOf, verify } from "./verify.ts";

afterAll(() => Promise.all(engines.map((engine) => engine.close())));

/** Single precision loses what is smaller than a millionth or so. */
const rounded: Layer = (x) => sub(add(x, 64), 64);

const random = new Random(3);
const drawn = (shape: readonly number[]) =>
  tensor(
    Array.from({ length: shape.reduce((size, length) => size * length) }, () => random.normal()),
    shape,
  );

/** A network whose first channel is nearly 0 everywhere: above it in float64, not in single precision. */
const built = Model.build(
  sequential({
    conv: conv2d({ channels: 2, kernel: 1 }),
    rounded,
    act: relu(),
    pool: maxPool2d({ kernel: 2 }),
    flat: flatten(),
    fc: linear({ features: 3 }),
  }),
  { name: "near", input: [1, 4, 4], seed: 1 },
);
const model = built.with({
  variables: new Map([
    ...built.variables,
    ["conv.weight", tensor([1e-9, 1], [2, 1, 1, 1])],
    ["conv.bias", tensor([1e-8, 0.1], [2])],
  ]),
});

test("gradients that are off by a ReLU's other side are explained, and those that are wrong are not", async () => {
  const given = new Map([
    ["image", drawn([2, 1, 4, 4])],
    ["labels", tensor([0, 2], [2], "int64")],
  ]);
  const { numbers } = await answersOf(model, given, { engine: "reference" });
  const tensors = new Map([...given, ...numbers, ["grad.fc.bias", full([3], 1)] as const]);
  for (const engine of engines) {
    const found = await verify(model, { tensors, deviation: {} }, { engine });
    expect(found.failed).toEqual(expect.arrayContaining(["grad.conv.bias", "eval_grad.conv.bias", "grad.fc.bias"]));
    const { explained, flipped } = await kinksOf(model, { tensors, deviation: {} }, found, { engine });
    expect(explained).toEqual(expect.arrayContaining(["grad.conv.bias", "eval_grad.conv.bias"]));
    expect(found.failed.filter((name) => !explained.includes(name))).toEqual(["grad.fc.bias"]);
    expect([...flipped.keys()]).toContain("act");
  }
});
