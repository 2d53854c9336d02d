/** Which convolutions are by Winograd's algorithm, within which memory. */
import { afterAll, describe, expect, test } from "vitest";
import { gradientsOf } from "../../autodiff/gradient.ts";
import { makeGraph } from "../../graph/graph.ts";
import { bind } from "../../graph/rewrite.ts";
import type { Node } from "../../graph/value.ts";
import { Model } from "../../models/model.ts";
import { relu } from "../../nn/activations.ts";
import { residual } from "../../nn/blocks.ts";
import { conv2d } from "../../nn/convolution.ts";
import { maxPool2d } from "../../nn/pooling.ts";
import { sequential } from "../../nn/scope.ts";
import { reduceSum } from "../../ops/core/reduce.ts";
import { Random } from "../../tensor/random.ts";
import { type Shape, sizeOf } from "../../tensor/shape.ts";
import { Tensor } from "../../tensor/tensor.ts";
import { reference } from "../reference.ts";
import { dnnl, missing } from "./library.ts";
import { onednn } from "./onednn.ts";
import { type Cost, costOf, type Transform, transformsOf } from "./winograd.ts";

const conv = (channels: number) => conv2d({ channels, kernel: 3, padding: 1 });

/** Convolutions of 32 channels with 256, 64 and 64 tiles in an image, of 64 with 64 and with 16. */
const model = Model.build(
  sequential({
    first: conv2d({ channels: 32, kernel: 1 }),
    large: conv(32),
    relu: relu(),
    pool: maxPool2d({ kernel: 2 }),
    residual: residual({ body: sequential({ one: conv(32), relu: relu(), two: conv(32) }) }),
    wide: conv(64),
    wider: conv(64),
    smaller: maxPool2d({ kernel: 2 }),
    small: conv(64),
  }),
  { name: "winograd", input: [3, 64, 64], seed: 1 },
);
const graph = bind(model.graph, { batch: 1 });
const weights = 4 * 9 * (32 * 32 * 3 + 32 * 64 + 64 * 64 * 2) + 4 * 3 * 32;
/** What ReLU reads and writes after the first convolution. */
const largest = 2 * 4 * 32 * 64 * 64;

const named = (transforms: ReadonlyMap<Node, Transform>): Record<string, Transform> =>
  Object.fromEntries([...transforms].map(([{ scope }, transform]) => [scope.split(/[./]/).at(-1), transform]));

/** What is chosen where every convolution takes these bytes. */
const chosen = (cost: (node: Node, transform: Transform) => Cost | undefined) => named(transformsOf(graph, cost));
const free: Cost = { lasting: 0, passing: 0 };

describe("Winograd's algorithm", () => {
  test("is for convolutions of enough tiles; weights of few enough are transformed once", () => {
    const all = { large: "always", one: "once", two: "once", wide: "once", wider: "once", small: "once" };
    expect(chosen(() => free)).toEqual(all);
    expect(chosen(() => undefined)).toEqual({});
    const only = (one: Transform) => chosen((_, transform) => (transform === one ? free : undefined));
    const always = { large: "always", one: "always", two: "always", wide: "always", wider: "always" };
    expect(only("always")).toEqual(always);
    const halves = { large: "halves", one: "halves", two: "halves", wide: "halves", wider: "halves" };
    expect(only("halves")).toEqual(halves);
    expect(only("quarters")).toEqual({ wide: "quarters", wider: "quarters" });
  });

  test("keeps transformed weights in 12 of 100 of the weights' bytes, those of the fewest tiles first", () => {
    const room = 0.12 * weights;
    const lasting = (part: number) => (_: Node, transform: Transform) =>
      transform === "once" ? { lasting: part * room, passing: 0 } : free;
    expect(chosen(lasting(0.4))).toEqual({
      large: "always",
      one: "once",
      two: "always",
      wide: "always",
      wider: "always",
      small: "once",
    });
    expect(Object.values(chosen(lasting(0.19))).filter((each) => each === "once").length).toBe(5);
    expect(Object.values(chosen(lasting(1.1)))).not.toContain("once");
  });

  test("is left where its scratchpad would be more than the largest maps leave, and 8 MiB", () => {
    const wide = 2 * 4 * 64 * 32 * 32;
    const passing = (bytes: number) => () => ({ lasting: 0, passing: bytes });
    expect(Object.keys(chosen(passing(2 ** 23)))).toContain("large");
    expect(Object.keys(chosen(passing(2 ** 23 + 1)))).not.toContain("large");
    expect(Object.keys(chosen(passing(largest + 2 ** 23 - wide)))).toContain("wider");
    expect(chosen(passing(largest + 2 ** 23))).toEqual({});
  });
});

test("the forward pass is direct where gradients take the side of a kink that it was on", () => {
  const { inputs, outputs } = graph;
  const [logits] = outputs.values();
  const gradients = gradientsOf(reduceSum(logits!), [inputs[0]!]);
  expect(transformsOf(makeGraph(inputs, { gradient: gradients[0]! }), () => free).size).toBe(0);
});

describe.skipIf(missing() !== undefined)("oneDNN", () => {
  afterAll(() => Promise.all([onednn.close(), reference.close()]));

  /** A graph's choices, and how far its numbers are from the reference's, as a part of the largest. */
  async function computed({ graph, variables }: Pick<Model, "graph" | "variables">) {
    const transforms = named(transformsOf(graph, (node, transform) => costOf(dnnl(), node, transform)));
    const random = new Random(1, "winograd");
    const [input] = graph.inputs;
    const shape = input!.shape as Shape;
    const image = new Tensor(
      "float32",
      shape,
      Float32Array.from({ length: sizeOf(shape) }, () => random.normal()),
    );
    const [ours, theirs] = await Promise.all(
      [onednn, reference].map(async (engine) => {
        const program = await engine.compile(graph, variables);
        return [...(await program.run({ [input!.source.name]: image })).values()][0]!.toArray();
      }),
    );
    const largestOf = (numbers: readonly number[]) => numbers.reduce((most, each) => Math.max(most, Math.abs(each)), 0);
    const apart = theirs!.map((each, index) => each - ours![index]!);
    return { transforms, error: largestOf(apart) / largestOf(theirs!) };
  }

  test("gives the reference's numbers, however weights are transformed", async () => {
    const { transforms, error } = await computed({ graph, variables: model.variables });
    const version = (await onednn.about()).version!;
    if (version.startsWith("2.")) expect(new Set(Object.values(transforms))).toEqual(new Set(["once", "always"]));
    expect(error).toBeLessThan(1e-5);
  });

  test.each([
    ["halves", 128],
    ["quarters", 192],
  ] as const)("takes filters by %s where the scratchpad of all would be too large", async (parts, channels) => {
    const network = sequential({ first: conv2d({ channels, kernel: 1 }), relu: relu(), wide: conv(channels) });
    const wide = Model.build(network, { name: "parts", input: [3, 28, 28], seed: 1 });
    const { transforms, error } = await computed({ graph: bind(wide.graph, { batch: 1 }), variables: wide.variables });
    const version = (await onednn.about()).version!;
    if (version.startsWith("2.")) expect(transforms).toEqual({ wide: parts });
    expect(error).toBeLessThan(1e-5);
  });
});
