import { describe, expect, test } from "vitest";
import { reference } from "../../engine/reference.ts";
import { makeGraph } from "../../graph/graph.ts";
import { apply } from "../../graph/op.ts";
import { inputValue, type Value } from "../../graph/value.ts";
import type { DType } from "../../tensor/dtype.ts";
import { tensor } from "../../tensor/tensor.ts";
import { dropoutOf } from "../dropout.ts";
import { gemm, matmul } from "../matmul.ts";
import { resizeTo } from "../resize.ts";
import { softmax } from "../softmax.ts";
import { Concat, concat, OneHot, Pad, pad, Slice } from "./arrange.ts";
import { expand } from "./broadcast.ts";
import { add, Cast, relu, Where } from "./elementwise.ts";
import { GatherElements, gatherElements, ScatterElements } from "./index.ts";
import { ReduceSum, reduceSum } from "./reduce.ts";
import { Flatten, lengthened, Reshape, reshape, shapeOf, transpose, Unsqueeze, unsqueeze, vector } from "./shape.ts";

const typed = (dtype: DType, ...shape: readonly (number | string)[]) => inputValue("x", { dtype, shape });
const value = (...shape: readonly (number | string)[]) => typed("float32", ...shape);

const cases: [string, () => unknown, string][] = [
  [
    "broadcasting",
    () => add(value(2, 3), value(4, 3)),
    "Add: found shapes 2x3 and 4x3; expected lengths that are equal or 1 along each axis, counted from the last.",
  ],
  [
    "broadcasting names",
    () => add(value("batch", 3), value("height", 3)),
    "Add: found shapes batchx3 and heightx3; expected lengths that are equal or 1",
  ],
  [
    "element types",
    () => add(value(2), typed("int64", 2)),
    "Add: found operands of float32 and int64; expected one element type. Cast one of them.",
  ],
  ["operands", () => apply(Reshape, [value(2)]), "Reshape: found 1 inputs; expected 2."],
  ["too many operands", () => apply(Slice, new Array(6).fill(value(2))), "Slice: found 6 inputs; expected 3 to 5."],
  [
    "Where",
    () => apply(Where, [value(2), value(2), value(2)]),
    "Where: found a condition of float32, values of float32 and float32; " +
      "expected a condition of bool and values of one element type.",
  ],
  ["Cast", () => apply(Cast, [value(2)], { to: 16 }), "Cast: found element type 16; expected one Striate has."],
  [
    "Reshape",
    () => reshape(value(2, 3), [4, 2]),
    "Reshape: found 2x3 to 4x2; expected as many elements after as before.",
  ],
  ["Reshape by -1", () => reshape(value(2, 3), [4, -1]), "Reshape: found 2x3 to 4x-1; expected as many elements"],
  [
    "Reshape with names",
    () => reshape(value("batch", 6), [0, 7]),
    "Reshape: found batchx6 to 0x7; expected as many elements after as before.",
  ],
  [
    "a shape from data",
    () => reshape(value(6), typed("int64", 2)),
    "Reshape: found a shape that depends on the data; expected a constant or the shape of another value.",
  ],
  ["Expand", () => expand(value(2, 3), vector([4, 3])), "Expand: found shapes 2x3 and 4x3; expected lengths"],
  [
    "Flatten",
    () => apply(Flatten, [value(2, 3)], { axis: 3 }),
    "Flatten: found axis 3; expected an axis between -2 and 1.",
  ],
  ["Transpose", () => transpose(value(2, 3), [0, 0]), "Transpose: found order [0,0]; expected each of 2 axes once."],
  ["Unsqueeze", () => unsqueeze(value(2), [3]), "Unsqueeze: found axis 3; expected an axis between -2 and 1."],
  [
    "Unsqueeze twice the same",
    () => apply(Unsqueeze, [value(2), vector([0, 0])]),
    "Unsqueeze: found axes [0,0]; expected each axis once.",
  ],
  ["a reduction", () => reduceSum(value(2, 3), { axes: [2] }), "reduction: found axis 2; expected an axis between -2"],
  [
    "a reduction along axes from data",
    () => apply(ReduceSum, [value(2), typed("int64", 1)]),
    "ReduceSum: found axes that depend on the data; expected constant axes.",
  ],
  [
    "Concat",
    () => concat([value(2, 3), value(3, 3)], 1),
    "Concat: found 2x3, 3x3; expected shapes that differ along axis 1 only.",
  ],
  [
    "Concat of types",
    () => concat([value(2), typed("int64", 2)], 0),
    "Concat: found values of float32, int64; expected one element type.",
  ],
  ["Concat without an axis", () => apply(Concat, [value(2)]), "Concat: found axis undefined; expected an axis"],
  [
    "Slice of unknown length",
    () => apply(Slice, [value("batch"), vector([0]), vector([1])]),
    "Slice: found axis 0 of unknown length; expected a number.",
  ],
  [
    "Slice by no step",
    () => apply(Slice, [value(4), ...[0, 4, 0, 0].map((each) => vector([each]))]),
    "Slice: found a step of 0; expected any other.",
  ],
  [
    "Slice by data",
    () => apply(Slice, [value(4), typed("int64", 1), vector([1])]),
    "Slice: found a range that depends on the data; expected constants.",
  ],
  ["Pad", () => apply(Pad, [value(4), vector([1])]), "Pad: found pads [1]; expected 2 of them."],
  ["Pad by other means", () => apply(Pad, [value(4), vector([1, 1])], { mode: "spiral" }), "Pad: found mode spiral;"],
  ["Pad of less than there is", () => pad(value(2), [[-1, -2]]), "Pad: found pads [-1,-2] for 2; expected at least"],
  [
    "OneHot",
    () => apply(OneHot, [typed("int64", 2), typed("int64"), value(2)]),
    "OneHot: found a depth that depends on the data; expected a constant of at least 0.",
  ],
  [
    "ScatterElements",
    () => apply(ScatterElements, [value(4), typed("int64", 2), value(3)]),
    "ScatterElements: found indices of 2 and updates of 3; expected one shape.",
  ],
  [
    "ScatterElements by division",
    () => apply(ScatterElements, [value(4), typed("int64", 2), value(2)], { reduction: "div" }),
    "ScatterElements: found reduction div; expected none, add, mul, max, min.",
  ],
  ["MatMul", () => matmul(value(2, 3), value(4, 2)), "MatMul: found 2x3 by 4x2; expected [..., m, k] by [..., k, n]."],
  ["MatMul of types", () => matmul(value(2, 3), typed("float64", 3, 2)), "MatMul: found float32 by float64; expected"],
  ["Gemm", () => gemm(value(2, 3), value(2, 3)), "Gemm: found 2x3 by 2x3; expected m x k by k x n."],
  ["Gemm's C", () => gemm(value(2, 3), value(3, 4), {}, value(5, 2, 4)), "Gemm: found C of 5x2x4; expected 2x4."],
  ["Softmax", () => softmax(value(2, 3), 2), "Softmax: found axis 2; expected an axis between -2 and 1."],
  ["dropout", () => dropoutOf(value(2), 1), "dropout: found a ratio of 1; expected at least 0 and below 1."],
  [
    "Resize",
    () => resizeTo(value(1, 1, 2), [3], { mode: "quadratic" }),
    "Resize: found mode quadratic; expected one of nearest, linear, cubic.",
  ],
];

