import { describe, expect, test } from "vitest";
import { tables } from "../../test/check/cases/all.ts";
import { testOps } from "../../test/check/table.ts";
import { apply } from "../graph/op.ts";
import { inputValue } from "../graph/value.ts";
import type { DType } from "../tensor/dtype.ts";
import { Clip, elu, errorFunction, prelu } from "./activation.ts";

testOps(tables.activation!);

test("the error function has its known values, to the last digits", () => {
  const known = [
    [0, 0],
    [0.1, 0.1124629160182849],
    [0.5, 0.5204998778130465],
    [1, 0.8427007929497149],
    [2, 0.9953222650189527],
    [3, 0.9999779095030014],
    [5, 0.9999999999984626],
    [100, 1],
  ] as const;
  for (const [x, y] of known) {
    expect(Math.abs(errorFunction(x) - y)).toBeLessThan(1e-15);
    expect(Math.abs(errorFunction(-x) + y)).toBeLessThan(1e-15);
  }
  expect(errorFunction(Number.NaN)).toBeNaN();
});

describe("activations say what does not fit", () => {
  const value = (dtype: DType, ...shape: readonly number[]) => inputValue("x", { dtype, shape });
  const cases: [string, () => unknown, string][] = [
    ["whole numbers", () => elu(value("int32", 3)), "Elu: found elements of int32; expected floats."],
    [
      "slopes for other channels",
      () => prelu(value("float32", 2, 4, 3, 3), value("float32", 2, 1, 1, 1, 1)),
      "PRelu: found an input of 2x4x3x3 and slopes of 2x1x1x1x1; expected slopes that broadcast to the input. Give",
    ],
    [
      "several limits",
      () => apply(Clip, [value("float32", 3), value("float32", 2)]),
      "Clip: found a limit of float32 2; expected one float32, as the input's elements.",
    ],
    [
      "a limit of another type",
      () => apply(Clip, [value("float32", 3), undefined, value("int32")]),
      "Clip: found a limit of int32 scalar; expected one float32, as the input's elements.",
    ],
  ];

  test.each(cases)("%s", (_, body, sentence) => {
    expect(body).toThrow(sentence);
  });
});
