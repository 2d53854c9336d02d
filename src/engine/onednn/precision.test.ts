import { afterAll, afterEach, describe, expect, test, vi } from "vitest";
import { type BuiltCase, buildCase } from "../../../test/check/build.ts";
import { tables } from "../../../test/check/cases/all.ts";
import { expectClose, largestDifference } from "../../../test/check/compare.ts";
import { isOperator, readGolden } from "../../../test/check/golden.ts";
import { goldenGraph } from "../../../test/check/golden-graph.ts";
import { type Graph, makeGraph } from "../../graph/graph.ts";
import { rewrite } from "../../graph/rewrite.ts";
import { constant, inputValue, parameterValue, type Value } from "../../graph/value.ts";
import { conv } from "../../ops/conv.ts";
import { add, mul, relu, sub } from "../../ops/core/elementwise.ts";
import { reduceMean } from "../../ops/core/reduce.ts";
import type { NativeLibrary } from "../../platform/native-terms.ts";
import { Random } from "../../tensor/random.ts";
import { sizeOf } from "../../tensor/shape.ts";
import { full, Tensor } from "../../tensor/tensor.ts";
import type { Precision, Tensors } from "../engine.ts";
import { ort } from "../ort/ort.ts";
import { evaluateGraph, reference } from "../reference.ts";
import { Unimplemented } from "./dnnl.ts";
import { Dnnl2 } from "./dnnl2.ts";
import { Dnnl3 } from "./dnnl3.ts";
import { dnnl, missing, useThreads } from "./library.ts";
import { onednn } from "./onednn.ts";
import { chosenPrecision, halvesOf } from "./precision.ts";
import { NativeProgram } from "./program.ts";

/** Half the distance of neighbours among numbers of 8 bits from 1 to 2: the most that one rounding moves a number by. */
const roundoff = 2 ** -9;

const x = inputValue("x", { dtype: "float32", shape: [2, 3] });
const simple = makeGraph([x], { y: relu(x) });

describe.each([reference, ort])("$name", (engine) => {
  afterAll(() => engine.close());

  test("refuses bfloat16, and takes auto for float32", async () => {
    await expect(engine.compile(simple, new Map(), { precision: "bfloat16" })).rejects.toThrow(
      `engine "${engine.name}": found a precision of bfloat16; expected one of float32, auto. Use the engine "onednn", which has it.`,
    );
    const program = await engine.compile(simple, new Map(), { precision: "auto" });
    expect((await program.run({ x: full([2, 3], 0.1) })).get("y")!.toArray()[0]).toBeCloseTo(0.1, 7);
    await program.dispose();
  });
});

/** A library of nothing but an instruction set. */
const libraryOf = (instructions: number): NativeLibrary => ({
  name: "none",
  function: (symbol) => () => (symbol === "dnnl_get_effective_cpu_isa" ? instructions : 0),
  has: () => false,
  addressOf: () => 0,
  bytesAt: () => new ArrayBuffer(0),
  fileOf: () => undefined,
});

test.each([
  ["2, AVX-512", Dnnl2, 0x27, "float32"],
  ["2, with bfloat16 products", Dnnl2, 0xe7, "float32"],
  ["2, with matrix units", Dnnl2, 0x3e7, "bfloat16"],
  ["3, with bfloat16 products", Dnnl3, 0xef, "float32"],
  ["3, with float16 products", Dnnl3, 0x1ef, "float32"],
  ["3, with matrix units", Dnnl3, 0xfef, "bfloat16"],
  ["3, with matrix units for float16 too", Dnnl3, 0x1fef, "bfloat16"],
] as const)("auto is bfloat16 where the library has matrix units: version %s", (_, Version, instructions, expected) => {
  const library = new Version(libraryOf(instructions));
  expect(chosenPrecision(library, "auto")).toBe(expected);
  expect(chosenPrecision(library, "bfloat16")).toBe("bfloat16");
});

test.each([
  ["2, AVX2", Dnnl2, 0x7, false],
  ["2, AVX2 with byte products", Dnnl2, 0x407, false],
  ["2, AVX-512", Dnnl2, 0x27, true],
  ["3, AVX2 with more byte products", Dnnl3, 0x1f, false],
  ["3, with matrix units", Dnnl3, 0xfef, true],
  ["3, of a processor of another kind", Dnnl3, 0, false],
] as const)("blocks of 16 channels are for vectors of 16 numbers: version %s", (_, Version, instructions, expected) => {
  expect(new Version(libraryOf(instructions)).hasLongVectors()).toBe(expected);
});