describe("operators say what does not fit", () => {
  test.each(cases)("%s", (_, body, sentence) => {
    expect(body).toThrow(sentence);
  });

  test.each([4, -5])("an index of %i outside of four elements", async (index) => {
    const x = value(4);
    const program = await reference.compile(makeGraph([x], { y: gatherElements(x, vector([index])) }), new Map());
    const sentence = `GatherElements: found index ${index}; expected one from -4 to 3.`;
    await expect(program.run({ x: tensor([1, 2, 3, 4]) })).rejects.toThrow(sentence);
  });

  test("an operand that may be left out is not missed, one that may not is", () => {
    expect(() => apply(Slice, [value(4), vector([1]), vector([3]), undefined, vector([2])])).not.toThrow();
    expect(() => apply(GatherElements, [undefined, vector([1])])).toThrow(
      "GatherElements: found nothing for input 0; expected a value.",
    );
  });
});

describe("dimensions that have names", () => {
  const shapes = (y: Value) => y.shape;

  test("are counted with in reshaping", () => {
    expect(shapes(reshape(value("batch", 3, 4), [-1, 12]))).toEqual(["batch", 12]);
    expect(shapes(reshape(value("batch", 3, 4), [-1, 6]))).toEqual(["2*batch", 6]);
    expect(shapes(reshape(value("batch", "time", 4), [-1, 4]))).toEqual(["batch*time", 4]);
    expect(shapes(apply(Flatten, [value("batch", 3, "height")], { axis: 1 })[0]!)).toEqual(["batch", "3*height"]);
  });

  test("are not mistaken for others: what is left over of one is divided by the other", () => {
    expect(shapes(reshape(value("batch", 4), shapeOf(value("other", -1))))).toEqual(["other", "4*batch/other"]);
  });

  test("grow and shrink, and come back to themselves", () => {
    expect(lengthened("height", 2)).toBe("height+2");
    expect(lengthened("height+2", -2)).toBe("height");
    expect(lengthened("height+2", -5)).toBe("height-3");
    expect(lengthened("floor((height-1)/2)+1", -1)).toBe("floor((height-1)/2)");
    expect(lengthened(4, -1)).toBe(3);
  });

  test("stay through elementwise operators", () => {
    expect(shapes(relu(add(value("batch", 1, "height"), value(3, 1))))).toEqual(["batch", 3, "height"]);
  });
});
