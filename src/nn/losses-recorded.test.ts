import { afterAll, describe, expect, test } from "vitest";
import { gradientsOf } from "../autodiff/gradient.ts";
import { ort } from "../engine/ort/ort.ts";
import { reference } from "../engine/reference.ts";
import { makeGraph } from "../graph/graph.ts";
import { type Dimension, inputValue } from "../graph/value.ts";
import { type Tensor, tensor } from "../tensor/tensor.ts";
import { heatmapRegression } from "./keypoints.ts";
import * as losses from "./losses.ts";

const { binaryCrossEntropy, cosineDistance, crossEntropyWith, dice, klDivergence, smoothL1 } = losses;

const shape = [2, 3, 2, 2];
const numbers = (of: (index: number) => number, length = 24) => Array.from({ length }, (_, index) => of(index));
const logits = tensor(
  numbers((index) => ((index * 7) % 11) / 2 - 2.5),
  shape,
);
const vectors = tensor(
  numbers((index) => ((index * 5) % 7) / 3 - 1),
  shape,
);
const others = tensor(
  numbers((index) => ((index * 3) % 7) / 3 - 0.9),
  shape,
);
const labels = tensor([0, 2, 255, 1, 1, 255, 0, 2], [2, 2, 2], "int64");

/** The softmax of the vectors over their components. */
const shares = tensor(
  numbers((index) => {
    const [sample, place] = [Math.floor(index / 12), index % 4];
    const all = [0, 1, 2].map((each) => Math.exp(vectors.toArray()[sample * 12 + each * 4 + place]!));
    return all[Math.floor(index / 4) % 3]! / all.reduce((sum, each) => sum + each, 0);
  }),
  shape,
);

const [classWeights, ignoreIndex] = [[0.5, 2, 1], 255];
const maps = tensor(
  numbers((index) => ((index * 7) % 11) / 10, 80),
  [2, 2, 4, 5],
);
const points = tensor([1.25, 2, 1, 0, 0, 0, 3, 0.5, 1, 2.6, 3, 1], [2, 2, 3]);

/** Recorded with PyTorch 1.13: the loss and the gradient of the first eight predictions. */
const recorded: readonly (readonly [string, losses.Loss, Tensor, Tensor, number, readonly number[]])[] = [
  [
    "cross_entropy: weights, smoothing and an ignored class, per pixel",
    crossEntropyWith({ classWeights, labelSmoothing: 0.2, ignoreIndex }),
    logits,
    labels,
    2.158041,
    [-0.057925, 0.049295, 0, 0.235777, 0.060887, -0.01461, 0, -0.227874],
  ],
  [
    "cross_entropy: the sum of the same",
    crossEntropyWith({ classWeights, labelSmoothing: 0.2, ignoreIndex, reduction: "sum" }),
    logits,
    labels,
    15.1062873,
    [-0.405475, 0.345065, 0, 1.650442, 0.426212, -0.102272, 0, -1.595121],
  ],
  [
    "cross_entropy: smoothing and an ignored class",
    crossEntropyWith({ labelSmoothing: 0.2, ignoreIndex }),
    logits,
    labels,
    1.779087,
    [-0.137113, 0.049921, 0, 0.141959, 0.136138, -0.006101, 0, -0.13188],
  ],
  [
    "cross_entropy: weights and an ignored class",
    crossEntropyWith({ classWeights, ignoreIndex }),
    logits,
    labels,
    2.113295,
    [-0.068287, 0.052313, 0, 0.262407, 0.063107, 0.004294, 0, -0.264175],
  ],
  [
    "cross_entropy: weights and smoothing",
    crossEntropyWith({ classWeights, labelSmoothing: 0.2 }),
    logits,
    tensor([0, 2, 0, 1, 1, 0, 0, 2], [2, 2, 2], "int64"),
    2.274566,
    [-0.050684, 0.043133, -0.050684, 0.206305, 0.053276, -0.012784, 0.053276, -0.19939],
  ],
  [
    "cosine_similarity, of surface normals",
    cosineDistance,
    vectors,
    others,
    0.6553843,
    [0.012864, -0.033323, -0.153081, -0.017491, -0.00388, 0.066645, -0.061233, 0.010253],
  ],
  [
    "smooth_l1_loss, beta 0.7",
    smoothL1({ beta: 0.7 }),
    vectors,
    others,
    0.3068783,
    [-0.005952, 0.03373, -0.041667, -0.025794, 0.013889, 0.041667, -0.041667, -0.005952],
  ],
  [
    "kl_div",
    klDivergence,
    vectors,
    shares,
    -4.9282153,
    [-0.03654, -0.22422, -0.22422, -0.071316, -0.269998, -0.160661, -0.160661, -0.0511],
  ],
  [
    "binary_cross_entropy_with_logits",
    binaryCrossEntropy({ reduction: "sum" }),
    vectors,
    shares,
    15.7365653,
    [0.195861, 0.212316, 0.051559, 0.196611, 0.191063, 0.261248, 0.096108, 0.166741],
  ],
  [
    "mse_loss",
    losses.meanSquaredError,
    vectors,
    others,
    0.4618519,
    [-0.008333, 0.047222, -0.091667, -0.036111, 0.019444, 0.075, -0.063889, -0.008333],
  ],
  [
    "l1_loss",
    losses.meanAbsoluteError,
    vectors,
    others,
    0.5861111,
    [-0.041667, 0.041667, -0.041667, -0.041667, 0.041667, 0.041667, -0.041667, -0.041667],
  ],
  [
    "Dice by its formula, with an ignored class",
    dice({ ignoreIndex }),
    logits,
    labels,
    0.5065917,
    [-0.004615, 0.025673, 0, 0.011322, 0.002673, 0.002001, 0, -0.011523],
  ],
  [
    "heatmaps by their formula",
    heatmapRegression({ sigma: 0.8 }),
    maps,
    points,
    0.2705792,
    [-0.000432, 0.021939, 0.009056, 0.033199, 0.019996, 0.002164],
  ],
];

