import { afterAll, describe, expect, test } from "vitest";
import { expectClose } from "../../test/check/compare.ts";
import { distinct } from "../../test/check/draw.ts";
import { buildLayer, checkLayer, evaluateLayer, type LayerCase } from "../../test/check/layer.ts";
import { elementAt, indicesOf, tensorOf } from "../../test/check/plain.ts";
import { ort } from "../engine/ort/ort.ts";
import { evaluateGraph } from "../engine/reference.ts";
import { inputValue } from "../graph/value.ts";
import type { Shape } from "../tensor/shape.ts";
import { type Tensor, tensor } from "../tensor/tensor.ts";
import { groupNorm, instanceNorm, layerNorm, localNorm, localResponseNorm } from "./normalisation.ts";
import { type Layer, Scope } from "./scope.ts";

afterAll(() => ort.close());

const row = (name: string, layer: Layer, input: Shape, ...parameters: readonly string[]): LayerCase => ({
  name,
  layer,
  input,
  output: input,
  parameters,
});

/** No two elements are so near one another that a mean has none of their variance. */
const apart = (layerCase: LayerCase): LayerCase => ({ ...layerCase, draw: distinct });

describe("normalisation layers", () => {
  test.each([
    row("instanceNorm of a line", instanceNorm(), [2, 5]),
    row("instanceNorm of maps", instanceNorm({ affine: true }), [2, 3, 4], "weight 2", "bias 2"),
    row("instanceNorm of a volume", instanceNorm(), [2, 2, 3, 2]),
    row("groupNorm of features", groupNorm({ groups: 2 }), [6], "weight 6", "bias 6"),
    row("groupNorm of a line", groupNorm({ groups: 2, affine: false }), [4, 3]),
    row("groupNorm of maps", groupNorm({ groups: 1 }), [4, 2, 3], "weight 4", "bias 4"),
    row("groupNorm of a volume", groupNorm({ groups: 4, affine: false }), [4, 2, 3, 2]),
    row("layerNorm of features", layerNorm(), [6], "weight 6", "bias 6"),
    row("layerNorm over all of a sample", layerNorm({ over: 3, affine: false }), [2, 3, 4]),
    row("layerNorm over channels of a line", layerNorm({ over: "channels" }), [4, 3], "weight 4", "bias 4"),
    row("layerNorm over channels of a volume", layerNorm({ over: "channels", affine: false }), [4, 2, 1, 3]),
    row("localResponseNorm of features", localResponseNorm({ size: 2, alpha: 0.5 }), [5]),
    row("localResponseNorm of maps", localResponseNorm({ size: 3, alpha: 0.5 }), [5, 2, 3]),
    row("localResponseNorm of a volume", localResponseNorm({ size: 3, alpha: 0.5, k: 2 }), [4, 2, 1, 3]),
    row("within channels of a line", localResponseNorm({ size: 3, alpha: 0.5, over: "space" }), [2, 5]),
    row("within channels of maps", localResponseNorm({ size: 4, alpha: 0.5, over: "space" }), [2, 5, 4]),
    row("within channels of a volume", localResponseNorm({ size: 3, alpha: 0.5, over: "space" }), [1, 3, 2, 3]),
    apart(row("by L1, a window", localNorm({ by: "l1", space: 3 }), [2, 4, 5])),
    row("by L2, a window", localNorm({ by: "l2", space: [2, 3] }), [2, 4, 5]),
    row("standardised, a window", localNorm({ by: "standard", space: [3, 2] }), [2, 4, 5]),
    apart(row("by L1, channels", localNorm({ by: "l1", channels: 2 }), [5])),
    row("by L2, all channels", localNorm({ by: "l2", channels: "all" }), [3, 2, 2]),
    row("standardised, channels", localNorm({ by: "standard", channels: 3 }), [5, 2, 2]),
    row("by L2, both, of a line", localNorm({ by: "l2", space: 3, channels: 2 }), [4, 5]),
    row("standardised, both, of a volume", localNorm({ by: "standard", space: 2, channels: "all" }), [2, 3, 2, 3]),
    apart(row("by L1, the whole map", localNorm({ by: "l1", space: "all" }), [2, 2, 3])),
    row("standardised, larger than the map", localNorm({ by: "standard", space: 9, channels: 9 }), [2, 2, 3]),
  ])("$name works", async (layerCase) => {
    await expect(checkLayer(layerCase, [ort])).resolves.toBeUndefined();
  });

  test.each([
    ["instanceNorm", instanceNorm({ affine: true })],
    ["groupNorm", groupNorm({ groups: 2 })],
    ["layerNorm over channels", layerNorm({ over: "channels" })],
    ["localResponseNorm", localResponseNorm({ size: 3, alpha: 0.5 })],
  ])("%s is the same for places in a line, in maps and in volumes", (_, layer) => {
    const { y } = evaluateLayer(layer, [4, 2, 2, 3]);
    for (const shape of [
      [4, 12],
      [4, 4, 3],
    ]) {
      const other = buildLayer(layer, shape);
      const feeds = new Map([...other.variables, ["x", evaluateLayer(layer, [4, 2, 2, 3]).x.reshape([2, ...shape])]]);
      const found = evaluateGraph(other.graph, feeds).outputs.get("y")!;
      expectClose("another shape", found.reshape(y.shape), y, { relative: 1e-6 });
    }
  });
});

