import { describe, expect, test } from "vitest";
import { Dataset } from "../data/dataset.ts";
import { reference } from "../engine/reference.ts";
import type { Recipe } from "../models/catalog.ts";
import { Model } from "../models/model.ts";
import { flatten, linear } from "../nn/linear.ts";
import { sequential } from "../nn/scope.ts";
import { Random } from "../tensor/random.ts";
import { full, tensor } from "../tensor/tensor.ts";
import { fit } from "../train/fit.ts";
import { fitOptionsOf, optimiserNames, type SettingOptions, settingsOf } from "./training-settings.ts";

const recipe: Recipe = { optimiser: "sgd", batchSize: 4, learningRate: 0.1, weightDecay: 0.5, schedule: "cosine" };
const plain = { seed: 1, epochs: 1 };

const random = new Random(1, "pixels");
const data = new Dataset({
  name: "noise",
  classes: ["a", "b"],
  images: tensor(
    Array.from({ length: 16 }, () => random.uniform()),
    [4, 1, 2, 2],
  ),
  labels: [0, 1, 0, 1],
  preprocessing: { channels: 1, height: 2, width: 2, padding: 0, mean: [0], std: [1] },
});
const network = sequential({ flatten: flatten(), fc: linear({ features: 2 }) });
const drawn = Model.build(network, { name: "small", input: [1, 2, 2], seed: 1 });
const model = drawn.with({ variables: new Map(drawn.variables).set("fc.bias", full([2], 1)) });

/** The parameters after one step with these options. */
async function stepped(given: Partial<SettingOptions>): Promise<Record<string, number[]>> {
  const options = fitOptionsOf(settingsOf({ ...plain, ...given }, recipe), model);
  const { variables } = (await fit(model, data, { ...options, engine: reference }).result).model;
  return Object.fromEntries([...variables].map(([name, value]) => [name, value.toArray()]));
}

describe("what training is made with", () => {
  test("is the recipe's where nothing is given, and suits the optimiser where another is", () => {
    expect(settingsOf(plain, recipe)).toMatchObject({ batch: 4, learningRate: 0.1, momentum: 0.9, weightDecay: 0.5 });
    const other = settingsOf({ ...plain, optimizer: "adamw", batch: 2 }, recipe);
    expect(other).toMatchObject({ batch: 2, learningRate: 0.001, momentum: undefined, weightDecay: 0 });
    expect(() => settingsOf({ ...plain, optimizer: "adam", nesterov: true }, recipe)).toThrow(
      "--nesterov is an option of sgd, and the optimizer is adam",
    );
  });

  test.each(optimiserNames)("every optimiser trains: %s", async (optimizer) => {
    expect((await stepped({ optimizer, learningRate: 0.01 }))["fc.weight"]).not.toEqual(
      model.variables.get("fc.weight")!.toArray(),
    );
  });

  test("weight decay can leave biases alone", async () => {
    const [none, weights, all] = [
      await stepped({ weightDecay: 0 }),
      await stepped({ decay: "weights" }),
      await stepped({}),
    ] as const;
    expect(weights["fc.bias"]).toEqual(none["fc.bias"]);
    expect(weights["fc.weight"]).toEqual(all["fc.weight"]);
    expect(weights["fc.weight"]).not.toEqual(none["fc.weight"]);
    expect(all["fc.bias"]![0]!).toBeCloseTo(none["fc.bias"]![0]! - 0.1 * 0.5, 6);
  });

  test("clipping bounds the step, and smoothing changes it", async () => {
    const before = model.variables;
    const still = { weightDecay: 0, momentum: 0 };
    const clipped = await stepped({ ...still, clip: 0.001 });
    const moved = Object.entries(clipped).flatMap(([name, values]) =>
      values.map((value, index) => value - before.get(name)!.numbers[index]!),
    );
    expect(Math.hypot(...moved)).toBeCloseTo(0.1 * 0.001, 6);
    expect(await stepped({ ...still, labelSmoothing: 0.2 })).not.toEqual(await stepped(still));
  });
});