/** A network of two convolutions whose output a loss takes, and the next weights. */
function network() {
  const image = inputValue("image", { dtype: "float32", shape: [2, 3, 8, 8] });
  const target = inputValue("target", { dtype: "float32", shape: [2, 4, 4, 4] });
  const [w1, w2] = [
    parameterValue("w1", { dtype: "float32", shape: [16, 3, 3, 3] }),
    parameterValue("w2", { dtype: "float32", shape: [4, 16, 3, 3] }),
  ];
  const features = relu(conv(image, w1, undefined, { kernel_shape: [3, 3] }));
  const y = conv(features, w2, undefined, { kernel_shape: [3, 3] });
  const off = sub(y, target);
  const loss = reduceMean(mul(off, off));
  return { image, target, w1, w2, features, y, off, loss };
}
const random = (shape: readonly number[], name: string): Tensor => {
  const draws = new Random(1, name);
  return new Tensor(
    "float32",
    shape,
    Float32Array.from({ length: sizeOf(shape) }, () => draws.normal() / 4),
  );
};
const weights = new Map([
  ["w1", random([16, 3, 3, 3], "w1")],
  ["w2", random([4, 16, 3, 3], "w2")],
]);
const feeds = new Map([
  ["image", random([2, 3, 8, 8], "image")],
  ["target", random([2, 4, 4, 4], "target")],
]);

describe("what is stored in bfloat16", () => {
  test("are values between products; what a loss, an update or an output takes is not, nor what comes of nothing but inputs", () => {
    const { image, target, w1, features, y, off, loss } = network();
    const before = mul(image, 2);
    const graph = makeGraph([image, target], { loss, before }, [{ variable: w1, next: add(w1, loss) }]);
    const { values, nodes } = halvesOf(graph);
    expect([features, y, off, loss, before].map((value) => values.has(value))).toEqual([
      true,
      false,
      false,
      false,
      false,
    ]);
    expect([...nodes].map(({ op }) => op.name).sort()).toEqual(["Conv", "Conv", "Relu"]);
  });

  test("are none about a depthwise convolution", () => {
    const maps = inputValue("maps", { dtype: "float32", shape: [1, 16, 8, 8] });
    const each = parameterValue("each", { dtype: "float32", shape: [16, 1, 3, 3] });
    const graph = makeGraph([maps], { y: relu(conv(maps, each, undefined, { group: 16, kernel_shape: [3, 3] })) });
    expect(halvesOf(graph).nodes.size).toBe(0);
  });
});

/** A tensor whose elements are numbers of bfloat16. */
function rounded(tensor: Tensor): Tensor {
  if (tensor.dtype !== "float32") return tensor;
  const bits = new Uint32Array(Float32Array.from(tensor.numbers).buffer);
  for (let at = 0; at < bits.length; at++) bits[at] = (bits[at]! + 0x7fff + ((bits[at]! >>> 16) & 1)) & 0xffff0000;
  return new Tensor("float32", tensor.shape, new Float32Array(bits.buffer));
}

/** A convolution that changes nothing: what it gives is stored in bfloat16. */
function unchanged(value: Value): Value {
  const rank = value.shape.length;
  if (value.dtype !== "float32" || rank < 3 || rank > 5 || value.shape.includes(0)) return value;
  const channels = value.shape[1] as number;
  const data = new Float32Array(channels ** 2).map((_, at) => (at % (channels + 1) === 0 ? 1 : 0));
  return conv(
    value,
    constant(new Tensor("float32", [channels, channels, ...new Array(rank - 2).fill(1)], data)),
    undefined,
    {},
  );
}

/** The graph of a case between convolutions that change nothing. */
function between({ graph }: Pick<BuiltCase, "graph">): Graph {
  const inputs = graph.inputs.map((input) => inputValue(input.source.name, input));
  const leaves = new Map<Value, Value>(graph.inputs.map((input, index) => [input, unchanged(inputs[index]!)]));
  const { outputs } = rewrite({ ...graph, inputs }, () => undefined, leaves).graph;
  return makeGraph(inputs, new Map([...outputs].map(([name, value]) => [name, unchanged(value)])));
}