interface PlainNeighbourhood {
  readonly channels: number;
  readonly space: readonly number[];
}

/** What is in the neighbourhood of each element, found element by element. */
function neighboursOf(x: Tensor, [sample, ...place]: readonly number[], { channels, space }: PlainNeighbourhood) {
  return indicesOf([channels, ...space]).flatMap((tap) => {
    const at = tap.map(
      (each, axis) => place[axis]! + each - Math.floor((axis === 0 ? channels : space[axis - 1]!) / 2),
    );
    return at.every((each, axis) => each >= 0 && each < x.shape[axis + 1]!) ? [elementAt(x, [sample!, ...at])] : [];
  });
}

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
const squares = (values: readonly number[]) => sum(values.map((value) => value * value));
const plain = {
  l1: (x: number, near: readonly number[], epsilon: number) => x / (epsilon + sum(near.map(Math.abs))),
  l2: (x: number, near: readonly number[], epsilon: number) => x / Math.sqrt(epsilon + squares(near)),
  standard: (x: number, near: readonly number[], epsilon: number) => {
    const mean = sum(near) / near.length;
    return (x - mean) / Math.sqrt(epsilon + squares(near.map((each) => each - mean)) / near.length);
  },
};

describe.each(["l1", "l2", "standard"] as const)("local normalisation, %s", (by) => {
  test.each([
    [[3, 5, 4], 1, [3, 3], {}],
    [[3, 5, 4], 1, [4, 1], {}],
    [[6, 3, 2], 3, [1, 1], {}],
    [[6, 3, 2], 2, [1, 1], {}],
    [[6], 4, [], {}],
    [[4, 5], 2, [3], {}],
    [[4, 3, 2, 3], 3, [2, 3, 2], {}],
    [[4, 3, 5], 9, [3, 3], { channels: "all" }],
    [[4, 3, 5], 1, [7, 11], { space: "all" }],
    [[4, 3, 5], 9, [7, 11], { space: "all", channels: "all" }],
  ] as const)("of %j by %i channels and %j places is that of its neighbours", (input, channels, space, said) => {
    const layer = localNorm({ by, channels, ...(space.length > 0 ? { space } : {}), epsilon: 0.25, ...said });
    const { x, y } = evaluateLayer(layer, input);
    const expected = tensorOf(x.shape, (index) =>
      plain[by](elementAt(x, index), neighboursOf(x, index, { channels, space }), 0.25),
    );
    expectClose("neighbours", y, expected, { relative: 1e-5 });
  });
});

