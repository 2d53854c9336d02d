import { describe, expect, test } from "vitest";
import { evaluateGraph } from "../engine/reference.ts";
import { makeGraph } from "../graph/graph.ts";
import { training } from "../graph/training.ts";
import { type Dimension, inputValue } from "../graph/value.ts";
import { type Tensor, tensor } from "../tensor/tensor.ts";
import {
  branches,
  channelShuffle,
  denseConnection,
  highway,
  spatialDropout,
  squeezeExcitation,
  stochasticDepth,
} from "./blocks.ts";
import { conv2d } from "./convolution.ts";
import { fill } from "./initialisers.ts";
import { linear, relu, sequential } from "./layers.ts";
import { type Layer, Scope } from "./scope.ts";

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

describe("blocks", () => {
  test.each([
    ["highway", highway({ body: sequential({ conv }), gate: conv }), [3, 5, 4]],
    ["squeezeExcitation", squeezeExcitation({ squeeze: 2 }), [3, 5, 4]],
    ["denseConnection", denseConnection({ body: sequential({ conv, relu: relu() }) }), [6, 5, 4]],
    ["branches", branches({ a: conv, b: conv2d({ channels: 2, kernel: 1 }) }), [5, 5, 4]],
    ["channelShuffle", channelShuffle({ groups: 3 }), [3, 5, 4]],
    ["spatialDropout", spatialDropout(), [3, 5, 4]],
    ["stochasticDepth", stochasticDepth({ ratio: 0.5 }), [3, 5, 4]],
  ])("%s has the shape it should, with the batch open", (_, layer, expected) => {
    expect(build(layer, [3, 5, 4]).shape).toEqual(["batch", ...expected]);
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
    expect(run(build(highway({ body: body!, gate: gate! }), [2]), { x: tensor([1, 2], [1, 2]) })).toEqual([15.5, 16]);
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

  test("bad options are refused", () => {
    expect(() => build(stochasticDepth({ ratio: 1 }), [3])).toThrow(
      "stochasticDepth: found a ratio of 1; expected at least 0 and below 1.",
    );
    expect(() => build(channelShuffle({ groups: 4 }), [6, 1, 1])).toThrow(
      "channelShuffle: found an input of batchx6x1x1 in 4 groups; expected whole groups of channels.",
    );
    expect(() => branches({})).toThrow("branches: found no layers; expected at least one.");
    expect(() => squeezeExcitation({ squeeze: 0 })).toThrow("squeezeExcitation: found squeeze 0; expected a whole");
  });
});
