import { describe, expect, test } from "vitest";
import { expectClose } from "../../test/check/compare.ts";
import { elementAt, indicesOf, tensorOf } from "../../test/check/plain.ts";
import { fourierTransform } from "../analyse/frequency.ts";
import { evaluateGraph } from "../engine/reference.ts";
import { makeGraph } from "../graph/graph.ts";
import { constant } from "../graph/value.ts";
import { Random } from "../tensor/random.ts";
import { type Shape, sizeOf } from "../tensor/shape.ts";
import { type Tensor, tensor } from "../tensor/tensor.ts";
import { spectralPool } from "./pooling.ts";

const pooled = (x: Tensor, size: readonly number[]) =>
  evaluateGraph(makeGraph([], { y: spectralPool(constant(x), size) }), new Map()).outputs.get("y")!;

const random = (shape: Shape, seed: number): Tensor => {
  const stream = new Random(seed, "spectral");
  return tensor(
    Array.from({ length: sizeOf(shape) }, () => stream.normal()),
    [1, 1, ...shape],
    "float64",
  );
};

/** The frequency k, of either sign, of a sum over all elements: its real and imaginary part. */
function coefficient(x: Tensor, k: readonly number[]): readonly [number, number] {
  const lengths = x.shape.slice(2);
  let [real, imaginary] = [0, 0];
  for (const place of indicesOf(lengths)) {
    const angle = place.reduce((sum, each, axis) => sum + (2 * Math.PI * k[axis]! * each) / lengths[axis]!, 0);
    real += elementAt(x, [0, 0, ...place]) * Math.cos(angle);
    imaginary -= elementAt(x, [0, 0, ...place]) * Math.sin(angle);
  }
  return [real, imaginary];
}

/** The definition: every frequency by itself, those in the middle of the spectrum put together again. */
function plainSpectralPool(x: Tensor, size: Shape): Tensor {
  const lengths = x.shape.slice(2);
  const kept = size.map((length, axis) => Math.min(length, lengths[axis]!));
  const middle = indicesOf(kept).map((index) => index.map((each, axis) => each - Math.floor(kept[axis]! / 2)));
  const spectrum = middle.map((k) => coefficient(x, k));
  return tensorOf([1, 1, ...size], ([, , ...place]) => {
    let total = 0;
    middle.forEach((k, index) => {
      const angle = place.reduce((sum, each, axis) => sum + (2 * Math.PI * k[axis]! * each) / size[axis]!, 0);
      const [real, imaginary] = spectrum[index]!;
      total += real * Math.cos(angle) - imaginary * Math.sin(angle);
    });
    return total / sizeOf(lengths);
  });
}

describe("spectral pooling", () => {
  test.each([
    [[8], [5]],
    [[8], [4]],
    [[9], [4]],
    [[7], [7]],
    [[6], [6]],
    [[5], [8]],
    [[6], [9]],
    [
      [8, 6],
      [4, 4],
    ],
    [
      [9, 6],
      [4, 3],
    ],
    [
      [7, 8],
      [3, 6],
    ],
    [
      [6, 6],
      [1, 2],
    ],
    [
      [4, 5],
      [6, 2],
    ],
    [
      [4, 5, 6],
      [2, 3, 4],
    ],
    [
      [6, 4, 4],
      [4, 2, 2],
    ],
  ])("from %j to %j is the middle of the spectrum, transformed back", (from, to) => {
    const x = random(from, from.length);
    expectClose("pooled", pooled(x, to), plainSpectralPool(x, to), { relative: 1e-6 });
  });

  test("keeps the frequencies that a fast Fourier transform finds", () => {
    const x = random([16, 8], 4);
    const y = pooled(x, [8, 4]);
    const before = fourierTransform({ values: x.toArray(), height: 16, width: 8 }, { height: 16, width: 8 });
    const after = fourierTransform({ values: y.toArray(), height: 8, width: 4 }, { height: 8, width: 4 });
    for (let v = -3; v <= 3; v++)
      for (let u = -1; u <= 1; u++) {
        const [from, to] = [((v + 16) % 16) * 8 + ((u + 8) % 8), ((v + 8) % 8) * 4 + ((u + 4) % 4)];
        expect(after.real[to]).toBeCloseTo(before.real[from]! / 4, 5);
        expect(after.imaginary[to]).toBeCloseTo(before.imaginary[from]! / 4, 5);
      }
  });

  test("samples a wave that the smaller map can hold, and removes one that it cannot", () => {
    const wave = (length: number, cycles: number) => (index: readonly number[]) =>
      2 + Math.cos((2 * Math.PI * cycles * index[2]!) / length + 0.3);
    const [slow, fast] = [tensorOf([1, 1, 15], wave(15, 3)), tensorOf([1, 1, 15], wave(15, 6))];
    expectClose("slow", pooled(slow, [8]), tensorOf([1, 1, 8], wave(8, 3)), { relative: 1e-6 });
    expectClose(
      "fast",
      pooled(fast, [8]),
      tensorOf([1, 1, 8], () => 2),
      { relative: 1e-6 },
    );
    expectClose("same size", pooled(fast, [15]), fast, { relative: 1e-6 });
    expectClose("there and back", pooled(pooled(slow, [22]), [15]), slow, { relative: 1e-6 });
  });
});
