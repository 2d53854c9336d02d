import { describe, expect, test } from "vitest";
import { engines } from "../../../test/check/engines.ts";
import { closeEngines } from "../../../test/check/properties.ts";
import { makeGraph } from "../../graph/graph.ts";
import { type Dimension, inputValue, parameterValue, stateValue } from "../../graph/value.ts";
import { lenet5 } from "../../models/lenet.ts";
import { Model } from "../../models/model.ts";
import { crossEntropy } from "../../nn/losses.ts";
import { sgd } from "../../nn/optimisers.ts";
import { step, withLoss } from "../../nn/step.ts";
import { add, div, log, mul } from "../../ops/core/elementwise.ts";
import { reduceSum } from "../../ops/core/reduce.ts";
import { Random } from "../../tensor/random.ts";
import { full, scalar, type Tensor, tensor } from "../../tensor/tensor.ts";
import type { Engine } from "../engine.ts";
import { reference } from "../reference.ts";
import { ort } from "./ort.ts";

closeEngines();

const random = (shape: number[], name: string): Tensor => {
  const draws = new Random(1, name);
  return tensor(
    Array.from({ length: shape.reduce((size, each) => size * each, 1) }, () => draws.normal()),
    shape,
  );
};

/** A LeNet-5 training step on eight random digits. */
async function lenetStep(engine: Engine) {
  const model = Model.build(lenet5(), { name: "lenet5", input: [1, 32, 32], seed: 1 });
  const { graph, state } = step(withLoss(model.graph, crossEntropy), sgd({ momentum: 0.9 }));
  const program = await engine.compile(graph, new Map([...model.variables, ...state]), { dimensions: { batch: 8 } });
  const labels = tensor([0, 1, 2, 3, 4, 5, 6, 7], [8], "int64");
  const feeds = { image: random([8, 1, 32, 32], "image"), target: labels, learningRate: scalar(0.01) };
  return { program, feeds };
}

/** A counter that divides by its input, so that an input of 0 makes it infinite. */
function counter(shape: readonly Dimension[] = []) {
  const by = inputValue("by", { dtype: "float32", shape });
  const count = stateValue("count", { dtype: "float32", shape: [] });
  const next = add(count, 1);
  return makeGraph([by], { loss: div(count, by) }, [{ variable: count, next }]);
}

