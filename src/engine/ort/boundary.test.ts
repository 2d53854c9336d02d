import { afterAll, describe, expect, test } from "vitest";
import { type Graph, makeGraph } from "../../graph/graph.ts";
import { bind } from "../../graph/rewrite.ts";
import { inputValue, parameterValue } from "../../graph/value.ts";
import { conv } from "../../ops/conv.ts";
import { mul } from "../../ops/core/elementwise.ts";
import { averagePool } from "../../ops/pool.ts";
import { Random } from "../../tensor/random.ts";
import { full, scalar, type Tensor, tensor } from "../../tensor/tensor.ts";
import { reference } from "../reference.ts";
import { ort } from "./ort.ts";

afterAll(() => ort.close());

const random = (shape: readonly number[], name: string): Tensor => {
  const draws = new Random(1, name);
  const size = shape.reduce((product, each) => product * each, 1);
  return tensor(
    Array.from({ length: size }, () => draws.normal()),
    shape,
  );
};

/** x times a weight. */
function scaling(): Graph {
  const x = inputValue("x", { dtype: "float32", shape: ["batch", 5000] });
  const w = parameterValue("w", { dtype: "float32", shape: [] });
  return makeGraph([x], { y: mul(x, w) });
}

describe("a program that changes no variables", () => {
  test("has the weights that were written last, in the order of the calls", async () => {
    const program = await ort.compile(scaling(), new Map([["w", scalar(2)]]));
    const feeds = { x: full([1, 5000], 1) };
    const first = async () => (await program.run(feeds)).get("y")!.toArray()[0];
    expect(await first()).toBe(2);
    const answers = [];
    for (const weight of [3, 4]) {
      const written = program.write(new Map([["w", scalar(weight)]]));
      answers.push(first(), written);
    }
    expect(await Promise.all(answers)).toEqual([3, undefined, 4, undefined]);
    expect((await program.read(["w"])).get("w")!.item()).toBe(4);
    await expect(program.write(new Map([["w", tensor([1, 2])]]))).rejects.toThrow('found float32 2 for "w"');
    expect(await first()).toBe(4);
    await program.dispose();
  });
});

describe("feeds", () => {
  test("stay the caller's, whatever their size, with several runs at once", async () => {
    const program = await ort.compile(scaling(), new Map([["w", scalar(3)]]));
    const inputs = [1, 2, 7, 1, 3].map((batch, index) => full([batch, 5000], index + 1));
    for (let round = 0; round < 3; round++) {
      const outputs = await Promise.all(inputs.map((x) => program.run({ x })));
      for (const [index, output] of outputs.entries()) {
        const y = output.get("y")!;
        expect(y.shape).toEqual(inputs[index]!.shape);
        expect(y.toArray().every((each) => each === 3 * (index + 1))).toBe(true);
        expect(inputs[index]!.toArray().every((each) => each === index + 1)).toBe(true);
      }
    }
    await program.dispose();
  });

  test("may be a part of a longer buffer", async () => {
    const program = await ort.compile(scaling(), new Map([["w", scalar(1)]]));
    const whole = random([3, 5000], "whole");
    const output = await program.run({ x: whole.slice(1, 2) });
    expect(output.get("y")!.toArray()).toEqual(whole.slice(1, 2).toArray());
    await program.dispose();
  });
});

describe("with a batch of any length", () => {
  test.each([
    ["pooling of a few channels", 3, [2, 2], [8, 6]],
    ["pooling of many channels", 16, [2, 2], [8, 6]],
    ["pooling by unequal windows", 2, [3, 2], [9, 4]],
    ["pooling that leaves a rest", 2, [2, 2], [5, 7]],
    ["pooling of long rows", 1, [2, 2], [4, 200]],
  ])("%s is the mean", async (_, channels, kernel, size) => {
    const x = inputValue("x", { dtype: "float32", shape: ["batch", channels, ...size] });
    await follows(makeGraph([x], { y: averagePool(x, { kernel_shape: kernel, strides: kernel }) }), new Map(), [
      channels,
      ...size,
    ]);
  });

  test("a convolution whose kernel covers its input is a matrix product", async () => {
    const x = inputValue("x", { dtype: "float32", shape: ["batch", 3, 4, 5] });
    const [w, b] = [random([6, 3, 4, 5], "w"), random([6], "b")];
    const graph = makeGraph([x], { y: conv(x, parameterValue("w", w), parameterValue("b", b), {}) });
    await follows(
      graph,
      new Map([
        ["w", w],
        ["b", b],
      ]),
      [3, 4, 5],
    );
  });
});

/** The engine agrees with the reference for batches of several lengths, bound or not. */
async function follows(graph: Graph, variables: Map<string, Tensor>, sample: readonly number[]): Promise<void> {
  const open = await ort.compile(graph, variables);
  const oracle = await reference.compile(graph, variables);
  for (const batch of [1, 4]) {
    const feeds = { x: random([batch, ...sample], `x${batch}`) };
    const bound = await ort.compile(bind(graph, { batch }), variables);
    const expected = (await oracle.run(feeds)).get("y")!;
    for (const program of [open, bound]) {
      const y = (await program.run(feeds)).get("y")!;
      expect(y.shape).toEqual(expected.shape);
      const values = expected.toArray();
      const worst = Math.max(...y.toArray().map((each, index) => Math.abs(each - values[index]!)));
      expect(worst).toBeLessThan(1e-4);
    }
    await bound.dispose();
  }
  await open.dispose();
}