describe.skipIf(missing() !== undefined)("oneDNN", () => {
  afterAll(() => onednn.close());
  afterEach(() => {
    vi.restoreAllMocks();
  });

  const run = (graph: Graph, given: Tensors, precision: Precision = "bfloat16", variables: Tensors = new Map()) =>
    new NativeProgram(dnnl(), graph, variables, { precision: chosenPrecision(dnnl(), precision) }).run(given);

  test("refuses a precision that there is not", async () => {
    await expect(onednn.compile(simple, new Map(), { precision: "float16" as Precision })).rejects.toThrow(
      'engine "onednn": found a precision of float16; expected one of float32, bfloat16, auto.',
    );
  });

  const graph = () => {
    const { image, target, w1, loss, y } = network();
    return makeGraph([image, target], { loss, y }, [{ variable: w1, next: mul(w1, 0.5) }]);
  };

  test("gives float32 to the user, near to what it computes in float32, in the same bits each time", () => {
    const [one, again] = [run(graph(), feeds, "bfloat16", weights), run(graph(), feeds, "bfloat16", weights)];
    const exact = run(graph(), feeds, "float32", weights);
    const [y, expected] = [one.get("y")!, exact.get("y")!];
    expect(y.dtype).toBe("float32");
    expect(largestDifference(y, expected)).toBeGreaterThan(0);
    expectClose("y", y, expected, { relative: 4 * roundoff });
    expect(y.data).toEqual(again.get("y")!.data);
    expect(one.get("loss")!.data).toEqual(again.get("loss")!.data);
  });

  test("takes less memory, and keeps variables in float32", () => {
    const half = new NativeProgram(dnnl(), graph(), weights, { precision: "bfloat16" });
    const whole = new NativeProgram(dnnl(), graph(), weights);
    expect(half.bytes).toBeLessThan(whole.bytes);
    half.run(feeds);
    const next = half.read().get("w1")!;
    expect(next.toArray()).toEqual(
      weights
        .get("w1")!
        .toArray()
        .map((each) => each / 2),
    );
  });

  test("leaves variables as they were where the loss is not a number", () => {
    const program = new NativeProgram(dnnl(), graph(), weights, { precision: "bfloat16", finite: ["loss"] });
    const outputs = program.run(new Map([...feeds, ["target", full([2, 4, 4, 4], Number.NaN)]]));
    expect(outputs.get("loss")!.item()).toBeNaN();
    program.run(feeds);
    expect(program.read().get("w1")!.data).toEqual(weights.get("w1")!.data);
  });

  test("computes in float32 what the library lacks in bfloat16", () => {
    const library = dnnl();
    const convolution = library.convolution.bind(library);
    vi.spyOn(library, "convolution").mockImplementation((forms, ...more) => {
      if (forms.source.dtype === "bfloat16") throw new Unimplemented();
      return convolution(forms, ...more);
    });
    const found = run(graph(), feeds, "bfloat16", weights).get("y")!;
    expectClose("y", found, run(graph(), feeds, "float32", weights).get("y")!, { relative: 1e-5 });
  });

  const cases = Object.values(tables)
    .flat()
    .filter(({ except }) => !except?.includes("onednn"));

  /** Whether a case computes in bfloat16 between convolutions, and then within a few roundings of the reference. */
  function isWithinRoundings({
    name,
    graph: alone,
    feeds: exact,
  }: Pick<BuiltCase, "name" | "graph" | "feeds">): boolean {
    const given = new Map([...exact].map(([label, tensor]) => [label, rounded(tensor)]));
    const graph = between({ graph: alone });
    if (halvesOf(graph).nodes.size === 0) return false;
    const found = run(graph, given);
    for (const [label, expected] of evaluateGraph(graph, given).outputs)
      expectClose(`${name}: ${label}`, found.get(label), expected, { relative: mostRoundings * roundoff });
    return true;
  }

  test("every operator's case between convolutions is within a few roundings of the reference", () => {
    useThreads(1);
    const within = cases.filter((opCase) => isWithinRoundings(buildCase(opCase, "fixed")));
    expect(within.length).toBeGreaterThan(400);
  }, 60_000);

  const golden = readGolden();
  test.skipIf(!golden)(
    "the layers that PyTorch recorded, and their gradients, are so too",
    () => {
      useThreads(1);
      const { cases, tensors } = golden!;
      const within = cases.filter((each) => {
        if (!isOperator(each)) return false;
        const graph = goldenGraph(each, tensors);
        const feeds = new Map(graph.inputs.map(({ source: { name } }) => [name, tensors.get(`${each.name}.${name}`)!]));
        return isWithinRoundings({ name: each.name, graph, feeds });
      });
      expect(within.length).toBeGreaterThan(80);
    },
    60_000,
  );
});

/** Roundings between a case's operands and its results, at most: an operator's own, its gradients' and their sums'. */
const mostRoundings = 4;
