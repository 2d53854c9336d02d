import { afterAll, describe, expect, test } from "vitest";
import { checkLayer } from "../../test/check/layer.ts";
import { ort } from "../engine/ort/ort.ts";
import { evaluateGraph } from "../engine/reference.ts";
import { makeGraph } from "../graph/graph.ts";
import { training } from "../graph/training.ts";
import { type Dimension, inputValue } from "../graph/value.ts";
import { type Tensor, tensor } from "../tensor/tensor.ts";
import { tanh } from "./activations.ts";
import {
  branches,
  channelShuffle,
  denseConnection,
  highway,
  projectionShortcut,
  residual,
  skipConnection,
  squeezeExcitation,
  zeroPaddingShortcut,
} from "./blocks.ts";
import { conv1d, conv2d } from "./convolution.ts";
import { spatialDropout, stochasticDepth } from "./dropout.ts";
import { fill } from "./initialisers.ts";
import { linear } from "./linear.ts";
import { type Layer, Scope, sequential } from "./scope.ts";

function build(layer: Layer, shape: readonly Dimension[]) {
  const x = inputValue("x", { dtype: "float32", shape: ["batch", ...shape] });
  const scope = new Scope();
  const graph = makeGraph([x], { y: layer(x, scope) });
  return { graph, variables: scope.initialise(1), shape: graph.outputs.get("y")!.shape };
}

const run = ({ graph, variables }: ReturnType<typeof build>, feeds: Readonly<Record<string, Tensor>>) =>
  evaluateGraph(graph, new Map([...variables, ...Object.entries(feeds)]))
    .outputs.get("y")!
    .toArray();

const conv = conv2d({ channels: 3, kernel: 3, padding: "same" });

const names = (name: string) => [`${name}.weight 3x3x3x3`, `${name}.bias 3`];

const row = (name: string, layer: Layer, input: number[], output: number[], ...parameters: string[]) => ({
  name,
  layer,
  input,
  output,
  parameters,
});

afterAll(() => ort.close());