describe.each([...engines, reference])("$name", (engine) => {
  test("updates become the next run's variables, and can be read and written", async () => {
    const program = await engine.compile(counter(), new Map([["count", scalar(5)]]));
    const run = async () => (await program.run({ by: scalar(1) })).get("loss")!.item();
    expect([await run(), await run(), await run()]).toEqual([5, 6, 7]);
    expect((await program.read()).get("count")!.item()).toBe(8);
    await program.write(new Map([["count", scalar(1)]]));
    expect(await run()).toBe(1);
    await program.dispose();
  });

  test("an output that is not finite condemns the update before it, and none is made after it", async () => {
    const program = await engine.compile(counter(), new Map([["count", scalar(1)]]), { finite: ["loss"] });
    await program.run({ by: scalar(1) });
    await program.run({ by: scalar(1) });
    await program.run({ by: scalar(0) });
    await program.run({ by: scalar(1) });
    expect((await program.read()).get("count")!.item()).toBe(2);
    await program.dispose();
  });

  test("batches of other lengths neither save a condemned update nor lift the condemnation", async () => {
    const program = await engine.compile(counter(["batch"]), new Map([["count", scalar(1)]]), { finite: ["loss"] });
    const counted = async (batch: number, by: number) => {
      await program.run({ by: full([batch], by) });
      return (await program.read()).get("count")!.item();
    };
    expect([await counted(8, 1), await counted(8, 1), await counted(4, 0), await counted(8, 1)]).toEqual([2, 3, 2, 2]);
    await program.write(new Map([["count", scalar(5)]]));
    expect([await counted(8, 1), await counted(8, 0), await counted(4, 1)]).toEqual([6, 5, 5]);
    await program.dispose();
  });

  test("variables that are written are what a run that does not count goes back to", async () => {
    const program = await engine.compile(counter(), new Map([["count", scalar(5)]]), { finite: ["loss"] });
    await program.run({ by: scalar(1) });
    await program.write(new Map([["count", scalar(100)]]));
    await program.run({ by: scalar(0) });
    expect((await program.read()).get("count")!.item()).toBe(100);
    await program.dispose();
  });

  test("revert takes back the last run, and only that; after a run that did not count it changes nothing", async () => {
    const program = await engine.compile(counter(), new Map([["count", scalar(5)]]), { finite: ["loss"] });
    const counted = async () => (await program.read(["count"])).get("count")!.item();
    const seen: number[] = [];
    for (const by of [1, 1]) await program.run({ by: scalar(by) });
    for (let times = 0; times < 2; times++) {
      await program.revert();
      seen.push(await counted());
    }
    for (const by of [1, 1, 0]) await program.run({ by: scalar(by) });
    seen.push(await counted());
    await program.revert();
    seen.push(await counted());
    await program.write(new Map([["count", scalar(1)]]));
    await program.revert();
    expect([...seen, await counted()]).toEqual([6, 6, 7, 7, 1]);
    await program.dispose();
  });

  test("irreversible variables are taken back neither by revert nor by a run that does not count", async () => {
    const by = inputValue("by", { dtype: "float32", shape: [] });
    const [weight, moment] = ["weight", "moment"].map((name) => stateValue(name, { dtype: "float32", shape: [] }));
    const next = add(mul(moment!, 2), 1);
    const graph = makeGraph([by], { loss: div(weight!, by) }, [
      { variable: moment!, next },
      { variable: weight!, next: add(weight!, next) },
    ]);
    const first = new Map(["weight", "moment"].map((name) => [name, scalar(1)]));
    const program = await engine.compile(graph, first, { finite: ["loss"], irreversible: ["moment"] });
    const read = async () => [...(await program.read(["weight", "moment"])).values()].map((each) => each.item());
    await program.run({ by: scalar(1) });
    expect(await read()).toEqual([4, 3]);
    await program.run({ by: scalar(1) });
    expect(await read()).toEqual([11, 7]);
    await program.revert();
    expect(await read()).toEqual([4, 7]);
    await program.run({ by: scalar(1) });
    expect(await read()).toEqual([19, 15]);
    await program.run({ by: scalar(0) });
    expect(await read()).toEqual([4, 15]);
    await program.dispose();
  });

  test("names and shapes of variables are checked", async () => {
    const program = await engine.compile(counter(), new Map([["count", scalar(5)]]));
    await expect(program.read(["nope"])).rejects.toThrow('read: found a variable "nope"; expected one of count.');
    await expect(program.write(new Map([["nope", scalar(1)]]))).rejects.toThrow('write: found a variable "nope"');
    await expect(program.write(new Map([["count", tensor([1, 2])]]))).rejects.toThrow(
      'write: found float32 2 for "count"',
    );
    await program.dispose();
  });

  test("an input that is missing or of another shape is refused by name", async () => {
    const program = await engine.compile(counter(), new Map([["count", scalar(1)]]));
    await expect(program.run({})).rejects.toThrow('run: found nothing for "by"; expected float32 scalar.');
    await expect(program.run({ by: tensor([1, 2]) })).rejects.toThrow('run: found float32 2 for "by"; expected');
    await expect(engine.compile(counter(), new Map())).rejects.toThrow('variables: found nothing for "count"');
    await program.dispose();
  });

  test("inputs that give one named dimension two lengths are refused", async () => {
    const [x, y] = ["x", "y"].map((name) => inputValue(name, { dtype: "float32", shape: ["batch", 2] }));
    const program = await engine.compile(makeGraph([x!, y!], { sum: reduceSum(add(x!, y!)) }), new Map());
    await expect(program.run({ x: full([1, 2], 1), y: full([3, 2], 1) })).rejects.toThrow(
      'run: found a batch of 1 in "x" and of 3 in "y"; expected one length for each named dimension.',
    );
    expect((await program.run({ x: full([3, 2], 1), y: full([3, 2], 1) })).get("sum")!.item()).toBe(12);
    await program.dispose();
  });
});

