/** Every family's gradients, at random, against differences in float64: counted, and the worst error kept. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { mul, Tanh } from "../../src/ops/core/elementwise.ts";
import { moving, row } from "./case.ts";
import * as windows from "./cases/random.ts";
import * as arrange from "./cases/random-arrange.ts";
import * as elementwise from "./cases/random-elementwise.ts";
import * as normalisation from "./cases/random-normalisation.ts";
import * as pooling from "./cases/random-pooling.ts";
import * as training from "./cases/random-training.ts";
import { checkGradients, type GradientChecks } from "./gradients.ts";

const windowFamilies = [
  ["convolution", windows.randomConv, 250],
  ["transposed convolution", windows.randomConvTranspose, 130],
  ["max pooling", windows.randomMaxPool, 150],
  ["average pooling", windows.randomAveragePool, 150],
  ["pooling by norms and by chance", pooling.randomWindowPooling, 100],
  ["adaptive, spectral, blurred pooling, patches", pooling.randomMapPooling, 150],
] as const;

const families = [
  ["functions of one operand", elementwise.randomFunction, 250],
  ["activations", elementwise.randomActivation, 250],
  ["limits and slopes", elementwise.randomLimits, 150],
  ["functions of two operands that broadcast", elementwise.randomBinary, 250],
  ["choices and remainders", elementwise.randomChoice, 100],
  ["reductions", arrange.randomReduction, 250],
  ["softmax, running sums, the largest", arrange.randomAlong, 200],
  ["products of matrices", arrange.randomProduct, 200],
  ["taking and putting at indices", arrange.randomGather, 250],
  ["joining, cutting, padding, turning, repeating", arrange.randomArrangement, 300],
  ["resampling", arrange.randomResize, 200],
  ["normalisation by the batch", normalisation.randomBatchNormalisation, 120],
  ["normalisation by the sample", normalisation.randomNormalisation, 120],
  ["normalisation by the neighbourhood", normalisation.randomLocalNormalisation, 120],
  ["dropout in training", training.randomDropout, 80],
  ["losses of classes", training.randomClassLoss, 120],
  ["losses of numbers", training.randomDistance, 150],
] as const;

describe("gradients are those of differences, within 1e-6 of the case's largest", () => {
  const results: { readonly windows: GradientChecks[]; readonly others: GradientChecks[] } = {
    windows: [],
    others: [],
  };
  const total = (checks: readonly GradientChecks[]) => checks.reduce((sum, { checked }) => sum + checked, 0);

  test.each(windowFamilies)("%s", (_, cases, count) => {
    results.windows.push(checkGradients(cases, count));
  });
  test.each(families)("%s", (_, cases, count) => {
    results.others.push(checkGradients(cases, count));
  });

  test("a wrong one is found", () => {
    const wrong: typeof Tanh = { ...Tanh, gradient: (node, [g]) => [g && mul(g, node.outputs[0]!)] };
    expect(() => checkGradients(fc.constant(row(wrong, "wrong", [moving([3])])), 1)).toThrow("gradient off by");
  });

  test("in at least 3,000 configurations, 500 of them of convolution and pooling", ({ annotate }) => {
    const all = [...results.windows, ...results.others];
    const worst = Math.max(...all.map((each) => each.worst));
    expect(total(results.windows)).toBeGreaterThanOrEqual(500);
    expect(total(all)).toBeGreaterThanOrEqual(3000);
    expect(worst).toBeLessThanOrEqual(1e-6);
    return annotate(`${total(all)} gradients checked, ${total(results.windows)} of windows; worst error ${worst}`);
  });
});
