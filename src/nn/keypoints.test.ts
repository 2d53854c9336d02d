import { afterAll, describe, expect, test } from "vitest";
import { checkLayer } from "../../test/check/layer.ts";
import { tensorOf } from "../../test/check/plain.ts";
import { ort } from "../engine/ort/ort.ts";
import { evaluateGraph, reference } from "../engine/reference.ts";
import { makeGraph } from "../graph/graph.ts";
import { constant, type Dimension, inputValue } from "../graph/value.ts";
import { Random } from "../tensor/random.ts";
import { full, scalar, type Tensor, tensor } from "../tensor/tensor.ts";
import { fill } from "./initialisers.ts";
import { heatmapRegression, keypointHeatmaps, readKeypoints, softArgmax } from "./keypoints.ts";
import { adam } from "./optimisers.ts";
import { type Layer, Scope } from "./scope.ts";
import { step, withLoss } from "./step.ts";

afterAll(() => ort.close());

const random = new Random(1, "points");
/** x and y of 3 points in each of 4 images, inside maps of 12 x 16. */
const points = tensor(
  Array.from({ length: 12 }, () => [random.uniform(2, 13), random.uniform(2, 9)]).flat(),
  [4, 3, 2],
);
const [height, width] = [12, 16];

const heatmaps = (sigma: number, of: Tensor = points): Tensor => {
  const y = keypointHeatmaps(constant(of), { size: [height, width], sigma });
  return evaluateGraph(makeGraph([], { y }), new Map()).outputs.get("y")!;
};

const run = (layer: Layer, x: Tensor): Tensor => {
  const input = inputValue("x", { dtype: "float32", shape: x.shape });
  const graph = makeGraph([input], { y: layer(input, new Scope()) });
  return evaluateGraph(graph, new Map([["x", x]])).outputs.get("y")!;
};

describe("key points as heatmaps", () => {
  test("are Gaussians around them", () => {
    const at = (point: number) => points.toArray().slice(2 * point, 2 * point + 2) as [number, number];
    const expected = tensorOf([4, 3, height, width], ([image, point, row, column]) => {
      const [x, y] = at(image! * 3 + point!);
      return Math.exp(-((column! - x) ** 2 + (row! - y) ** 2) / (2 * 1.5 ** 2));
    });
    const found = heatmaps(1.5);
    expect(found.shape).toEqual([4, 3, height, width]);
    found.toArray().forEach((each, index) => {
      expect(each).toBeCloseTo(expected.toArray()[index]!, 5);
    });
  });

  test.each([0.7, 1, 2, 4])("of sigma %d are read back to a hundredth of an element", (sigma) => {
    const read = readKeypoints(heatmaps(sigma));
    expect(read.shape).toEqual([4, 3, 3]);
    read.toArray().forEach((each, index) => {
      if (index % 3 === 2) expect(each).toBeGreaterThan(0.6);
      else expect(each).toBeCloseTo(points.toArray()[2 * Math.floor(index / 3) + (index % 3)]!, 2);
    });
  });

  test("are read at borders, on flat maps and below zero as the element itself, the first of equals", () => {
    const corner = tensorOf([1, 1, 3, 3], ([, , row, column]) => (row === 0 && column === 2 ? 1 : 0.5));
    expect(readKeypoints(corner).toArray()).toEqual([2, 0, 1]);
    expect(readKeypoints(full([1, 1, 3, 3], 0)).toArray()).toEqual([0, 0, 0]);
    const below = tensorOf([1, 1, 3, 3], ([, , row, column]) => (row === 1 && column === 1 ? -1 : -2));
    expect(readKeypoints(below).toArray()).toEqual([1, 1, -1]);
    const noisy = tensor([0, -3, 0, -1, 1, 0.5, 0, -2, 0], [1, 1, 3, 3]);
    const [x, y] = readKeypoints(noisy).toArray();
    expect(x).toBeGreaterThan(1.4);
    expect([x! <= 1.5, y]).toEqual([true, expect.closeTo(1, 6)]);
  });

  test("softArgmax is the mean of places under the softmax", async () => {
    const logarithms = tensorOf([4, 3, 32, 32], ([image, point, row, column]) => {
      const [x, y] = points.toArray().slice(2 * (image! * 3 + point!)) as [number, number];
      return -((column! - 8 - x) ** 2 + (row! - 8 - y) ** 2) / 4;
    });
    run(softArgmax({ beta: 2 }), logarithms)
      .toArray()
      .forEach((each, index) => {
        expect(each).toBeCloseTo(points.toArray()[index]! + 8, 3);
      });
    await expect(
      checkLayer({ name: "softArgmax", layer: softArgmax({ beta: 3 }), input: [2, 3, 4], output: [2, 2] }, [ort]),
    ).resolves.toBeUndefined();
  });

  test.each([reference, ort])("are learnt on $name, whatever stands where a point is not visible", async (engine) => {
    const given = tensor([4.3, 6.1, 2, Number.NaN, Number.NaN, 0], [1, 2, 3]);
    const scope = new Scope();
    const maps = scope.parameter("maps", [1, 2, height, width], fill(0));
    const network = withLoss(makeGraph([], { maps }), heatmapRegression({ sigma: 1.5 }));
    const { graph, state } = step(network, adam());
    const program = await engine.compile(graph, new Map([...scope.initialise(1), ...state]), { threads: 1 });
    for (let count = 0; count < 60; count++) await program.run({ target: given, learningRate: scalar(0.05) });
    const after = (await program.read(["maps"])).get("maps")!;
    await program.dispose();
    const [x, y, peak, ...other] = readKeypoints(after).toArray();
    expect([x, y, peak]).toEqual([expect.closeTo(4.3, 1), expect.closeTo(6.1, 1), expect.closeTo(0.97, 1)]);
    expect(other).toEqual([0, 0, 0]);
  });

  test("none of which is visible, give no loss", () => {
    const x = inputValue("x", { dtype: "float32", shape: ["batch", 1, 2, 2] });
    const t = inputValue("t", heatmapRegression().target(x));
    const graph = makeGraph([x, t], { loss: heatmapRegression().of(x, t) });
    const feeds = new Map([
      ["x", full([2, 1, 2, 2], 3)],
      ["t", full([2, 1, 3], 0)],
    ]);
    expect(evaluateGraph(graph, feeds).outputs.get("loss")!.item()).toBe(0);
  });

  test("say what they need", () => {
    const maps = (...shape: readonly Dimension[]) => inputValue("x", { dtype: "float32", shape });
    expect(() => heatmapRegression().target(maps("batch", 5))).toThrow(
      "heatmapRegression: found maps of batchx5; expected [batch, points, height, width], height and width as numbers.",
    );
    expect(() => softArgmax()(maps("batch", 5, "height", 4), new Scope())).toThrow(
      "softArgmax: found maps of batchx5x",
    );
    expect(() => heatmapRegression({ sigma: 0 })).toThrow(
      "heatmapRegression: found sigma 0; expected a number above 0.",
    );
    expect(() => softArgmax({ beta: -1 })).toThrow("softArgmax: found beta -1; expected a number above 0.");
    expect(() => keypointHeatmaps(maps("batch", 5, 2), { size: [4, 4], sigma: Number.NaN })).toThrow(
      "keypointHeatmaps: found sigma NaN; expected a number above 0.",
    );
    expect(() => readKeypoints(full([2, 2], 0))).toThrow("readKeypoints: found maps of 2x2; expected");
  });
});
