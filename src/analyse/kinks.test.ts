import { afterAll, expect, test } from "vitest";
import { engines } from "../../test/check/engines.ts";
import { near, recorded } from "../../test/check/recording.ts";
import { Random } from "../tensor/random.ts";
import { full, tensor } from "../tensor/tensor.ts";
import { kinksOf } from "./kinks.ts";
import { verify } from "./verify.ts";

afterAll(() => Promise.all(engines.map((engine) => engine.close())));

const random = new Random(3);
const drawn = (shape: readonly number[]) =>
  tensor(
    Array.from({ length: shape.reduce((size, length) => size * length) }, () => random.normal()),
    shape,
  );

test("gradients that are off by a ReLU's other side are explained, and those that are wrong are not", async () => {
  const given = new Map([
    ["image", drawn([2, 1, 4, 4])],
    ["labels", tensor([0, 2], [2], "int64")],
  ]);
  const numbers = await recorded(near, given);
  const tensors = new Map([...given, ...numbers, ["grad.fc.bias", full([3], 1)] as const]);
  for (const engine of engines) {
    const found = await verify(near, { tensors, deviation: {} }, { engine });
    expect(found.failed).toEqual(expect.arrayContaining(["grad.conv.bias", "eval_grad.conv.bias", "grad.fc.bias"]));
    const { explained, flipped } = await kinksOf(near, { tensors, deviation: {} }, found, { engine });
    expect(explained).toEqual(expect.arrayContaining(["grad.conv.bias", "eval_grad.conv.bias"]));
    expect(found.failed.filter((name) => !explained.includes(name))).toEqual(["grad.fc.bias"]);
    expect([...flipped.keys()]).toContain("act");
  }
});
