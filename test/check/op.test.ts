/** The harness itself: it must find what is wrong with a wrong operator. */
import { describe, expect, test } from "vitest";
import type { Engine } from "../../src/engine/engine.ts";
import { reference } from "../../src/engine/reference.ts";
import { apply, type Op, striateDomain } from "../../src/graph/op.ts";
import { ReluGradient, Tanh, TanhGradient, tanh } from "../../src/ops/core/elementwise.ts";
import { full, type Tensor } from "../../src/tensor/tensor.ts";
import { moving, row, still } from "./case.ts";
import { differences } from "./differences.ts";
import { awayFromZero } from "./draw.ts";
import { checkOp } from "./op.ts";

const check = (op: Op<Record<never, never>>) => checkOp(row(op, "wrong", [moving(["batch", 3])]));

describe("checkOp", () => {
  test("passes what is right", async () => {
    await expect(check(Tanh)).resolves.toBeUndefined();
  });

  test("finds a wrong shape", async () => {
    const wrong = { ...Tanh, infer: () => [{ dtype: "float32", shape: [2, 4] }] } as typeof Tanh;
    await expect(check(wrong)).rejects.toThrow("Tanh gives float32 2x3; it inferred float32 2x4");
  });

  test("finds a wrong element type", async () => {
    const wrong = { ...Tanh, infer: () => [{ dtype: "int32", shape: [2, 3] }] } as typeof Tanh;
    await expect(check(wrong)).rejects.toThrow("Tanh gives float32 2x3; it inferred int32 2x3");
  });

  test("finds a shape that is wrong only when the batch has a name", async () => {
    const wrong = {
      ...Tanh,
      infer: ([x]) => [{ dtype: "float32", shape: x!.shape.map((each) => (each === "batch" ? 3 : each)) }],
    } as typeof Tanh;
    await expect(check(wrong)).rejects.toThrow("y0 is 3x3 with names, but axis 0 is 2");
  });

  test("finds a gradient that is off by a part in a thousand", async () => {
    const wrong: typeof Tanh = {
      ...Tanh,
      evaluate: (inputs, attributes) => {
        const [y] = Tanh.evaluate(inputs, attributes);
        y!.numbers.forEach((value, index) => {
          y!.numbers[index] = value * 1.001;
        });
        return [y!];
      },
    };
    await expect(check(wrong)).rejects.toThrow(/gradient off by 1\.\d+e-3 of the largest/);
  });

  test("finds a gradient that is missing", async () => {
    await expect(check({ ...Tanh, gradient: () => [undefined] })).rejects.toThrow("gradient off by 1.00e+0");
  });

  test("finds a wrong gradient of the gradient", async () => {
    const forgetful = { ...TanhGradient, gradient: () => [] };
    const wrong: typeof Tanh = {
      ...Tanh,
      gradient: (node, [g]) => [apply(forgetful, [node.outputs[0], g])[0]],
    };
    await expect(check(wrong)).rejects.toThrow("the gradient of the gradient is off by");
  });

  test("refuses a case whose gradient is zero everywhere", async () => {
    const drawn = row(ReluGradient, "zero", [still([2], () => [-1, -2]), moving([2])]);
    await expect(checkOp(drawn)).rejects.toThrow("the gradient is zero everywhere, so that nothing is checked");
  });

  test("finds a wrong composition", async () => {
    const wrong: Op = { ...ReluGradient, composition: ([, g]) => [tanh(g!)] } as Op;
    const drawn = row(wrong, "wrong", [still([3], awayFromZero()), moving([3])]);
    await expect(checkOp(drawn)).rejects.toThrow(/composition, y0: off by/);
  });

  test("finds a composition that is not of standard operators", async () => {
    const own: Op = { ...Tanh, domain: striateDomain } as Op;
    const wrong: Op = { ...own, composition: ([x]) => [...tanhOf(own, x!)] } as Op;
    await expect(checkOp(row(wrong, "wrong", [moving([3])]))).rejects.toThrow("Tanh, which is not standard");
  });

  test("finds an operator that files cannot name", async () => {
    await expect(check({ ...Tanh, name: "Tangent" })).rejects.toThrow("operators that Striate does not have: Tangent");
  });

  test("finds an engine that gives other numbers", async () => {
    const wrong: Engine = {
      ...reference,
      name: "wrong",
      compile: async (...given) => {
        const program = await reference.compile(...given);
        const run: typeof program.run = async (feeds) =>
          new Map([...(await program.run(feeds))].map(([name, { shape }]) => [name, full(shape, 0.5)]));
        return { ...program, run, dispose: async () => {} };
      },
    };
    const drawn = row(Tanh, "right", [moving(["batch", 3])]);
    await expect(checkOp(drawn, { engines: [wrong] })).rejects.toThrow(/y0 on wrong: off by/);
    await expect(checkOp({ ...drawn, except: ["wrong"] }, { engines: [wrong] })).resolves.toBeUndefined();
  });
});

function tanhOf(op: Op, x: Parameters<typeof tanh>[0]) {
  const y = tanh(x);
  const node = y.source.kind === "node" ? { ...y.source.node, op: { ...op, composition: undefined } } : undefined;
  return [{ ...y, source: { kind: "node", node: node!, output: 0 } as const }];
}

describe("differences", () => {
  const at = new Map([["x", full([3], 2, "float64")]]);
  const value = (feeds: ReadonlyMap<string, Tensor>) =>
    feeds
      .get("x")!
      .toArray()
      .reduce((sum, each) => sum + each ** 3, 0);

  test("agree with a derivative", () => {
    const { error, scale } = differences({ value, at, gradients: new Map([["x", full([3], 12, "float64")]]) });
    expect(error).toBeLessThan(1e-7);
    expect(scale).toBeCloseTo(12, 6);
  });

  test.each([undefined, 4])("find a wrong one, %s directions", (directions) => {
    const gradients = new Map([["x", full([3], 11, "float64")]]);
    expect(differences({ value, at, gradients, directions }).error).toBeGreaterThan(0.1);
  });

  test("do not take what is no number for right", () => {
    const gradients = new Map([["x", full([3], Number.NaN, "float64")]]);
    expect(differences({ value, at, gradients }).error).toBe(Number.POSITIVE_INFINITY);
  });
});
