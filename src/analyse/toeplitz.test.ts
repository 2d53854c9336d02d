import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { expectClose } from "../../test/check/compare.ts";
import { evaluateLayer } from "../../test/check/layer.ts";
import { randomConvolution } from "../../test/check/random-convolution.ts";
import { conv1d, conv2d, conv3d } from "../nn/convolution.ts";
import { full, tensor } from "../tensor/tensor.ts";
import { toeplitz } from "./toeplitz.ts";

const layers = [conv1d, conv2d, conv3d];

describe("the matrix of a convolution", () => {
  test("times the image is the layer, for 200 random ones", () => {
    fc.assert(
      fc.property(randomConvolution(), ({ options, input }) => {
        const { kernel, stride, dilation, padding, groups, channels } = options;
        const window = { stride, dilation, padding, groups };
        const layer = layers[kernel.length - 1]!({ ...window, kernel, channels, bias: false });
        const { x, y, variables } = evaluateLayer(layer, input);
        const matrix = toeplitz(variables.get("weight")!, { ...window, size: input.slice(1) });
        const [rows, columns] = matrix.shape as [number, number];
        const products = Array.from({ length: 2 * rows }, (_, at) => {
          const [image, row] = [Math.floor(at / rows), at % rows];
          let sum = 0;
          for (let column = 0; column < columns; column++)
            sum += matrix.numbers[row * columns + column]! * x.numbers[image * columns + column]!;
          return sum;
        });
        expectClose("matrix", tensor(products, y.shape), y, { relative: 1e-6 });
      }),
      { seed: 1, numRuns: 200 },
    );
  });

  test("is Toeplitz along one axis: every diagonal constant", () => {
    const matrix = toeplitz(tensor([1, 2, 3], [1, 1, 3]), { size: [6], padding: "same" });
    expect(matrix.shape).toEqual([6, 6]);
    for (let row = 1; row < 6; row++)
      for (let column = 1; column < 6; column++)
        expect(matrix.numbers[row * 6 + column]).toBe(matrix.numbers[(row - 1) * 6 + column - 1]);
    expect(matrix.toArray().slice(0, 12)).toEqual([2, 3, 0, 0, 0, 0, 1, 2, 3, 0, 0, 0]);
  });

  test("is block Toeplitz along two", () => {
    const matrix = toeplitz(tensor([1, 2, 3, 4], [1, 1, 2, 2]), { size: [3, 3] });
    expect(matrix.toArray()).toEqual(
      [
        [1, 2, 0, 3, 4, 0, 0, 0, 0],
        [0, 1, 2, 0, 3, 4, 0, 0, 0],
        [0, 0, 0, 1, 2, 0, 3, 4, 0],
        [0, 0, 0, 0, 1, 2, 0, 3, 4],
      ].flat(),
    );
  });

  test("is refused where it would be huge, and where sizes do not fit", () => {
    const weight = full([64, 3, 7, 7], 1);
    expect(() => toeplitz(weight, { size: [224, 224], stride: 2, padding: 3 })).toThrow(
      "toeplitz: found a matrix of 802816x150528; expected at most 16777216 elements. " +
        "Take a smaller input or fewer channels.",
    );
    expect(() => toeplitz(weight, { size: [8] })).toThrow("toeplitz: found size [8]; expected one number or 2.");
  });
});
