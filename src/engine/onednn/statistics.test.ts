import { afterAll, describe, expect, test } from "vitest";
import { makeGraph } from "../../graph/graph.ts";
import { apply } from "../../graph/op.ts";
import { inputValue } from "../../graph/value.ts";
import { BatchNormalizationTraining } from "../../ops/batch-normalisation.ts";
import { conv } from "../../ops/conv.ts";
import { Random } from "../../tensor/random.ts";
import { type Shape, sizeOf } from "../../tensor/shape.ts";
import { full, Tensor } from "../../tensor/tensor.ts";
import { reference } from "../reference.ts";
import { missing } from "./library.ts";
import { onednn } from "./onednn.ts";

const random = new Random(1, "statistics");
/** About 3, with a deviation of 0.3. */
const numbers = (shape: Shape): Tensor =>
  new Tensor(
    "float32",
    shape,
    Float32Array.from({ length: sizeOf(shape) }, () => random.uniform() + 2.5),
  );

describe.skipIf(missing() !== undefined)("the statistics of a batch", () => {
  afterAll(() => Promise.all([onednn.close(), reference.close()]));

  test.each<[string, Shape, boolean]>([
    ["in blocks", [3, 48, 60, 60], true],
    ["in blocks that are filled up", [2, 24, 60, 60], true],
    ["channels-last", [3, 20, 60, 60], false],
    ["of long maps", [3, 16, 1, 999], true],
    ["of one axis", [7, 5, 500], false],
    ["of three axes", [2, 3, 12, 12, 12], false],
    ["of rows", [3000, 6], false],
  ])("keep their digits %s", async (_, shape, inBlocks) => {
    const channels = shape[1]!;
    const x = inputValue("x", { dtype: "float32", shape });
    const w = inputValue("w", { dtype: "float32", shape: [channels, channels, 1, 1] });
    const [scale, shift] = ["scale", "shift"].map((name) => inputValue(name, { dtype: "float32", shape: [channels] }));
    const maps = inBlocks ? conv(x, w, undefined, { kernel_shape: [1, 1] }) : x;
    const [y, mean, variance] = apply(BatchNormalizationTraining, [maps, scale, shift], { epsilon: 1e-5 });
    const graph = makeGraph(inBlocks ? [x, w, scale!, shift!] : [x, scale!, shift!], {
      y: y!,
      mean: mean!,
      variance: variance!,
    });
    const identity = full([channels, channels, 1, 1], 0);
    for (let channel = 0; channel < channels; channel++) identity.data[channel * (channels + 1)] = 1;
    const feeds = { x: numbers(shape), scale: full([channels], 1), shift: full([channels], 0) };
    const [ours, theirs] = await Promise.all(
      [onednn, reference].map(async (engine) => {
        const program = await engine.compile(graph, new Map());
        return program.run(inBlocks ? { ...feeds, w: identity } : feeds);
      }),
    );
    for (const [name, allowed] of [
      ["mean", 3e-7],
      ["variance", 3e-8],
      ["y", 2e-6],
    ] as const) {
      const [found, wanted] = [ours!, theirs!].map((each) => each.get(name)!.toArray());
      const worst = wanted!.reduce((most, each, index) => Math.max(most, Math.abs(each - found![index]!)), 0);
      expect(worst, name).toBeLessThan(allowed);
    }
  });
});
