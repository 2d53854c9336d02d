/** Programs beside one another and one after the other, and the memory that they may take. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterAll, describe, expect, test, vi } from "vitest";
import { makeGraph } from "../../graph/graph.ts";
import { bind } from "../../graph/rewrite.ts";
import { training } from "../../graph/training.ts";
import { inputValue } from "../../graph/value.ts";
import { lenet5 } from "../../models/lenet.ts";
import { Model } from "../../models/model.ts";
import { crossEntropy } from "../../nn/losses.ts";
import { sgd } from "../../nn/optimisers.ts";
import { step, withLoss } from "../../nn/step.ts";
import { encode } from "../../onnx/encode.ts";
import { relu } from "../../ops/core/elementwise.ts";
import type { Peer } from "../../platform/calls.ts";
import { startWorker } from "../../platform/worker.ts";
import { Random } from "../../tensor/random.ts";
import { scalar, Tensor, tensor } from "../../tensor/tensor.ts";
import type { OpenRequest } from "../protocol.ts";
import { ThreadEngine } from "../thread.ts";
import { dnnl, missing } from "./library.ts";
import { lower } from "./lower.ts";
import { onednn } from "./onednn.ts";
import { NativeProgram } from "./program.ts";
import { makeService } from "./service.ts";
import { startEngine } from "./start.ts";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

/** LeNet-5's training step on a batch of noise. */
function trained(batch: number) {
  const model = Model.build(lenet5({ classes: 10, activation: "relu", pooling: "max" }), {
    name: "lenet5",
    input: [1, 32, 32],
    seed: 1,
  });
  const { graph, state } = step(withLoss(training(model.graph), crossEntropy), sgd({ momentum: 0.9 }));
  const random = new Random(1, "steadiness");
  const feeds = {
    image: new Tensor(
      "float32",
      [batch, 1, 32, 32],
      Float32Array.from({ length: batch * 1024 }, () => random.normal()),
    ),
    target: tensor(
      Array.from({ length: batch }, (_, index) => index % 10),
      [batch],
      "int64",
    ),
    learningRate: scalar(0.01),
  };
  return { graph, variables: new Map([...model.variables, ...state]), feeds };
}

