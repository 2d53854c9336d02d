import { describe, expect, test } from "vitest";
import { largestMagnitude } from "../../test/check/compare.ts";
import { differences } from "../../test/check/differences.ts";
import { type Draw, distinct, drawTensor, exactly, integer, normal, uniform } from "../../test/check/draw.ts";
import { gradientsOf } from "../autodiff/gradient.ts";
import { evaluateGraph } from "../engine/reference.ts";
import { StriateError } from "../errors.ts";
import { makeGraph } from "../graph/graph.ts";
import type { Attributes } from "../graph/op.ts";
import { constant, inputValue, type Value } from "../graph/value.ts";
import { mul } from "../ops/core/elementwise.ts";
import { reduceSum } from "../ops/core/reduce.ts";
import { vector } from "../ops/core/shape.ts";
import { Random } from "../tensor/random.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { compositions } from "./compose.ts";

interface Row {
  readonly name: string;
  readonly moving: readonly (readonly [readonly number[], Draw?])[];
  readonly fixed?: readonly Value[];
  readonly attributes?: Attributes;
  readonly outputs?: number;
}

const random = new Random(3);
const labels = (...shape: readonly number[]): Value => constant(drawTensor(integer(0, 2), random, shape, "int64"));
const away = uniform(0.4, 0.9);
const grids = ["nearest", "linear", "cubic"].flatMap((mode) =>
  ["zeros", "border", "reflection"].map((padding_mode) => ({ mode, padding_mode })),
);

const rows: readonly Row[] = [
  { name: "ReduceL1", moving: [[[3, 4], away]], fixed: [vector([1])] },
  { name: "ReduceL2", moving: [[[3, 4], away]], fixed: [vector([0])], attributes: { keepdims: 0 } },
  { name: "ReduceLogSum", moving: [[[3, 4], away]], fixed: [vector([-1])] },
  { name: "ReduceLogSumExp", moving: [[[3, 4], distinct]], fixed: [vector([1])], attributes: { keepdims: 0 } },
  { name: "ReduceSumSquare", moving: [[[3, 4]]] },
  { name: "Mean", moving: [[[3, 4]], [[4]], [[]]] },
  { name: "Sum", moving: [[[3, 4]], [[4]]] },
  { name: "Split", moving: [[[3, 5]]], attributes: { axis: 1, num_outputs: 2 }, outputs: 2 },
  { name: "Split", moving: [[[3, 5]]], fixed: [vector([1, 2])], outputs: 2 },
  { name: "Tile", moving: [[[2, 3]]], fixed: [vector([2, 3])] },
  { name: "Swish", moving: [[[2, 3]]], attributes: { alpha: 1.5 } },
  { name: "SoftmaxOverRest", moving: [[[2, 3, 2]]] },
  { name: "LogSoftmaxOverRest", moving: [[[2, 3, 2]]], attributes: { axis: 2 } },
  { name: "MatMulOfVector", moving: [[[3]], [[2, 3, 4]]] },
  { name: "CenterCropPad", moving: [[[5, 3]]], fixed: [vector([2, 6])] },
  { name: "Einsum", moving: [[[2, 3]], [[3, 4]]], attributes: { equation: "ij,jk->ik" } },
  { name: "Einsum", moving: [[[2, 3, 3]]], attributes: { equation: "...ii->...i" } },
  { name: "NegativeLogLikelihoodLoss", moving: [[[2, 3, 4]]], fixed: [labels(2, 4)] },
  { name: "SoftmaxCrossEntropyLoss", moving: [[[4, 3]]], fixed: [labels(4)], attributes: { ignore_index: 1 } },
  ...grids.map((attributes) => ({
    name: "GridSample",
    moving: [[[1, 2, 3, 4]], [[1, 2, 2, 2], exactly(-0.93, 0.31, 0.47, -0.58, 1.21, 0.12, -0.2, -1.37)]] as const,
    attributes,
  })),
];

describe("operators that are compositions have the gradients of what they are", () => {
  test.each(rows.map((row, index) => [`${index}: ${row.name} ${JSON.stringify(row.attributes ?? {})}`, row] as const))(
    "%s",
    (_, { name, moving, fixed = [], attributes = {}, outputs = 1 }) => {
      const inputs = moving.map(([shape], index) => inputValue(`x${index}`, { dtype: "float64", shape }));
      const form = { type: name, version: 21, inputs: [...inputs, ...fixed], attributes, outputs };
      const results = compositions.get(name)!(form as Parameters<ReturnType<typeof compositions.get> & object>[0]);
      const sum = results
        .map((y) => reduceSum(mul(y, constant(drawTensor(normal, random, y.shape as number[], y.dtype)))))
        .reduce((a, b) => mul(a, b));
      const gradients = gradientsOf(sum, inputs);
      const graph = makeGraph(inputs, new Map(gradients.map((gradient, index) => [`d${index}`, gradient])));
      const forward = makeGraph(inputs, { sum });
      const at = new Map(
        moving.map(([shape, draw = normal], index) => [`x${index}`, drawTensor(draw, random, shape, "float64")]),
      );
      const value = (feeds: ReadonlyMap<string, Tensor>) => evaluateGraph(forward, feeds).outputs.get("sum")!.item();
      const found = evaluateGraph(graph, at).outputs;
      const named = new Map([...at.keys()].map((key, index) => [key, found.get(`d${index}`)!]));
      const { error } = differences({ value, at, gradients: named });
      expect(error).toBeLessThan(1e-6 * largestMagnitude(named.values()));
    },
  );
});

describe("operators that are compositions say what does not fit", () => {
  const x = inputValue("x", { dtype: "float32", shape: ["batch", 3] });
  const compose =
    (type: string, attributes: Attributes, ...more: readonly Value[]) =>
    () =>
      compositions.get(type)!({ type, version: 21, inputs: [x, ...more], attributes: attributes as never, outputs: 2 });

  test.each([
    ["Split", compose("Split", { axis: 0 }), "Split: found even parts of axis 0 of length batch; expected a number."],
    ["Split's lengths", compose("Split", { axis: 1 }, vector([1, 1])), "expected lengths that add up to 3."],
    ["Constant", compose("Constant", {}), "Constant: found a constant of nothing"],
    ["Tile", compose("Tile", {}, vector([1])), "Tile: found repeats [1]; expected 2 numbers."],
    ["Einsum", compose("Einsum", { equation: "ijk->i" }), 'Einsum: found equation "ijk->i"'],
    ["EyeLike", compose("EyeLike", {}), "EyeLike: found an operand of [batch,3]"],
    ["GridSample", compose("GridSample", {}, x), "GridSample: found x [batch,3]"],
  ])("%s", (_, attempt, sentence) => {
    expect(attempt).toThrow(StriateError);
    expect(attempt).toThrow(sentence);
  });
});
