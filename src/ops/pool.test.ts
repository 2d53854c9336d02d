import { describe, expect, test } from "vitest";
import { tables } from "../../test/check/cases/all.ts";
import { engines } from "../../test/check/engines.ts";
import { testOps } from "../../test/check/table.ts";
import { gradientsOf } from "../autodiff/gradient.ts";
import { reference } from "../engine/reference.ts";
import { makeGraph } from "../graph/graph.ts";
import { constant, inputValue } from "../graph/value.ts";
import { tensor } from "../tensor/tensor.ts";
import { averagePool, maxPool } from "./pool.ts";

testOps(tables.pool!);

describe.each([reference, ...engines])("equal maxima on $name", (engine) => {
  /** The gradient of max pooling for its input, from an output gradient of 1, 2, 3 ... */
  async function gradientOfMaxima(shape: readonly number[], values: readonly number[], attributes: object) {
    const x = inputValue("x", { dtype: "float32", shape });
    const y = maxPool(x, attributes);
    const size = (y.shape as number[]).reduce((product, each) => product * each, 1);
    const seed = constant(
      tensor(
        Array.from({ length: size }, (_, index) => index + 1),
        y.shape as number[],
      ),
    );
    const program = await engine.compile(makeGraph([x], { dx: gradientsOf(y, [x], { seed })[0]! }), new Map());
    const outputs = await program.run({ x: tensor(values, shape) });
    await program.dispose();
    return outputs.get("dx")!.toArray();
  }

  test("give their gradient to the first in each window", async () => {
    const values = [7, 7, 1, 2, 7, 7, 3, 3];
    const attributes = { kernel_shape: [2, 2], strides: [2, 2] };
    expect(await gradientOfMaxima([1, 1, 2, 4], values, attributes)).toEqual([1, 0, 0, 0, 0, 0, 2, 0]);
  });

  test("give their gradient to the first in row-major order, also where windows overlap", async () => {
    const attributes = { kernel_shape: [2, 2], strides: [1, 1] };
    expect(await gradientOfMaxima([1, 1, 3, 3], [5, 5, 5, 5, 5, 5, 5, 5, 5], attributes)).toEqual([
      1, 2, 0, 3, 4, 0, 0, 0, 0,
    ]);
  });

  test("of a whole map of zeros, as after a ReLU, go to the first of each window", async () => {
    const attributes = { kernel_shape: [2], strides: [2] };
    expect(await gradientOfMaxima([1, 2, 4], [0, 0, 0, 0, 0, 0, 0, 0], attributes)).toEqual([1, 0, 2, 0, 3, 0, 4, 0]);
  });

  test("below zero at the padded edge do not lose to padding", async () => {
    const attributes = { kernel_shape: [3], strides: [2], pads: [1, 1] };
    expect(await gradientOfMaxima([1, 1, 3], [-1, -2, -1], attributes)).toEqual([1, 0, 2]);
  });
});

describe("pooling says what does not fit", () => {
  const x = inputValue("x", { dtype: "float32", shape: [1, 2, 4, 4] });
  const cases: [string, () => unknown, string][] = [
    [
      "a window larger than the input",
      () => maxPool(x, { kernel_shape: [5, 5] }),
      "MaxPool: found a kernel of 5x5 on an input of 4x4; expected at most 4 along axis 2 with padding counted.",
    ],
    [
      "windows on padding alone",
      () => averagePool(x, { kernel_shape: [2, 2], pads: [2, 0, 0, 0] }),
      "AveragePool: found windows of 2x2 on padding alone, around an input of 4x4; " +
        "expected every window to reach the input. Use less padding, a larger kernel or less dilation.",
    ],
    ["no kernel", () => maxPool(x, {}), "MaxPool: found kernel [], strides [1,1], dilations [1,1], pads [0,0,0,0]"],
  ];
  test.each(cases)("%s", (_, body, sentence) => {
    expect(body).toThrow(sentence);
  });
});

test("a last window that hangs over has another name than one that does not", () => {
  const x = inputValue("x", { dtype: "float32", shape: [1, 2, "height"] });
  const lengthOf = (ceil_mode: number) => maxPool(x, { kernel_shape: [2], strides: [2], ceil_mode }).shape[2];
  expect(lengthOf(0)).toBe("floor((height-2)/2)+1");
  expect(lengthOf(1)).toBe("ceil((height-2)/2)+1");
});
