import type { Attributes } from "../../../src/graph/op.ts";
import type { Dimension } from "../../../src/graph/value.ts";
import * as batch from "../../../src/ops/batch-normalisation.ts";
import * as local from "../../../src/ops/local-normalisation.ts";
import * as sample from "../../../src/ops/normalisation.ts";
import { moving, type OpCase, type OperandSpec, row } from "../case.ts";
import { awayFromZero, exactly, uniform } from "../draw.ts";

const lengths = { height: 3, width: 2 };
const vector = (channels: number): OperandSpec => moving([channels]);
const positive = (channels: number): OperandSpec => moving([channels], uniform(0.3, 2));

const inputs: readonly { readonly name: string; readonly x: readonly Dimension[] }[] = [
  { name: "features", x: [5, 3] },
  { name: "features of a named batch", x: ["batch", 2] },
  { name: "sequences", x: ["batch", 3, 4] },
  { name: "maps", x: ["batch", 3, "height", "width"] },
  { name: "volumes", x: [2, 2, 2, 3, 2] },
];

const fields = (x: readonly Dimension[], attributes: Attributes = {}) => ({
  attributes,
  dimensions: { ...lengths, ...(x.length === 2 ? { batch: 4 } : {}) },
});

export const batchNormalisationCases: readonly OpCase[] = inputs.flatMap(({ name, x }) => {
  const channels = x[1] as number;
  const statistics = [vector(channels), positive(channels)];
  const affine = [moving(x), vector(channels), vector(channels)];
  return [
    row(batch.BatchNormalization, name, [...affine, ...statistics], fields(x)),
    row(batch.BatchNormalization, `${name}, by the batch`, [...affine, ...statistics], {
      ...fields(x, { training_mode: 1, momentum: 0.75, epsilon: 0.125 }),
    }),
    row(batch.BatchNormalizationTraining, name, affine, fields(x, { epsilon: 0.125 })),
    row(
      batch.BatchNormalizationGradient,
      name,
      [moving(x), vector(channels), ...statistics, moving(x)],
      fields(x, { epsilon: 0.25 }),
    ),
  ];
});

const maps = inputs.filter(({ x }) => x.length > 2);

export const normalisationCases: readonly OpCase[] = [
  ...maps.map(({ name, x }) =>
    row(
      sample.InstanceNormalization,
      name,
      [moving(x), vector(x[1] as number), vector(x[1] as number)],
      fields(x, { epsilon: 0.125 }),
    ),
  ),
  ...[1, 2, 4].flatMap((groups) => [
    row(
      sample.GroupNormalization,
      `maps, ${groups} groups`,
      [moving(["batch", 4, "height", "width"]), vector(4), vector(4)],
      fields([], { num_groups: groups, epsilon: 0.125 }),
    ),
    row(
      sample.GroupNormalization,
      `sequences, ${groups} groups`,
      [moving(["batch", 4, 3]), vector(4), vector(4)],
      fields([], { num_groups: groups, epsilon: 0.125 }),
    ),
  ]),
  row(sample.LayerNormalization, "the last axis", [moving(["batch", 3, 4]), vector(4), vector(4)]),
  row(sample.LayerNormalization, "the last axis, no bias", [moving(["batch", 3, 4]), vector(4)]),
  row(sample.LayerNormalization, "two axes", [moving(["batch", 3, 4]), moving([3, 4]), moving([3, 4])], {
    attributes: { axis: 1, epsilon: 0.125 },
  }),
  row(sample.LayerNormalization, "all axes", [moving(["batch", 3]), moving([3]), moving([3])], {
    attributes: { axis: 0, epsilon: 0.125 },
  }),
];

export const localNormalisationCases: readonly OpCase[] = [
  ...[1, 2].flatMap((p) => [
    row(local.LpNormalization, `the last axis, p ${p}`, [moving(["batch", 3, 4], awayFromZero())], {
      attributes: { p },
    }),
    row(local.LpNormalization, `the channels, p ${p}`, [moving(["batch", 3, 4], awayFromZero())], {
      attributes: { p, axis: 1 },
    }),
    row(
      local.LpNormalization,
      `nothing but zeros, p ${p}`,
      [{ ...moving([2, 2], exactly(0, 0, 0, 0)), differentiable: false }],
      {
        attributes: { p },
      },
    ),
  ]),
  ...[1, 2, 3, 5, 9].map((size) =>
    row(local.LRN, `size ${size}`, [moving(["batch", 5, "height", "width"])], {
      attributes: { size, alpha: 0.5, beta: 0.5, bias: 2 },
      dimensions: lengths,
      // ONNX Runtime takes odd sizes only.
      except: size % 2 === 0 ? ["ort"] : [],
    }),
  ),
  row(local.LRN, "AlexNet's", [moving(["batch", 6, 2, 3])], { attributes: { size: 5, bias: 2 } }),
  // ONNX Runtime takes maps only.
  row(local.LRN, "sequences", [moving(["batch", 6, 3])], { attributes: { size: 3, alpha: 0.25 }, except: ["ort"] }),
];
