import { afterAll, describe, expect, test } from "vitest";
import { Model } from "../models/model.ts";
import { relu } from "../nn/activations.ts";
import { conv2d } from "../nn/convolution.ts";
import { flatten, linear } from "../nn/linear.ts";
import { crossEntropy } from "../nn/losses.ts";
import { sgd } from "../nn/optimisers.ts";
import { sequential } from "../nn/scope.ts";
import { step, withLoss } from "../nn/step.ts";
import { full, scalar, tensor } from "../tensor/tensor.ts";
import type { Engine } from "./engine.ts";
import { missing } from "./onednn/library.ts";
import { onednn } from "./onednn/onednn.ts";
import { ort } from "./ort/ort.ts";
import { chromeTrace, mostRuns, type ProgramProfile, profiled, type RunTime, timesBy } from "./profile.ts";
import { reference } from "./reference.ts";

afterAll(async () => {
  for (const engine of [ort, onednn]) await engine.close();
});

const network = sequential({
  conv: conv2d({ channels: 16, kernel: 3, padding: 1 }),
  relu: relu(),
  flatten: flatten(),
  head: linear({ features: 2 }),
});
const model = Model.build(network, { name: "small", input: [3, 16, 16], seed: 1 });
const image = full([8, 3, 16, 16], 1);

/** Makes training steps. @returns what they took, and how long that took by the caller's clock */
async function trained(engine: Engine, steps: number): Promise<{ profile: ProgramProfile; wall: number }> {
  const { graph, state } = step(withLoss(model.graph, crossEntropy), sgd());
  const { engine: timed, read } = profiled(engine);
  const program = await timed.compile(graph, new Map([...model.variables, ...state]), { dimensions: { batch: 8 } });
  const target = tensor([0, 1, 0, 1, 0, 1, 0, 1], [8], "int64");
  const start = performance.now();
  for (let made = 0; made < steps; made++) await program.run({ image, target, learningRate: scalar(0.1) });
  const wall = performance.now() - start;
  await program.dispose();
  const [profile] = await read();
  return { profile: profile!, wall };
}

const total = (times: readonly { readonly milliseconds: number }[]) =>
  times.reduce((sum, { milliseconds }) => sum + milliseconds, 0);

describe.each([
  { engine: ort, covered: 0.5 },
  ...(missing() === undefined ? [{ engine: onednn, covered: 0.8 }] : []),
  { engine: reference, covered: 0.8 },
])("the profile of $engine.name", ({ engine, covered }) => {
  test("has every operator with its layer, and its times add up to the runs'", async () => {
    const { profile, wall } = await trained(engine, 4);
    expect(profile.changes).toBe(true);
    expect(profile.runs).toHaveLength(3);
    for (const run of profile.runs) {
      const steps = total(run.steps);
      expect(steps).toBeLessThanOrEqual(run.milliseconds * 1.001);
      expect(steps).toBeGreaterThan(run.milliseconds * covered);
      for (const { start, milliseconds } of run.steps) {
        expect(start).toBeGreaterThanOrEqual(run.start);
        expect(start + milliseconds).toBeLessThanOrEqual((run.start + run.milliseconds) * 1.001);
      }
    }
    expect(total(profile.runs)).toBeLessThan(wall);
    const layers = new Set(profile.runs.flatMap(({ steps }) => steps.map(({ scope }) => scope)));
    expect([...layers]).toEqual(expect.arrayContaining(["conv", "head", "loss", "optimiser"]));
    const byOperator = timesBy("operator", profile.runs);
    expect(total(byOperator) * profile.runs.length).toBeCloseTo(total(profile.runs), 6);
    expect(byOperator.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1, 9);
  });

  test("is that of the first runs", async () => {
    expect((await trained(engine, 1)).profile.runs).toHaveLength(1);
    expect((await trained(engine, mostRuns + 3)).profile.runs).toHaveLength(mostRuns);
  });

  test("is empty where it was not asked for", async () => {
    const program = await engine.compile(model.graph, model.variables);
    await program.run({ image });
    expect(await program.profile()).toEqual([]);
    await program.dispose();
  });
});

const stepOf = (operator: string, scope: string, start: number, milliseconds: number, macs = 0) => ({
  operator,
  scope,
  start,
  milliseconds,
  macs,
});
const runs: readonly RunTime[] = [
  {
    start: 100,
    milliseconds: 10,
    steps: [stepOf("Conv", "a", 100, 4, 2e6), stepOf("Conv", "b", 104, 2, 1e6), stepOf("Relu", "", 106, 1)],
  },
  {
    start: 200,
    milliseconds: 6,
    steps: [stepOf("Conv", "a", 200, 2, 2e6), stepOf("Conv", "b", 202, 2, 1e6), stepOf("Relu", "", 204, 1)],
  },
];

test("times are summed by operator, with what is left of the runs and the rate where arithmetic is known", () => {
  expect(timesBy("operator", runs)).toEqual([
    { name: "Conv", count: 2, milliseconds: 5, share: 10 / 16, gigaflops: 1.2 },
    { name: "other", count: 0, milliseconds: 2, share: 4 / 16, gigaflops: undefined },
    { name: "Relu", count: 1, milliseconds: 1, share: 2 / 16, gigaflops: undefined },
  ]);
});

test("times are summed by layer", () => {
  const names = timesBy("layer", runs).map(({ name, milliseconds }) => [name, milliseconds]);
  expect(names).toEqual([
    ["a/Conv", 3],
    ["b/Conv", 2],
    ["other", 2],
    ["Relu", 1],
  ]);
});

test("a trace has a row for each program, and in it every run with its steps, in microseconds", () => {
  const { traceEvents } = chromeTrace([
    { changes: true, runs: runs.slice(0, 1) },
    { changes: false, runs: runs.slice(1) },
  ]);
  expect(traceEvents).toHaveLength(2 * (1 + 1 + 3));
  expect(traceEvents.slice(0, 3)).toEqual([
    { pid: 1, tid: 1, ph: "M", name: "thread_name", args: { name: "training" } },
    { pid: 1, tid: 1, ph: "X", name: "run 1", cat: "run", ts: 100_000, dur: 10_000 },
    {
      pid: 1,
      tid: 1,
      ph: "X",
      name: "a/Conv",
      cat: "Conv",
      ts: 100_000,
      dur: 4000,
      args: { layer: "a", macs: 2e6 },
    },
  ]);
  expect(traceEvents.at(-1)).toMatchObject({ tid: 2, name: "Relu", ts: 204_000, dur: 1000, args: { layer: "" } });
});
