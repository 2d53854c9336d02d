import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { buildCase } from "../../../test/check/build.ts";
import { fixedVector, moving, type OpCase, row } from "../../../test/check/case.ts";
import { depthSpaceCases } from "../../../test/check/cases/depth-space.ts";
import { resizeCases } from "../../../test/check/cases/index.ts";
import { stochasticPoolCases } from "../../../test/check/cases/pool.ts";
import { randomConvTranspose, randomPool } from "../../../test/check/cases/random.ts";
import { randomArrangement, randomResize } from "../../../test/check/cases/random-arrange.ts";
import {
  randomBatchNormalisation,
  randomLocalNormalisation,
  randomNormalisation,
} from "../../../test/check/cases/random-normalisation.ts";
import { expectClose } from "../../../test/check/compare.ts";
import { distinct } from "../../../test/check/draw.ts";
import { type Graph, makeGraph } from "../../graph/graph.ts";
import { apply } from "../../graph/op.ts";
import { rewrite, withInputs } from "../../graph/rewrite.ts";
import { constant, inputValue, type Node, type Value } from "../../graph/value.ts";
import { Concat, Pad } from "../../ops/core/arrange.ts";
import { LRN } from "../../ops/local-normalisation.ts";
import { GroupNormalization, InstanceNormalization } from "../../ops/normalisation.ts";
import { AveragePool, MaxPool, MaxPoolSelect, maxPool } from "../../ops/pool.ts";
import { full } from "../../tensor/tensor.ts";
import { evaluateGraph } from "../reference.ts";
import { rules } from "./kernels.ts";
import { dnnl, missing, useThreads } from "./library.ts";
import { Plan } from "./plan.ts";
import { NativeProgram } from "./program.ts";

/** The graph with its maps channels-last: as what pools windows of one element leaves them. */
function channelsLast(graph: Graph): Graph {
  const pooled = new Map<Value | undefined, Value>();
  for (const input of graph.inputs) {
    const ones = input.shape.slice(2).map(() => 1);
    if (ones.length > 0 && ones.length < 4 && input.dtype === "float32")
      pooled.set(input, maxPool(input, { kernel_shape: ones, strides: ones }));
  }
  const over = (node: Node, inputs: readonly (Value | undefined)[]) =>
    withInputs(
      node,
      inputs.map((input) => pooled.get(input) ?? input),
    );
  return rewrite(graph, over).graph;
}

/** Whatever the order of what comes in, the reference engine's numbers, and nothing in the operator's own loops. */
function checkOrders(opCase: OpCase, own: readonly string[]): void {
  const { name, graph, feeds } = buildCase(opCase, "fixed");
  const expected = evaluateGraph(graph, feeds).outputs;
  for (const each of [graph, channelsLast(graph)]) {
    const program = new NativeProgram(dnnl(), each, new Map());
    const found = program.run(feeds);
    for (const [output, tensor] of expected)
      expectClose(`${name}: ${output}`, found.get(output), tensor, { relative: 1e-5 });
    program.dispose();
    expect(own.filter((op) => program.elsewhere.reference?.[op])).toEqual([]);
  }
}

const randomWindows = randomPool.chain(({ x, attributes, count_include_pad }) =>
  fc.constantFrom(
    row(MaxPool, JSON.stringify([x, attributes]), [moving(x, distinct)], { attributes }),
    row(MaxPoolSelect, JSON.stringify([x, attributes]), [moving(x, distinct), moving(x)], { attributes }),
    row(AveragePool, JSON.stringify([x, attributes, count_include_pad]), [moving(x)], {
      attributes: { ...attributes, count_include_pad },
    }),
  ),
);

/** Padding of [2, 3, 4, 5]: before and after its rows and places. */
const borders = (mode: string, ...[top, left, bottom, right]: readonly number[]): OpCase =>
  row(
    Pad,
    JSON.stringify([mode, top, left, bottom, right]),
    [moving([2, 3, 4, 5]), fixedVector(0, 0, top!, left!, 0, 0, bottom!, right!)],
    {
      attributes: { mode },
    },
  );

