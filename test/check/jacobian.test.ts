/** The whole Jacobian of every differentiable operator, in its small cases. */
import { describe, expect, test } from "vitest";
import { notDifferentiable } from "../../src/graph/op.ts";
import { mul, Tanh } from "../../src/ops/core/elementwise.ts";
import { operators } from "../../src/ops/registry.ts";
import { buildCase } from "./build.ts";
import { moving, row } from "./case.ts";
import { tables } from "./cases/all.ts";
import { jacobianError, sizesOf } from "./jacobian.ts";
import { isDifferentiable } from "./op.ts";

/** Up to this many inputs and outputs together every derivative is computed. */
const most = 150;

const small = Object.entries(tables).map(([table, cases]) => {
  const built = cases.filter(isDifferentiable).map((opCase) => ({ op: opCase.op, built: buildCase(opCase, "fixed") }));
  return [table, built.filter(({ built: each }) => sizesOf(each).from + sizesOf(each).to <= most)] as const;
});

describe("the whole Jacobian is that of differences", () => {
  test.each(small.filter(([, cases]) => cases.length > 0))("%s", (_, cases) => {
    for (const { built } of cases) expect.soft(jacobianError(built), built.name).toBeLessThanOrEqual(1e-6);
  });

  test("for every differentiable operator", ({ annotate }) => {
    const checked = new Set(small.flatMap(([, cases]) => cases.map(({ op }) => op)));
    const left = [...operators.values()].filter((op) => op.gradient !== notDifferentiable && !checked.has(op));
    expect(left.map(({ name }) => name)).toEqual([]);
    return annotate(`${small.flatMap(([, cases]) => cases).length} Jacobians of ${checked.size} operators`);
  });

  test("a single wrong element is found", () => {
    const wrong: typeof Tanh = { ...Tanh, gradient: (node, [g]) => [g && mul(g, node.outputs[0]!)] };
    expect(jacobianError(buildCase(row(wrong, "wrong", [moving([3])]), "fixed"))).toBeGreaterThan(0.1);
  });
});
