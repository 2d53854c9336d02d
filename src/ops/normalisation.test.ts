import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { tables } from "../../test/check/cases/all.ts";
import {
  randomBatchNormalisation,
  randomLocalNormalisation,
  randomNormalisation,
} from "../../test/check/cases/random-normalisation.ts";
import { checkRandomOps } from "../../test/check/properties.ts";
import { testOps } from "../../test/check/table.ts";
import { evaluateGraph } from "../engine/reference.ts";
import { makeGraph } from "../graph/graph.ts";
import { apply } from "../graph/op.ts";
import { constant, inputValue } from "../graph/value.ts";
import { tensor } from "../tensor/tensor.ts";
import * as batch from "./batch-normalisation.ts";
import * as local from "./local-normalisation.ts";
import * as sample from "./normalisation.ts";

testOps(tables.normalisation!);

describe("any normalisation works", () => {
  test.each([
    ["by the batch", randomBatchNormalisation],
    ["by the sample", randomNormalisation],
    ["by the neighbourhood", randomLocalNormalisation],
  ])("%s", (_, cases) => checkRandomOps(cases, 80));

  test("different ones are drawn", () => {
    const names = fc.sample(randomNormalisation, { seed: 1, numRuns: 100 }).map(({ name }) => name);
    expect(new Set(names).size).toBeGreaterThan(80);
  });
});

test("the odd channel of an even neighbourhood is before its own, as PyTorch has it", () => {
  const x = constant(tensor([1, 2, 3], [1, 3, 1, 1]));
  const y = local.localResponseNormalization(x, { size: 2, alpha: 2, beta: 1, bias: 1 });
  const found = evaluateGraph(makeGraph([], { y }), new Map()).outputs.get("y")!.toArray();
  expect(found).toEqual([1 / 2, 2 / 6, 3 / 14].map((each) => expect.closeTo(each, 12)));
});

describe("normalisations say what does not fit", () => {
  const value = (...shape: readonly number[]) => inputValue("x", { dtype: "float32", shape });
  const cases: [string, () => unknown, string][] = [
    [
      "a vector of other channels",
      () => apply(batch.BatchNormalization, [value(2, 3, 4), value(3), value(3), value(2), value(3)]),
      "BatchNormalization: found an input of 2x3x4 and a vector of 2; expected one number for each of the 3 channels.",
    ],
    [
      "no channels",
      () => apply(batch.BatchNormalization, [value(2), value(3), value(3), value(3), value(3)]),
      "BatchNormalization: found 2; expected [batch, channels, ...].",
    ],
    [
      "no maps",
      () => sample.instanceNormalization(value(2, 3), value(3), value(3)),
      "InstanceNormalization: found 2x3; expected [batch, channels, size, ...]: maps to normalise.",
    ],
    [
      "groups that channels do not fill",
      () => sample.groupNormalization(value(2, 4, 5), value(4), value(4), 3),
      "GroupNormalization: found 4 channels in 3 groups; expected whole groups.",
    ],
    [
      "no groups",
      () => sample.groupNormalization(value(2, 4, 5), value(4), value(4), 0),
      "GroupNormalization: found 4 channels in 0 groups; expected whole groups.",
    ],
    [
      "an axis there is not",
      () => sample.layerNormalization(value(2, 4), value(4), undefined, 2 ** 31),
      "LayerNormalization: found axis 2147483648; expected an axis between -2 and 1.",
    ],
    [
      "a scale with more axes than the input",
      () => sample.layerNormalization(value(2, 4), value(1, 2, 4)),
      "LayerNormalization: found an input of 2x4 and a scale or bias of 1x2x4; expected one that broadcasts to the input.",
    ],
    [
      "a norm there is not",
      () => local.lpNormalization(value(2, 4), 1, 3 as 1),
      "LpNormalization: found p 3; expected 1 or 2.",
    ],
    [
      "a neighbourhood of nothing",
      () => local.localResponseNormalization(value(2, 4), { size: 0 }),
      "LRN: found size 0; expected a whole number of at least 1.",
    ],
  ];

  test.each(cases)("%s", (_, body, sentence) => {
    expect(body).toThrow(sentence);
  });
});
