import FFT from "fft.js";
import { describe, expect, test } from "vitest";
import { drawTensor, normal } from "../../test/check/draw.ts";
import { evaluateGraph } from "../engine/reference.ts";
import { StriateError } from "../errors.ts";
import { makeGraph } from "../graph/graph.ts";
import { inputValue } from "../graph/value.ts";
import { Random } from "../tensor/random.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { discreteFourierTransform, type FourierOptions } from "./fourier.ts";

function transform(x: Tensor, options: FourierOptions): Tensor {
  const input = inputValue("x", x);
  const graph = makeGraph([input], { y: discreteFourierTransform(input, options) });
  return evaluateGraph(graph, new Map([["x", x]])).outputs.get("y")!;
}

const random = new Random(8);
const drawn = (...shape: readonly number[]): Tensor => drawTensor(normal, random, shape, "float64");

function expectNear(found: ArrayLike<number>, expected: ArrayLike<number>): void {
  expect(found.length).toBe(expected.length);
  for (let index = 0; index < found.length; index++) expect(found[index]).toBeCloseTo(expected[index]!, 12);
}

describe("the discrete Fourier transform", () => {
  test("is that of fft.js, forth and back", () => {
    const fft = new FFT(16);
    const x = drawn(16, 2);
    const [forth, back] = [fft.createComplexArray(), fft.createComplexArray()];
    fft.transform(forth, x.toArray());
    expectNear(transform(x, { axis: 0 }).numbers, forth);
    fft.inverseTransform(back, x.toArray());
    expectNear(transform(x, { axis: 0, inverse: true }).numbers, back);
  });

  test.each([6, 7])(
    "of one side of a real signal of %d elements comes back to it, along an axis in the middle",
    (length) => {
      const x = drawn(2, length, 3, 1);
      const side = transform(x, { axis: -3, onesided: true });
      expect(side.shape).toEqual([2, 4, 3, 2]);
      expectNear(transform(side, { axis: 1, inverse: true, onesided: true, length }).numbers, x.numbers);
      const whole = transform(x, { axis: 1 });
      const conjugates = transform(whole, { axis: 1, inverse: true });
      expectNear(
        conjugates.toArray().filter((_, index) => index % 2 === 0),
        x.numbers,
      );
    },
  );

  test("of another length is that of the signal cut, or with zeros after it", () => {
    const x = drawn(5, 1);
    const of = (numbers: readonly number[]) => {
      const cut = x.toArray();
      const tensor = drawn(numbers.length, 1);
      numbers.forEach((_, index) => {
        tensor.numbers[index] = cut[index] ?? 0;
      });
      return transform(tensor, { axis: 0 }).numbers;
    };
    expectNear(transform(x, { axis: 0, length: 3 }).numbers, of([0, 1, 2]));
    expectNear(transform(x, { axis: 0, length: 8 }).numbers, of([0, 1, 2, 3, 4, 5, 6, 7]));
  });

  const maps = inputValue("x", { dtype: "float32", shape: ["batch", 8, 2] });
  test.each([
    [{ axis: 2 }, "DFT: found axis 2 of batchx8x2; expected an axis of known length before the last"],
    [{ axis: 0 }, "DFT: found axis 0 of batchx8x2"],
    [{ axis: 3 }, "DFT: found axis 3; expected an axis between -3 and 2."],
    [{ axis: 1, length: 0 }, "DFT: found 0 elements, from 8; expected at least 1"],
    [{ axis: 1, length: 2 ** 40 }, "DFT: found 1099511627776 elements, from 8"],
    [{ axis: 1, onesided: true }, "DFT: found the one side of a complex signal's transform; expected a real one."],
  ] satisfies readonly (readonly [FourierOptions, string])[])("refuses %j", (options, sentence) => {
    expect(() => discreteFourierTransform(maps, options)).toThrow(StriateError);
    expect(() => discreteFourierTransform(maps, options)).toThrow(sentence);
  });
});