describe.each(engines)("$name, in a thread of its own", (engine) => {
  test("closing waits for the runs that were asked for", async () => {
    const { program, feeds } = await lenetStep(engine);
    const runs = Array.from({ length: 20 }, () => program.run(feeds));
    await engine.close();
    for (const outputs of await Promise.all(runs)) expect(Number.isFinite(outputs.get("loss")!.item())).toBe(true);
    await expect(program.run(feeds)).rejects.toThrow(
      "a program whose thread is no more (the worker was stopped). Compile it again.",
    );
  });

  test("a LeNet-5 training step follows the reference engine's", async () => {
    const [fast, slow] = [await lenetStep(engine), await lenetStep(reference)];
    for (let count = 0; count < 3; count++) {
      const [ours, oracle] = [await fast.program.run(fast.feeds), await slow.program.run(slow.feeds)];
      expect(Math.abs(ours.get("loss")!.item() - oracle.get("loss")!.item())).toBeLessThan(1e-5);
    }
    const [ours, oracle] = [await fast.program.read(), await slow.program.read()];
    for (const [name, weights] of oracle) {
      const values = weights.toArray();
      const largest = Math.max(...values.map(Math.abs));
      const worst = Math.max(
        ...ours
          .get(name)!
          .toArray()
          .map((each, index) => Math.abs(each - values[index]!)),
      );
      expect(worst / largest, name).toBeLessThan(1e-5);
    }
    await fast.program.dispose();
  }, 60_000);

  test("the main thread stays free while the engine computes", async () => {
    const x = inputValue("x", { dtype: "float32", shape: [1500, 1500] });
    let y = x as ReturnType<typeof mul>;
    for (let count = 0; count < 60; count++) y = log(add(mul(y, y), 2));
    const program = await engine.compile(makeGraph([x], { y: reduceSum(y) }), new Map());
    let [longest, last, done] = [0, performance.now(), false];
    const ticking = (async () => {
      while (!done) {
        await new Promise((resolve) => setTimeout(resolve, 1));
        longest = Math.max(longest, performance.now() - last);
        last = performance.now();
      }
    })();
    const feeds = { x: random([1500, 1500], "x") };
    last = performance.now();
    const start = performance.now();
    await Promise.all([program.run(feeds), program.run(feeds), program.run(feeds), program.run(feeds)]);
    const whole = performance.now() - start;
    done = true;
    await ticking;
    await program.dispose();
    expect(longest).toBeLessThan(whole / 2);
  }, 60_000);
});

describe("ort", () => {
  test("memory is flat over 10,000 training steps", async () => {
    const { program, feeds } = await lenetStep(ort);
    const samples: number[] = [];
    for (let made = 1; made <= 10_000; made++) {
      await program.run(feeds);
      if (made % 200 === 0) samples.push(process.memoryUsage().rss / 2 ** 20);
    }
    const median = (values: readonly number[]) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;
    const early = median(samples.slice(5, 15));
    const late = median(samples.slice(-10));
    await program.dispose();
    expect(late - early).toBeLessThan(24);
  }, 120_000);

  test("a graph with a shape that ONNX Runtime cannot run is an error that lists its operators", async () => {
    const x = inputValue("x", { dtype: "int8", shape: [2] });
    const w = parameterValue("w", { dtype: "int8", shape: [2] });
    const graph = makeGraph([x], { y: log(mul(x, w)) });
    await expect(ort.compile(graph, new Map([["w", tensor([1, 2], [2], "int8")]]))).rejects.toThrow(
      /ONNX Runtime: a graph that it refuses .*its operators are Mul, Log/,
    );
  });
});