describe.skipIf(missing() !== undefined)("oneDNN", () => {
  afterAll(() => onednn.close());

  test("a step makes no buffer but those of its outputs", () => {
    const { graph, variables, feeds } = trained(4);
    const program = new NativeProgram(dnnl(), lower(bind(graph, { batch: 4 })), variables);
    const given = new Map(Object.entries(feeds));
    const outputs = [...program.run(given).values()].reduce((bytes, { data }) => bytes + data.byteLength, 0);
    collect();
    const before = process.memoryUsage().arrayBuffers;
    for (let count = 0; count < 50; count++) program.run(given);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThanOrEqual(50 * outputs);
    program.dispose();
  });

  test("two programs that take turns, with other numbers of threads, compute what each does alone", async () => {
    const losses = async (programs: number): Promise<number[][]> => {
      const { graph, variables, feeds } = trained(8);
      const all = [];
      for (let index = 0; index < programs; index++)
        all.push(await onednn.compile(graph, variables, { threads: 1 + index }));
      const found: number[][] = all.map(() => []);
      for (let count = 0; count < 20; count++) {
        const answers = await Promise.all(all.map((program) => program.run(feeds)));
        answers.forEach((answer, index) => {
          found[index]!.push(answer.get("loss")!.item());
        });
      }
      for (const program of all) await program.dispose();
      return found;
    };
    const [alone] = await losses(1);
    const [one, other] = await losses(2);
    expect(one).toEqual(alone);
    other!.forEach((loss, index) => {
      expect(loss).toBeCloseTo(one![index]!, 3);
    });
  });

  test("a program for other lengths takes over what was trained", async () => {
    const { graph, variables, feeds } = trained(8);
    const program = await onednn.compile(graph, variables);
    for (let count = 0; count < 5; count++) await program.run(feeds);
    const before = await program.read();
    const smaller = { ...trained(4).feeds, learningRate: scalar(0) };
    await program.run(smaller);
    await program.revert();
    for (const [name, { data }] of await program.read()) expect(data).toEqual(before.get(name)!.data);
    await program.dispose();
  });

  test("timers fire while a small program runs again and again", async () => {
    const x = inputValue("x", { dtype: "float32", shape: [4] });
    const program = await onednn.compile(makeGraph([x], { y: relu(x) }), new Map());
    const feeds = { x: tensor([1, -1, 2, -2]) };
    let fired = 0;
    const timer = setInterval(() => fired++, 1);
    const start = performance.now();
    while (performance.now() - start < 200) await program.run(feeds);
    clearInterval(timer);
    expect(fired).toBeGreaterThan(2);
    await program.dispose();
  });

  test("more memory than may be taken is refused before anything is allocated", async () => {
    const { graph, variables } = trained(8);
    const arrayBuffers = process.memoryUsage().arrayBuffers;
    await expect(onednn.compile(graph, variables, { dimensions: { batch: 8 }, memory: 2 ** 16 })).rejects.toThrow(
      /which bring the memory for a run to .*; expected at most 65.5 kB/,
    );
    const program = await onednn.compile(graph, variables, { memory: 1e6 });
    await expect(program.run(trained(64).feeds)).rejects.toThrow(/expected at most 1 MB/);
    expect(process.memoryUsage().arrayBuffers - arrayBuffers).toBeLessThan(2 ** 20);
    await program.dispose();
  });

  test("more memory than there is is an error that says so", () => {
    const x = inputValue("x", { dtype: "float32", shape: [2 ** 40] });
    expect(() => new NativeProgram(dnnl(), makeGraph([x], { y: relu(x) }), new Map())).toThrow(
      /oneDNN: found no .* of memory for a program; expected as much free/,
    );
  });

  test("a graph that cannot be opened is not kept", async () => {
    const x = inputValue("x", { dtype: "float32", shape: [2 ** 20, 2 ** 20] });
    const program = -1;
    const request: OpenRequest = {
      program,
      model: encode(makeGraph([x], { y: relu(x) })),
      threads: 1,
      variables: [],
      updates: [],
      outputs: ["y"],
      finite: [],
      irreversible: [],
      precision: "float32",
      profile: false,
    };
    const service = makeService();
    await expect(service.open(request)).rejects.toThrow("of memory for a program");
    expect(() => service.report({ program })).toThrow("a program that was disposed of");
  });

  test("what is compiled while the engine closes stays, in the calling thread too", async () => {
    const x = inputValue("x", { dtype: "float32", shape: [2] });
    const graph = makeGraph([x], { y: relu(x) });
    const before = await onednn.compile(graph, new Map());
    const closing = onednn.close();
    const program = await onednn.compile(graph, new Map());
    await closing;
    expect((await program.run({ x: tensor([-1, 2]) })).get("y")!.toArray()).toEqual([0, 2]);
    await expect(before.run({ x: tensor([-1, 2]) })).rejects.toThrow("a program whose thread is no more");
    await before.dispose();
    await program.dispose();
  });

  test("a thread that dies is an error that says so, and another takes its place", async () => {
    const dies = (): Peer => startWorker(new URL("data:text/javascript,setTimeout(() => process.exit(3), 100)"));
    const start = vi.fn(startEngine).mockImplementationOnce(dies);
    const dying = new ThreadEngine({
      name: "dying",
      title: "Dying",
      start,
      lower,
      takesConstants: false,
      precisions: ["float32"],
    });
    const { graph, variables, feeds } = trained(4);
    await expect(dying.compile(graph, variables)).rejects.toThrow(
      "Dying: a program whose thread is no more (the worker stopped with exit code 3). Compile it again.",
    );
    const program = await dying.compile(graph, variables);
    expect((await program.run(feeds)).get("loss")!.item()).toBeGreaterThan(0);
    expect(start).toHaveBeenCalledTimes(2);
    await dying.close();
    await expect(program.read()).rejects.toThrow("a program whose thread is no more (the worker was stopped)");
  });
});
