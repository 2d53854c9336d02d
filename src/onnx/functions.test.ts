import { fromBinary, toBinary } from "@bufbuild/protobuf";
import * as runtime from "onnxruntime-node";
import { describe, expect, test } from "vitest";
import { buildCase } from "../../test/check/build.ts";
import type { OpCase } from "../../test/check/case.ts";
import { tables } from "../../test/check/cases/all.ts";
import { largestDifference, largestMagnitude } from "../../test/check/compare.ts";
import { gradientsOf } from "../autodiff/gradient.ts";
import { evaluateGraph } from "../engine/reference.ts";
import { type Graph, makeGraph, nodesOf, trainableOf } from "../graph/graph.ts";
import { type Op, striateDomain } from "../graph/op.ts";
import { bind } from "../graph/rewrite.ts";
import { constant, inputValue } from "../graph/value.ts";
import { lenet5 } from "../models/lenet.ts";
import { Model } from "../models/model.ts";
import { crossEntropy } from "../nn/losses.ts";
import { conv } from "../ops/conv.ts";
import { sliceDropoutOf } from "../ops/dropout.ts";
import { Random } from "../tensor/random.ts";
import { type Tensor, tensor } from "../tensor/tensor.ts";
import { decode } from "./decode.ts";
import { encode } from "./encode.ts";
import { ModelProtoSchema } from "./generated/onnx_pb.ts";

/** The outputs of a file in onnxruntime-node alone. */
async function runBare(bytes: Uint8Array, feeds: ReadonlyMap<string, Tensor>) {
  const session = await runtime.InferenceSession.create(bytes, { logSeverityLevel: 4 });
  const given = session.inputNames.map((name) => {
    const { dtype, data, shape } = feeds.get(name)!;
    return [name, new runtime.Tensor(dtype as "float32", data as Float32Array, [...shape])];
  });
  const results = await session.run(Object.fromEntries(given));
  await session.release();
  return results;
}

async function expectAlike(bytes: Uint8Array, graph: Graph, feeds: ReadonlyMap<string, Tensor>): Promise<void> {
  const found = await runBare(bytes, feeds);
  for (const [name, expected] of evaluateGraph(graph, feeds).outputs) {
    const result = found[name]!;
    const given = tensor(Array.from(result.data as Float32Array, Number), [...result.dims], "float64");
    expect(given.shape, name).toEqual(expected.shape);
    expect(largestDifference(given, expected), name).toBeLessThan(1e-6 * Math.max(largestMagnitude([expected]), 1e-30));
  }
}

const drawn = (shape: readonly number[]): Tensor => {
  const random = new Random(3, "functions");
  return tensor(
    Array.from({ length: shape.reduce((size, each) => size * each, 1) }, () => random.normal()),
    shape,
  );
};

/** The first cases of each operator of ours, of all shapes and settings that it is checked with. */
const ours = new Map<Op, OpCase[]>();
for (const each of Object.values(tables).flat())
  if (each.op.domain === striateDomain) ours.set(each.op, [...(ours.get(each.op) ?? []), each].slice(0, 4));

describe("an operator of ours runs in onnxruntime-node alone, its batch open too", () => {
  test.each([...ours.keys()].map(({ name }) => name))("%s", async (name) => {
    for (const opCase of [...ours].find(([op]) => op.name === name)![1])
      for (const naming of ["fixed", "named"] as const) {
        const { graph: open, feeds, dimensions } = buildCase(opCase, naming);
        const { batch: _, ...others } = dimensions;
        const { inputs, outputs } = bind(open, others);
        const graph = makeGraph(inputs, new Map([...outputs].filter(([output]) => output.startsWith("y"))));
        await expectAlike(encode(graph), graph, feeds);
      }
  });
});

describe("functions", () => {
  const x = inputValue("x", { dtype: "float32", shape: ["batch", 2, 4, 4] });

  test("are one for all calls that mean the same, and come back as operators with their own settings", () => {
    const graph = makeGraph([x], { y: sliceDropoutOf("y", sliceDropoutOf("x", x, 0.25, 1), 0.5, 2) });
    const bytes = encode(graph);
    const { functions } = fromBinary(ModelProtoSchema, bytes);
    expect(functions.map(({ name, domain }) => `${domain}:${name}`)).toEqual([
      "ai.striate:SliceDropout",
      "ai.striate:SliceDropout_2",
    ]);
    expect(nodesOf(decode(bytes).graph).map(({ op, attributes }) => [op.name, attributes])).toEqual([
      ["SliceDropout", { ratio: 0.25, axes: 1 }],
      ["SliceDropout", { ratio: 0.5, axes: 2 }],
    ]);
  });

  test("of our domain whose names we do not know are inlined", () => {
    const file = fromBinary(ModelProtoSchema, encode(makeGraph([x], { y: sliceDropoutOf("x", x, 0.25, 1) })));
    file.functions[0]!.name = "Tomorrow";
    file.graph!.node[0]!.opType = "Tomorrow";
    expect(nodesOf(decode(toBinary(ModelProtoSchema, file)).graph).map(({ op }) => op.name)).not.toContain(
      "SliceDropout",
    );
  });

  test("let a graph of gradients be saved, its batch open", async () => {
    const { graph, variables } = Model.build(lenet5({ classes: 10 }), { name: "lenet5", input: [1, 32, 32], seed: 1 });
    const logits = graph.outputs.get("logits")!;
    const labels = inputValue("labels", crossEntropy.target(logits));
    const wanted = [graph.inputs[0]!, ...trainableOf(graph)];
    const gradients = gradientsOf(crossEntropy.of(logits, labels), wanted);
    const all = makeGraph(
      [...graph.inputs, labels],
      new Map(wanted.map(({ source }, index) => [`d.${source.name}`, gradients[index]!])),
    );
    const bytes = encode(all, { variables });
    expect(nodesOf(decode(bytes).graph).map(({ op }) => op.name)).toContain("ConvWeightGradient");
    for (const batch of [1, 3]) {
      const numbers = tensor(
        Array.from({ length: batch }, (_, index) => index),
        [batch],
        labels.dtype,
      );
      await expectAlike(bytes, all, new Map([...variables, ["image", drawn([batch, 1, 32, 32])], ["labels", numbers]]));
    }
  });
});

test("numbers that no training may change are none of the variables when the file is read", () => {
  const image = inputValue("x", { dtype: "float32", shape: ["batch", 1, 4, 4] });
  const blur = tensor([1, 2, 1, 2, 4, 2, 1, 2, 1], [1, 1, 3, 3]);
  const graph = makeGraph([image], { y: conv(image, constant(blur), undefined, {}) });
  expect(decode(encode(graph)).variables.size).toBe(0);
});
