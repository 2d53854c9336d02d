import { describe, expect, test } from "vitest";
import { outOfDomain, outOfDomainKinds } from "./out-of-domain.ts";

const size = 64;

/** The mean of squared differences between neighbours along the columns n, and along the rows m. */
function roughness(image: ArrayLike<number>): { along: number; across: number } {
  let [along, across] = [0, 0];
  for (let m = 0; m < size - 1; m++)
    for (let n = 0; n < size - 1; n++) {
      along += (image[m * size + n + 1]! - image[m * size + n]!) ** 2;
      across += (image[(m + 1) * size + n]! - image[m * size + n]!) ** 2;
    }
  return { along, across };
}

describe.each(outOfDomainKinds)("$name", ({ name }) => {
  const { images, labels } = outOfDomain(name, { seed: 1, count: 100 });

  test("has finite values of about -1 to 1, mid-grey 0, in every image", () => {
    for (let index = 0; index < 100; index++) {
      const values = images.slice(index, index + 1).toArray();
      const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
      const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
      expect(Math.abs(mean)).toBeLessThan(0.7);
      expect(largest).toBeGreaterThan(0.15);
      expect(largest).toBeLessThan(3);
    }
  });

  test("is oriented as its labels say", () => {
    // Textured bars and rows of dots change as often along as across: they are oriented only as wholes.
    const profile = (image: ArrayLike<number>, horizontal: boolean) => {
      const sums = new Float64Array(size);
      for (let m = 0; m < size; m++)
        for (let n = 0; n < size; n++) sums[horizontal ? m : n]! += image[m * size + n]! / size;
      const mean = sums.reduce((sum, value) => sum + value, 0) / size;
      return sums.reduce((sum, value) => sum + (value - mean) ** 2, 0);
    };
    for (let index = 0; index < 100; index++) {
      const image = images.slice(index, index + 1).numbers;
      expect(labels[index]).toBe(index % 2);
      const isHorizontal = labels[index] === 1;
      expect(profile(image, isHorizontal), `image ${index}`).toBeGreaterThan(profile(image, !isHorizontal));
    }
  });

  test("depends on seed and index alone", () => {
    expect(outOfDomain(name, { seed: 1, count: 2 }).images.data).toEqual(images.slice(0, 2).data);
    const other = outOfDomain(name, { seed: 2, count: 2 }).images;
    expect(other.data).not.toEqual(images.slice(0, 2).data);
  });
});

test("smooth noise is smooth along its orientation", () => {
  const { images } = outOfDomain("oriented-noise", { seed: 1, count: 20 });
  for (let index = 1; index < 20; index += 2) {
    const { along, across } = roughness(images.slice(index, index + 1).numbers);
    expect(along).toBeLessThan(across);
  }
});

test("an unknown kind is refused, with the nearest", () => {
  expect(() => outOfDomain("grating", { count: 1 })).toThrow(
    /^outOfDomain: found "grating"; expected one of gratings, oriented-noise, .*\. Did you mean "gratings"\?$/,
  );
});