describe.each([reference, ort])("losses on $name", (engine) => {
  afterAll(() => engine.close());

  /** A loss and its gradient for predictions, of which the batch at least has a name. */
  async function run(loss: losses.Loss, prediction: Tensor, target: Tensor, named: readonly Dimension[] = []) {
    const open = ["batch", ...prediction.shape.slice(1)].map((length, axis) => named[axis] ?? length);
    const x = inputValue("x", { dtype: "float32", shape: open });
    const t = inputValue("t", loss.target(x));
    const y = loss.of(x, t);
    const [dx] = gradientsOf(y, [x]);
    const program = await engine.compile(makeGraph([x, t], { loss: y, dx: dx! }), new Map(), { threads: 1 });
    const found = await program.run({ x: prediction, t: target });
    await program.dispose();
    return { loss: found.get("loss")!.item(), gradient: found.get("dx")!.toArray() };
  }

  const near = (...values: readonly number[]) => values.map((value) => expect.closeTo(value, 5));

  test.each(recorded)("%s gives PyTorch's number and gradient", async (_, loss, prediction, target, value, slope) => {
    const found = await run(loss, prediction, target);
    expect(found.loss).toBeCloseTo(value, 5);
    expect(found.gradient.slice(0, slope.length)).toEqual(near(...slope));
  });

  test("maps of any size have a cross-entropy", async () => {
    const loss = crossEntropyWith({ classWeights, labelSmoothing: 0.2, ignoreIndex });
    const found = await run(loss, logits, labels, ["batch", 3, "height", "width"]);
    expect(found.loss).toBeCloseTo(2.158041, 5);
  });

  test.each<readonly [string, losses.Loss]>([
    ["nothing that counts", crossEntropyWith({ ignoreIndex })],
    [
      "nothing that counts, weighted and smoothed",
      crossEntropyWith({ classWeights, ignoreIndex, labelSmoothing: 0.1 }),
    ],
    ["only classes of no weight", crossEntropyWith({ classWeights: [0, 0, 0], ignoreIndex })],
  ])("of %s is 0, without a gradient", async (_, loss) => {
    const target = tensor(new Array(8).fill(255), [2, 2, 2], "int64");
    const found = await run(loss, logits, target);
    expect([found.loss, ...found.gradient].map(Math.abs)).toEqual(new Array(25).fill(0));
  });

  test("hold at logits of 10^4", async () => {
    const far = tensor([1e4, -1e4, 0, -1e4, 1e4, 1e4], [2, 3]);
    const entropy = await run(crossEntropyWith({ reduction: "sum" }), far, tensor([1, 0], [2], "int64"));
    expect(entropy.loss).toBeCloseTo(40000.6931, 2);
    expect(entropy.gradient).toEqual(near(1, -1, 0, -1, 0.5, 0.5));
    const smooth = await run(crossEntropyWith({ labelSmoothing: 0.3 }), far, tensor([0, 1], [2], "int64"));
    expect([smooth.loss, ...smooth.gradient].every(Number.isFinite)).toBe(true);
    const each = tensor([1e4, -1e4, 1e4, -1e4], [2, 2]);
    const binary = await run(binaryCrossEntropy({ reduction: "sum" }), each, tensor([0, 1, 1, 0], [2, 2]));
    expect(binary.loss).toBeCloseTo(2e4, 2);
    expect(binary.gradient).toEqual(near(1, -1, 0, 0));
    const overlap = await run(dice({ smooth: 0 }), far, tensor([0, 1], [2], "int64"));
    expect([overlap.loss, ...overlap.gradient].every(Number.isFinite)).toBe(true);
  });

  test("Dice of classes that are nowhere is an overlap, and of nothing at all is 0", async () => {
    const sure = tensor([1e4, -1e4, -1e4, 1e4, -1e4, -1e4], [2, 3]);
    expect((await run(dice({ smooth: 0 }), sure, tensor([0, 0], [2], "int64"))).loss).toBeCloseTo(0, 6);
    const none = await run(dice({ smooth: 0, ignoreIndex: 9 }), sure, tensor([9, 9], [2], "int64"));
    expect([none.loss, ...none.gradient].map(Math.abs)).toEqual([0, 0, 0, 0, 0, 0, 0]);
  });

  test("vectors of no length have no direction, and no gradient that is not a number", async () => {
    const found = await run(cosineDistance, tensor([0, 0, 0, 1, 0, 0], [2, 3]), tensor([1, 0, 0, 0, 0, 0], [2, 3]));
    expect(found.loss).toBeCloseTo(1, 6);
    expect(found.gradient.every(Number.isFinite)).toBe(true);
  });
});
