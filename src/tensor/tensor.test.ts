import { describe, expect, test } from "vitest";
import { type DType, dtypes } from "./dtype.ts";
import { broadcastStrides, formatShape, normaliseAxis, offsets, sizeOf, stridesOf } from "./shape.ts";
import { full, scalar, stack, Tensor, tensor, zeros } from "./tensor.ts";

describe("Tensor", () => {
  test("refuses data that is not what it says", () => {
    expect(() => new Tensor("float32", [2], new Float64Array(2))).toThrow(
      "Tensor: found data in a Float64Array; expected a Float32Array for float32.",
    );
    expect(() => tensor([1, 2, 3], [2, 2])).toThrow("Tensor: found 3 elements; expected 4 for shape 2x2.");
    expect(() => tensor([], [-1])).toThrow("Tensor: found shape [-1]; expected whole numbers of at least 0.");
    expect(() => tensor([1], [0.5, 2])).toThrow("Tensor: found shape [0.5,2]; expected whole numbers of at least 0.");
  });

  test("keeps its shape when the array it was given changes", () => {
    const shape = [2, 1];
    const made = tensor([1, 2], shape);
    shape.push(5);
    expect(made.shape).toEqual([2, 1]);
  });

  test("has one element where one is asked for", () => {
    expect(scalar(3).item()).toBe(3);
    expect(tensor([4], [1, 1], "int64").item()).toBe(4);
    expect(() => zeros([2]).item()).toThrow("Tensor.item: found 2; expected one element.");
  });

  test("does not give 64-bit integers as numbers without being asked", () => {
    expect(() => zeros([2], "int64").numbers).toThrow(
      "Tensor.numbers: found int64; expected a type of at most 53 bits.",
    );
    expect(tensor([1, -2], [2], "int64").toArray()).toEqual([1, -2]);
  });

  test.each(Object.keys(dtypes) as DType[])("makes %s of numbers, and numbers of it", (dtype) => {
    const made = tensor([0, 1, 1], [3], dtype);
    expect(made.toArray()).toEqual([0, 1, 1]);
    expect(made.byteLength).toBe(3 * dtypes[dtype].bytes);
    expect(full([2], 1, dtype).toArray()).toEqual([1, 1]);
    expect(made.cast("float64").toArray()).toEqual([0, 1, 1]);
  });

  test("casts towards zero, to booleans by what is not zero, and not at all to its own type", () => {
    const values = tensor([-1.7, 0, 0.4, 2.9]);
    expect(values.cast("int32").toArray()).toEqual([-1, 0, 0, 2]);
    expect(values.cast("int64").toArray()).toEqual([-1, 0, 0, 2]);
    expect(values.cast("bool").toArray()).toEqual([1, 0, 1, 1]);
    expect(values.cast("float32")).toBe(values);
    expect(tensor([Infinity, Number.NaN]).cast("int64").data).toEqual(new BigInt64Array(2).fill(-(2n ** 63n)));
    const large = new Tensor("int64", [1], new BigInt64Array([2n ** 60n + 1n]));
    expect(large.cast("uint64").data[0]).toBe(2n ** 60n + 1n);
  });

  test("is sliced along its first axis without a copy", () => {
    const rows = tensor([1, 2, 3, 4, 5, 6], [3, 2]);
    const part = rows.slice(1, 3);
    expect(part.shape).toEqual([2, 2]);
    expect(part.toArray()).toEqual([3, 4, 5, 6]);
    expect(part.data.buffer).toBe(rows.data.buffer);
    expect(() => rows.slice(2, 5)).toThrow("Tensor: found 2 elements; expected 6 for shape 3x2.");
  });

  test("is stacked with others of its kind", () => {
    expect(stack([tensor([1, 2]), tensor([3, 4])]).shape).toEqual([2, 2]);
    expect(stack([scalar(1), scalar(2)]).toArray()).toEqual([1, 2]);
    expect(() => stack([])).toThrow("stack: found no tensors; expected at least one.");
    expect(() => stack([tensor([1, 2]), tensor([1])])).toThrow(
      "stack: found float32 1 at 1; expected float32 2, as the first.",
    );
  });
});

describe("shapes", () => {
  test("have sizes and row-major strides", () => {
    expect(sizeOf([2, 3, 4])).toBe(24);
    expect(sizeOf([])).toBe(1);
    expect(stridesOf([2, 3, 4])).toEqual([12, 4, 1]);
    expect(formatShape([])).toBe("scalar");
    expect(formatShape(["batch", 3])).toBe("batchx3");
  });

  test("have axes that may count from the end", () => {
    expect(normaliseAxis(-1, 3, "f")).toBe(2);
    expect(() => normaliseAxis(3, 3, "f")).toThrow("f: found axis 3; expected an axis between -3 and 2.");
    expect(() => normaliseAxis(0.5, 3, "f")).toThrow("f: found axis 0.5;");
  });

  test("are walked in row-major order, by any strides", () => {
    expect([...offsets([2, 3], [3, 1])]).toEqual([0, 1, 2, 3, 4, 5]);
    expect([...offsets([3, 2], [1, 3])]).toEqual([0, 3, 1, 4, 2, 5]);
    expect([...offsets([2, 2], [0, -1], 4)]).toEqual([4, 3, 4, 3]);
    expect([...offsets([], [], 7)]).toEqual([7]);
    expect([...offsets([2, 0], [1, 1])]).toEqual([]);
    expect([...offsets([2, 3], broadcastStrides([2, 1], [2, 3]))]).toEqual([0, 0, 0, 1, 1, 1]);
    expect([...offsets([2, 3], broadcastStrides([3], [2, 3]))]).toEqual([0, 1, 2, 0, 1, 2]);
  });
});