describe("blocks", () => {
  test.each([
    row("residual", residual({ body: sequential({ conv }) }), [3, 4, 3], [3, 4, 3], ...names("conv")),
    row(
      "residual with a projection shortcut",
      residual({
        body: sequential({ conv: conv2d({ channels: 4, kernel: 3, stride: 2, padding: 1 }) }),
        shortcut: projectionShortcut({ channels: 4, stride: 2 }),
      }),
      [3, 5, 4],
      [4, 3, 2],
      "conv.weight 4x3x3x3",
      "conv.bias 4",
      "shortcut.weight 4x3x1x1",
    ),
    row(
      "residual with a zero-padding shortcut, over lines",
      residual({
        body: sequential({ conv: conv1d({ channels: 5, kernel: 3, stride: 2, padding: 1, bias: false }) }),
        shortcut: zeroPaddingShortcut({ channels: 5, stride: 2 }),
      }),
      [2, 7],
      [5, 4],
      "conv.weight 5x2x3",
    ),
    row(
      "highway",
      highway({ body: sequential({ conv, tanh: tanh() }), gate: conv, carry: 2 }),
      [3, 3, 4],
      [3, 3, 4],
      ...names("gate"),
      ...names("body.conv"),
    ),
    row(
      "squeezeExcitation",
      squeezeExcitation({ squeeze: 2, activation: tanh() }),
      [3, 3, 4],
      [3, 3, 4],
      "fc1.weight 2x3x1x1",
      "fc1.bias 2",
      "fc2.weight 3x2x1x1",
      "fc2.bias 3",
    ),
    row(
      "squeezeExcitation over volumes",
      squeezeExcitation({ squeeze: 1, activation: tanh() }),
      [2, 2, 3, 2],
      [2, 2, 3, 2],
      "fc1.weight 1x2x1x1x1",
      "fc1.bias 1",
      "fc2.weight 2x1x1x1x1",
      "fc2.bias 2",
    ),
    row("denseConnection", denseConnection({ body: sequential({ conv }) }), [3, 3, 4], [6, 3, 4], ...names("conv")),
    row(
      "branches",
      branches({ a: conv, b: conv2d({ channels: 2, kernel: 1 }) }),
      [3, 3, 4],
      [5, 3, 4],
      ...names("a"),
      "b.weight 2x3x1x1",
      "b.bias 2",
    ),
    row(
      "branches, added",
      branches({ a: conv, b: conv2d({ channels: 3, kernel: 1 }), same: (x) => x }, { join: "add" }),
      [3, 3, 4],
      [3, 3, 4],
      ...names("a"),
      "b.weight 3x3x1x1",
      "b.bias 3",
    ),
    row("channelShuffle", channelShuffle({ groups: 3 }), [6, 2, 3], [6, 2, 3]),
    row("channelShuffle of lines", channelShuffle({ groups: 2 }), [4, 3], [4, 3]),
    row(
      "skipConnection",
      skipConnection({ body: sequential({ conv: conv2d({ channels: 3, kernel: [2, 3] }) }) }),
      [3, 4, 5],
      [6, 3, 3],
      "conv.weight 3x3x2x3",
      "conv.bias 3",
    ),
    row(
      "skipConnection over lines, nothing cut",
      skipConnection({ body: sequential({ conv: conv1d({ channels: 1, kernel: 3, padding: 1 }) }) }),
      [2, 5],
      [3, 5],
      "conv.weight 1x2x3",
      "conv.bias 1",
    ),
    row("spatialDropout", spatialDropout(), [3, 2, 4], [3, 2, 4]),
    row("stochasticDepth", stochasticDepth({ ratio: 0.5 }), [3, 2, 4], [3, 2, 4]),
  ])("$name has its shape, its parameters, its gradients and ONNX Runtime's numbers", async (layerCase) => {
    await expect(checkLayer(layerCase, [ort])).resolves.toBeUndefined();
  });

  test("sizes that have names stay open", () => {
    const open = ["height", "width"];
    const narrow = sequential({ conv: conv2d({ channels: 3, kernel: 3 }) });
    expect(build(skipConnection({ body: narrow }), [3, ...open]).shape).toEqual(["batch", 6, "height-2", "width-2"]);
    expect(build(squeezeExcitation({ squeeze: 2 }), [3, ...open]).shape).toEqual(["batch", 3, ...open]);
    expect(build(highway({ body: conv, gate: conv }), [3, ...open]).shape).toEqual(["batch", 3, ...open]);
    expect(build(zeroPaddingShortcut({ channels: 4 }), [3, ...open]).shape).toEqual(["batch", 4, ...open]);
  });

  test("a zero-padding shortcut keeps every second element and adds maps of zeros", () => {
    const x = tensor([1, 2, 3, 4, 5, 6, 7, 8, 9], [1, 1, 3, 3]);
    const made = run(build(zeroPaddingShortcut({ channels: 2, stride: 2 }), [1, 3, 3]), { x });
    expect(made).toEqual([1, 3, 7, 9, 0, 0, 0, 0]);
  });

  test("a projection shortcut is a matrix for the channels of every second element", () => {
    const x = tensor([1, 2, 3, 4, 5, 6, 7, 8, 9], [1, 1, 3, 3]);
    const made = build(projectionShortcut({ channels: 2, stride: 2 }), [1, 3, 3]);
    const [a, b] = made.variables.get("weight")!.toArray();
    expect(run(made, { x })).toEqual(
      [1, 3, 7, 9]
        .flatMap((each) => [a! * each])
        .concat([1, 3, 7, 9].map((each) => b! * each))
        .map((each) => expect.closeTo(each, 5)),
    );
  });

  test("the middle of what is skipped is kept, beside what went through the body", () => {
    const line = tensor([1, 2, 3, 4, 5, 6, 7, 8], [1, 1, 8]);
    const window = conv1d({ channels: 1, kernel: 4, bias: false, initialiser: fill(1) });
    expect(run(build(skipConnection({ body: window }), [1, 8]), { x: line })).toEqual([
      2, 3, 4, 5, 6, 10, 14, 18, 22, 26,
    ]);
  });

  test("squeeze-and-excitation multiplies each map by the gate that the means of all maps make", () => {
    const built = build(squeezeExcitation({ squeeze: 2 }), [3, 1, 2]);
    const x = tensor([1, 2, -3, 5, 0.5, 0.25], [1, 3, 1, 2]);
    const [w1, w2] = ["fc1.weight", "fc2.weight"].map((name) => built.variables.get(name)!.toArray());
    const means = [1.5, 1, 0.375];
    const hidden = [0, 1].map((row) =>
      Math.max(
        0,
        means.reduce((sum, mean, at) => sum + w1![3 * row + at]! * mean, 0),
      ),
    );
    const gates = [0, 1, 2].map(
      (row) => 1 / (1 + Math.exp(-(w2![2 * row]! * hidden[0]! + w2![2 * row + 1]! * hidden[1]!))),
    );
    const expected = x.toArray().map((each, at) => expect.closeTo(each * gates[Math.floor(at / 2)]!, 5));
    expect(Math.max(...hidden)).toBeGreaterThan(0);
    expect(run(built, { x })).toEqual(expected);
  });

  test("squeeze-and-excitation has torchvision's names", () => {
    const { variables } = build(sequential({ se: squeezeExcitation({ squeeze: 2 }) }), [4, 3, 3]);
    expect([...variables].map(([name, { shape }]) => `${name} ${shape.join("x")}`)).toEqual([
      "se.fc1.weight 2x4x1x1",
      "se.fc1.bias 2",
      "se.fc2.weight 4x2x1x1",
      "se.fc2.bias 4",
    ]);
  });

  test("a highway carries its input as far as its gate is closed", () => {
    const [body, gate] = [10, 0].map((value) => linear({ features: 2, bias: false, initialiser: fill(value) }));
    const x = tensor([1, 2], [1, 2]);
    expect(run(build(highway({ body: body!, gate: gate! }), [2]), { x })).toEqual([15.5, 16]);
    const share = 1 / (1 + Math.exp(3));
    const carried = [1, 2].map((each) => expect.closeTo(share * 30 + (1 - share) * each, 5));
    expect(run(build(highway({ body: body!, gate: gate!, carry: 3 }), [2]), { x })).toEqual(carried);
  });

  test("a dense connection keeps its input before what it adds", () => {
    const body = linear({ features: 1, bias: false, initialiser: fill(1) });
    expect(run(build(denseConnection({ body }), [2]), { x: tensor([1, 2], [1, 2]) })).toEqual([1, 2, 3]);
  });

  test("channels are dealt out to the groups", () => {
    const x = tensor([0, 1, 2, 3, 4, 5], [1, 6, 1, 1]);
    expect(run(build(channelShuffle({ groups: 2 }), [6, 1, 1]), { x })).toEqual([0, 3, 1, 4, 2, 5]);
  });

  test("spatial dropout drops maps, stochastic depth samples, both in training only", () => {
    const x = tensor([1, 2, 3, 4, 5, 6, 7, 8], [2, 2, 2]);
    const maps = build(sequential({ drop: spatialDropout({ ratio: 0.5 }) }), [2, 2]);
    expect(run(maps, { x })).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    const draws = tensor([0.1, 0.9, 0.5, 0.4], [2, 2, 1]);
    const feeds = { x, "drop.uniform": draws };
    expect(run({ ...maps, graph: training(maps.graph) }, feeds)).toEqual([0, 0, 6, 8, 10, 12, 0, 0]);
    const samples = build(sequential({ drop: stochasticDepth({ ratio: 0.5 }) }), [2, 2]);
    const trained = { ...samples, graph: training(samples.graph) };
    expect(run(trained, { x, "drop.uniform": tensor([0.1, 0.9], [2, 1, 1]) })).toEqual([0, 0, 0, 0, 10, 12, 14, 16]);
  });

  test("branches are added as they are", () => {
    const identity: Layer = (x) => x;
    const layer = branches({ a: identity, b: identity, c: tanh() }, { join: "add" });
    const found = run(build(layer, [1, 2]), { x: tensor([0.5, -1], [1, 1, 2]) });
    expect(found).toEqual([1 + Math.tanh(0.5), -2 - Math.tanh(1)].map((value) => expect.closeTo(value, 6)));
  });

  test("bad options are refused", () => {
    expect(() => build(stochasticDepth({ ratio: 1 }), [3])).toThrow(
      "stochasticDepth: found a ratio of 1; expected at least 0 and below 1.",
    );
    expect(() => build(channelShuffle({ groups: 4 }), [6, 1, 1])).toThrow(
      "channelShuffle: found an input of batchx6x1x1 in 4 groups; expected whole groups of channels.",
    );
    expect(() => branches({})).toThrow("branches: found no layers; expected at least one.");
    const uneven = branches({ a: conv, b: conv2d({ channels: 1, kernel: 1 }) }, { join: "add" });
    expect(() => build(uneven, [3, 4, 4])).toThrow(
      'branches: found branch "b" of batchx1x4x4; expected batchx3x4x4. Give the branches one shape, or concatenate them.',
    );
    expect(() => build(residual({ body: conv2d({ channels: 1, kernel: 1 }) }), [3, 4, 4])).toThrow(
      "residual: found a body of batchx1x4x4; expected batchx3x4x4. " +
        "Give it a shortcut that makes them one, such as `projectionShortcut`.",
    );
    expect(() => build(highway({ body: conv, gate: conv2d({ channels: 1, kernel: 1 }) }), [3, 4, 4])).toThrow(
      "highway: found a gate of batchx1x4x4; expected batchx3x4x4.",
    );
    expect(() => build(zeroPaddingShortcut({ channels: 2 }), [3, 4, 4])).toThrow(
      "zeroPaddingShortcut: found 2 channels; expected at least the input's 3.",
    );
    expect(() => build(projectionShortcut({ channels: 2 }), [3])).toThrow(
      "pointwiseConv: found an input of batchx3; expected [batch, channels, size, ...].",
    );
    const wider = conv2d({ channels: 2, kernel: 1, padding: 1 });
    expect(() => build(skipConnection({ body: wider }), [3, 4, 5])).toThrow(
      "cropAndConcatenate: found maps of 4x5 to be cut to 6x7; expected sizes known to be at least as large.",
    );
    const halved = conv2d({ channels: 2, kernel: 2, stride: 2 });
    expect(() => build(skipConnection({ body: halved }), [3, "height", 5])).toThrow(
      "cropAndConcatenate: found maps of heightx5 to be cut to floor((height-2)/2)+1x2; expected sizes known to be at",
    );
    expect(() => squeezeExcitation({ squeeze: 0 })).toThrow("squeezeExcitation: found squeeze 0; expected a whole");
  });
});