const others: readonly OpCase[] = [
  ...["constant", "reflect", "edge", "wrap"].flatMap((mode) => [
    borders(mode, 1, 2, 3, 1),
    borders(mode, 0, 3, 0, 2),
    borders(mode, 20, 1, 15, 4),
  ]),
  borders("constant", -1, 2, 1, -3),
  borders("constant", 3, -2, -3, 0),
  row(Concat, "maps of three lengths", [moving([2, 3, 4, 5]), moving([2, 1, 4, 5]), moving([2, 8, 4, 5])], {
    attributes: { axis: 1 },
  }),
  ...[2, 4, 6].map((size) =>
    row(LRN, `an even window of ${size}`, [moving([2, 7, 3, 2])], { attributes: { size, alpha: 0.5, bias: 2 } }),
  ),
];

/** More samples than the library is asked to normalise one by one. */
const manySamples: readonly OpCase[] = [
  row(InstanceNormalization, "of 70 samples", [moving([70, 4, 3, 2]), moving([4]), moving([4])]),
  ...[1, 2].map((num_groups) =>
    row(GroupNormalization, `of 70 samples in ${num_groups}`, [moving([70, 4, 3, 2]), moving([4]), moving([4])], {
      attributes: { num_groups },
    }),
  ),
];

describe.skipIf(missing() !== undefined)("maps in both orders", () => {
  beforeAll(() => useThreads(1));

  test.each<[string, fc.Arbitrary<OpCase>, number, string[]]>([
    ["arrangements", randomArrangement, 40, ["Slice", "Concat", "Pad"]],
    ["borders, joints and even windows", fc.constantFrom(...others), 40, ["Pad", "Concat", "LRN"]],
    ["transposed convolutions", randomConvTranspose, 12, ["ConvTranspose"]],
    [
      "pooling",
      randomWindows,
      24,
      ["MaxPool", "MaxPoolGradient", "MaxPoolSelect", "AveragePool", "AveragePoolGradient"],
    ],
    ["resizing", randomResize, 20, ["Resize", "ResizeGradient"]],
    ["resizing in every mode", fc.constantFrom(...resizeCases), 30, ["Resize", "ResizeGradient"]],
    ["blocks", fc.constantFrom(...depthSpaceCases), 20, ["DepthToSpace", "SpaceToDepth"]],
    ["stochastic pooling", fc.constantFrom(...stochasticPoolCases), 10, ["StochasticPool"]],
    [
      "normalisation by sample",
      randomNormalisation,
      8,
      ["InstanceNormalization", "GroupNormalization", "LayerNormalization"],
    ],
    [
      "normalisation of many samples",
      fc.constantFrom(...manySamples),
      8,
      ["InstanceNormalization", "GroupNormalization"],
    ],
    ["normalisation by batch", randomBatchNormalisation, 8, ["BatchNormalization"]],
    ["normalisation by neighbours", randomLocalNormalisation, 15, ["LRN", "LpNormalization"]],
  ])("%s: the reference engine's numbers, by no operator's own loops", (_, cases, count, own) => {
    fc.assert(
      fc.property(cases, (opCase) => checkOrders(opCase, own)),
      { seed: 1, numRuns: count },
    );
  });

  test("a million samples are normalised in one step", () => {
    const [x, scale] = [inputValue("x", { dtype: "float32", shape: [1_000_000, 1, 1, 1] }), constant(full([1], 1))];
    const y = apply(InstanceNormalization, [x, scale, scale])[0]!;
    const { steps } = new Plan(dnnl(), makeGraph([x], { y }), rules, "float32");
    expect(steps.map(({ kind }) => kind.operator)).toEqual(["InstanceNormalization"]);
  });
});
