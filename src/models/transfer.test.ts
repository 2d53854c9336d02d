import { describe, expect, test } from "vitest";
import { trainableOf } from "../graph/graph.ts";
import { relu, softmax } from "../nn/activations.ts";
import { conv2d } from "../nn/convolution.ts";
import { flatten, linear } from "../nn/linear.ts";
import { globalAveragePool } from "../nn/pooling.ts";
import { type Layer, sequential } from "../nn/scope.ts";
import { Model } from "./model.ts";
import { freeze, replaceHead } from "./transfer.ts";

const body = { conv: conv2d({ channels: 4, kernel: 3 }), relu: relu() };
const classifier = sequential({ ...body, pool: globalAveragePool(), fc: linear({ features: 4 }) });
const build = (layer: Layer): Model =>
  Model.build(layer, { name: "net", input: [1, 8, 8], seed: 1 }).with({ classes: ["a", "b", "c", "d"] });
const names = (model: Model): string[] => trainableOf(model.graph).map(({ source }) => source.name);

describe("freeze", () => {
  test("leaves the parameters named out of what training changes, and changes nothing else", () => {
    const model = build(classifier);
    expect(names(freeze(model, (name) => name.startsWith("conv.")))).toEqual(["fc.weight", "fc.bias"]);
    const frozen = freeze(model, (name) => name === "fc.bias");
    expect(names(frozen)).toEqual(["conv.weight", "conv.bias", "fc.weight"]);
    expect(names(freeze(frozen, (name) => name === "fc.weight"))).toEqual(["conv.weight", "conv.bias"]);
    expect(frozen.variables).toBe(model.variables);
    expect(frozen.toOnnx()).toEqual(model.toOnnx());
  });

  test("says which names there are where none is meant", () => {
    expect(() => freeze(build(classifier), (name) => name === "head")).toThrow(
      "freeze net: found no parameter of such a name; expected some of conv.weight, conv.bias, fc.weight, fc.bias",
    );
  });
});

describe("replaceHead", () => {
  test.each([
    ["a linear layer, with as many features as classes", classifier, "fc"],
    ["one that ends in a softmax", sequential({ body: classifier, softmax: softmax() }), "body.fc"],
    [
      "a convolution",
      sequential({ ...body, head: conv2d({ channels: 4, kernel: 1 }), pool: globalAveragePool(), flatten: flatten() }),
      "head",
    ],
  ] as const)("of %s", (_, layer, head) => {
    for (const model of [build(layer), Model.fromOnnx(build(layer).toOnnx())]) {
      const other = replaceHead(model, { classes: 7, seed: 1 });
      expect([...other.graph.outputs.values()][0]!.shape).toEqual(["batch", 7]);
      expect(other.classes).toBeUndefined();
      const changed = [...other.variables].flatMap(([name, value]) =>
        model.variables.get(name) === value ? [] : [name],
      );
      expect(changed).toEqual([`${head}.weight`, `${head}.bias`]);
      expect(other.variables.get(`${head}.bias`)!.toArray()).toEqual(new Array(7).fill(0));
      const weights = other.variables.get(`${head}.weight`)!.toArray();
      expect(weights).toHaveLength(28);
      const square = weights.reduce((sum, weight) => sum + weight ** 2, 0) / 28;
      expect(square).toBeGreaterThan(0.1);
      expect(square).toBeLessThan(0.5);
      expect(replaceHead(model, { classes: 7, seed: 1 }).variables).toEqual(other.variables);
      expect(replaceHead(model, { classes: 7, seed: 2 }).variables).not.toEqual(other.variables);
    }
  });

  test("is refused where the last weights do not give the classes", () => {
    expect(() => replaceHead(build(sequential({ ...body, flatten: flatten() })), { classes: 3 })).toThrow(
      "replaceHead net: found a last layer that is not seen to give its 144 outputs by weights of its own;",
    );
    expect(() => replaceHead(build(classifier), { classes: 0 })).toThrow("replaceHead: found classes 0");
  });
});
