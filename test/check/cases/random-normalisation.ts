/** Normalisations of every kind and shape, drawn at random: for properties that hold for all of them. */
import fc from "fast-check";
import type { Dimension } from "../../../src/graph/value.ts";
import * as batch from "../../../src/ops/batch-normalisation.ts";
import { LpNormalization, LRN } from "../../../src/ops/local-normalisation.ts";
import { GroupNormalization, InstanceNormalization, LayerNormalization } from "../../../src/ops/normalisation.ts";
import { moving, type OpCase, row } from "../case.ts";
import { awayFromZero, uniform } from "../draw.ts";

const lengths = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 3 });
/** Exact in 32 bits, and large enough that tiny variances do not make tiny differences of large numbers. */
const epsilon = fc.constantFrom(0.125, 0.25, 0.5);
const maps = fc.record({
  batch: fc.constantFrom<Dimension>(2, 3, "batch"),
  channels: fc.integer({ min: 1, max: 4 }),
  lengths,
  epsilon,
});
const named = (...parts: readonly unknown[]) => parts.map((part) => JSON.stringify(part)).join(" ");

export const randomBatchNormalisation: fc.Arbitrary<OpCase> = fc
  .record({ maps, kind: fc.constantFrom("given", "by the batch", "training", "gradient") })
  .map(({ maps: { batch: samples, channels, lengths: spatial, epsilon: added }, kind }) => {
    const x = [samples, channels, ...spatial];
    const vector = moving([channels]);
    const statistics = [vector, moving([channels], uniform(0.3, 2))];
    const name = named(x, added, kind);
    const attributes = { epsilon: added };
    if (kind === "training")
      return row(batch.BatchNormalizationTraining, name, [moving(x), vector, vector], { attributes });
    if (kind === "gradient") {
      const operands = [moving(x), vector, ...statistics, moving(x)];
      return row(batch.BatchNormalizationGradient, name, operands, { attributes });
    }
    const training_mode = kind === "given" ? 0 : 1;
    return row(batch.BatchNormalization, name, [moving(x), vector, vector, ...statistics], {
      attributes: { ...attributes, training_mode, momentum: 0.75 },
    });
  });

export const randomNormalisation: fc.Arbitrary<OpCase> = fc
  .record({
    maps,
    groups: fc.integer({ min: 1, max: 3 }),
    kind: fc.constantFrom("instance", "group", "layer"),
    axis: fc.nat(),
  })
  .map(({ maps: { batch: samples, channels, lengths: spatial, epsilon: added }, groups, kind, axis }) => {
    // One number has no variance, and normalised is zero.
    const map = [...spatial.slice(1), spatial[0]! + 1];
    const attributes = { epsilon: added };
    if (kind === "instance") {
      const operands = [moving([samples, channels, ...map]), moving([channels]), moving([channels])];
      return row(InstanceNormalization, named(samples, channels, map, added), operands, { attributes });
    }
    if (kind === "group") {
      const all = channels * groups;
      const operands = [moving([samples, all, ...map]), moving([all]), moving([all])];
      return row(GroupNormalization, named(samples, all, groups, map, added), operands, {
        attributes: { ...attributes, num_groups: groups },
      });
    }
    const x = [samples, channels, ...map];
    const from = 1 + (axis % (x.length - 1));
    const scale = moving(x.slice(from));
    return row(LayerNormalization, named(x, from, added), [moving(x), scale, scale], {
      attributes: { ...attributes, axis: from },
    });
  });

export const randomLocalNormalisation: fc.Arbitrary<OpCase> = fc
  .record({
    maps,
    size: fc.constantFrom(1, 3, 5),
    beta: fc.constantFrom(0.5, 0.75, 1),
    alpha: fc.constantFrom(0.125, 0.5),
    p: fc.constantFrom(1, 2),
    axis: fc.nat(),
    kind: fc.constantFrom("response", "norm"),
  })
  .map(({ maps: { batch: samples, channels, lengths: spatial }, size, beta, alpha, p, axis, kind }) => {
    const [height = 1, width = 1] = spatial;
    const x = [samples, channels, height, width];
    if (kind === "response")
      return row(LRN, named(x, size, beta, alpha), [moving(x)], { attributes: { size, beta, alpha, bias: 2 } });
    const along = axis % 4;
    const long = x.with(along, 3);
    return row(LpNormalization, named(long, p, along), [moving(long, awayFromZero())], {
      attributes: { p, axis: along },
    });
  });