describe("local normalisation", () => {
  const run = (layer: Layer, x: Tensor) => {
    const { graph } = buildLayer(layer, x.shape.slice(1));
    return evaluateGraph(graph, new Map([["x", x]])).outputs.get("y")!;
  };

  test("within channels is LRN with the places of a window for neighbours", () => {
    const options = { size: 3, alpha: 0.5, beta: 0.75, k: 2 };
    const { x, y } = evaluateLayer(localResponseNorm({ ...options, over: "space" }), [3, 4, 5]);
    const expected = tensorOf(x.shape, (index) => {
      const near = neighboursOf(x, index, { channels: 1, space: [3, 3] });
      return elementAt(x, index) / (2 + (0.5 / 9) * squares(near)) ** 0.75;
    });
    expectClose("within channels", y, expected, { relative: 1e-6 });
  });

  test("of equal elements, however large, is 0 by standardisation and finite by norms", () => {
    const x = tensor(new Array(24).fill(1e4), [1, 2, 3, 4]);
    expect(run(localNorm({ by: "standard", space: 3, channels: 2 }), x).toArray()).toEqual(new Array(24).fill(0));
    const zeros = tensor(new Array(24).fill(0), [1, 2, 3, 4]);
    for (const by of ["l1", "l2", "standard"] as const)
      expect(run(localNorm({ by, space: 3 }), zeros).toArray()).toEqual(new Array(24).fill(0));
  });

  test("keeps small differences on a large mean, on ONNX Runtime too", async () => {
    const pattern = (index: number) => (index * 7) % 5;
    const small = tensor(
      Array.from({ length: 36 }, (_, index) => pattern(index)),
      [1, 1, 6, 6],
    );
    const lifted = tensor(
      Array.from({ length: 36 }, (_, index) => 4096 + pattern(index)),
      [1, 1, 6, 6],
    );
    const layer = localNorm({ by: "standard", space: 3 });
    const program = await ort.compile(buildLayer(layer, [1, 6, 6]).graph, new Map());
    const found = (await program.run({ x: lifted })).get("y");
    await program.dispose();
    expectClose("lifted", found, run(layer, small), { relative: 1e-4 });
  });

  test("takes maps whose size has a name", () => {
    const x = inputValue("x", { dtype: "float32", shape: ["batch", 4, "height", "width"] });
    for (const by of ["l1", "l2", "standard"] as const)
      expect(localNorm({ by, space: 3, channels: 2 })(x, new Scope()).shape).toEqual(x.shape);
    expect(localResponseNorm({ over: "space" })(x, new Scope()).shape).toEqual(x.shape);
  });

  test("refuses what is no neighbourhood", () => {
    const build =
      (layer: Layer, ...shape: readonly (number | string)[]) =>
      () =>
        layer(inputValue("x", { dtype: "float32", shape: ["batch", ...shape] }), new Scope());
    expect(build(localNorm({ by: "l2" }), 3, 4)).toThrow(
      "localNorm: found a neighbourhood of one element; expected `space` or `channels` above 1.",
    );
    expect(build(localNorm({ by: "l2", space: 3 }), 3)).toThrow(
      "localNorm: found an input of batchx3; expected [batch, channels, size, ...].",
    );
    expect(build(localNorm({ by: "l1", space: [3, 3] }), 3, 5)).toThrow(
      "localNorm: found space [3,3]; expected one number or 1.",
    );
    expect(() => localNorm({ by: "l1", channels: 0 })).toThrow(
      "localNorm: found channels 0; expected a whole number of at least 1.",
    );
    expect(() => localNorm({ by: "l1", epsilon: 0 })).toThrow("localNorm: found epsilon 0; expected a number above 0.");
    expect(build(localResponseNorm({ over: "space" }), 3)).toThrow(
      "localResponseNorm: found an input of batchx3; expected [batch, channels, size, ...].",
    );
  });
});
