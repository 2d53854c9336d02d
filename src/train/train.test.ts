import { afterAll, describe, expect, test } from "vitest";
import type { Augmentation } from "../data/augment.ts";
import { Dataset } from "../data/dataset.ts";
import type { Engine } from "../engine/engine.ts";
import { ort } from "../engine/ort/ort.ts";
import { reference } from "../engine/reference.ts";
import { makeGraph } from "../graph/graph.ts";
import { inputValue } from "../graph/value.ts";
import { Model } from "../models/model.ts";
import { freeze } from "../models/transfer.ts";
import { relu } from "../nn/activations.ts";
import { conv2d } from "../nn/convolution.ts";
import { dropout } from "../nn/dropout.ts";
import { flatten, linear } from "../nn/linear.ts";
import { batchNorm } from "../nn/normalisation.ts";
import { adam, sgd } from "../nn/optimisers.ts";
import { globalAveragePool } from "../nn/pooling.ts";
import { plateauDecay, type Schedule } from "../nn/schedules.ts";
import { Scope, sequential } from "../nn/scope.ts";
import { mul } from "../ops/core/elementwise.ts";
import { Random } from "../tensor/random.ts";
import { tensor, zeros } from "../tensor/tensor.ts";
import { evaluate, predict } from "./evaluate.ts";
import { type FitEvent, type FitOptions, fit, TrainingError } from "./fit.ts";
import { countTop } from "./metrics.ts";
import { Run } from "./run.ts";

afterAll(() => ort.close());

/** Images of 8x8 that are light above (class 0) or below (class 1), on noise. */
function halves(count: number): Dataset {
  const random = new Random(1, "halves");
  const labels = Array.from({ length: count }, (_, index) => index % 2);
  const pixels = labels.flatMap((label) =>
    Array.from({ length: 64 }, (_, place) => (place < 32 === (label === 0) ? 0.7 : 0.3) + random.normal(0, 0.05)),
  );
  return new Dataset({
    name: "halves",
    classes: ["above", "below"],
    images: tensor(pixels, [count, 1, 8, 8]),
    labels,
    preprocessing: { channels: 1, height: 8, width: 8, padding: 0, mean: [0.5], std: [0.25] },
  });
}

const small = sequential({ flatten: flatten(), fc: linear({ features: 2 }) });
const dropping = sequential({
  conv: conv2d({ channels: 4, kernel: 3 }),
  relu: relu(),
  drop: dropout({ ratio: 0.3 }),
  flatten: flatten(),
  fc: linear({ features: 2 }),
});

async function collect(run: AsyncIterable<FitEvent>): Promise<FitEvent[]> {
  const events: FitEvent[] = [];
  for await (const event of run) events.push(event);
  return events;
}

test("training, evaluation and prediction keep to a limit of memory", async () => {
  const data = halves(8);
  const model = Model.build(small, { name: "small", input: [1, 8, 8] });
  const limit = "expected at most 100 bytes";
  await expect(fit(model, data, { memory: 100, epochs: 1 }).result).rejects.toThrow(limit);
  await expect(evaluate(model, data, { memory: 100 }).result).rejects.toThrow(limit);
  await expect(predict(model, zeros([8, 1, 8, 8]), { memory: 100 })).rejects.toThrow(limit);
});

describe("fit", () => {
  test.each([ort, reference])("learns, and says how it goes, on $name", async (engine) => {
    const data = halves(64);
    const run = fit(small, data, { epochs: 3, batchSize: 16, learningRate: 0.1, validation: data, seed: 1, engine });
    const events = await collect(run);
    expect(events.map((event) => event.kind)).toEqual(
      new Array(3).fill(["step", "step", "step", "step", "epoch"]).flat(),
    );
    const last = events.at(-1)!;
    expect(last.kind === "epoch" && last.validation?.top1).toBe(1);
    const { model, steps, stopped, history } = await run.result;
    expect([steps, stopped, history.length]).toEqual([12, false, 3]);
    expect(model.classes).toEqual(["above", "below"]);
    const result = await evaluate(model, data, { engine }).result;
    expect(result).toMatchObject({ count: 64, top1: 1, top5: 1 });
    const logits = await predict(
      model,
      tensor(
        data.images.toArray().map((x) => (x - 0.5) / 0.25),
        [64, 1, 8, 8],
      ),
      { engine },
    );
    expect(countTop(logits, tensor([...data.labels], [64], "int64"), 1)).toBe(64);
  });

  test("the same seed gives the same weights to the bit, another seed others, with dropout too", async () => {
    const weights = async (seed: number) => {
      const { model } = await fit(dropping, halves(48), { epochs: 2, batchSize: 16, seed, optimiser: adam() }).result;
      return [...model.variables.values()].map(({ data }) => Array.from(data as Float32Array));
    };
    const first = await weights(7);
    expect(await weights(7)).toEqual(first);
    expect(await weights(8)).not.toEqual(first);
  });

  test("a loss that is no number stops training, says so and keeps the last good weights", async () => {
    const run = fit(small, halves(64), { epochs: 50, batchSize: 16, learningRate: 1e38, seed: 1 });
    const error = await run.result.catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(TrainingError);
    const { message, model } = error as TrainingError;
    expect(message).toMatch(
      /^fit: found a loss of (NaN|Infinity) at step \d+; expected a finite number\. The weights from before it are kept\. Train with a smaller learning rate than 1e\+38\.$/,
    );
    for (const weights of model.variables.values()) expect(weights.toArray().every(Number.isFinite)).toBe(true);
    const { loss } = await evaluate(model, halves(16)).result;
    expect(Number.isFinite(loss)).toBe(true);
  });

  test("a last update to what is no number is found out too", async () => {
    const steep = sequential({ scale: (x) => mul(x, 100), body: small });
    const error = await fit(steep, halves(64), { epochs: 1, batchSize: 64, learningRate: 3e38, seed: 1 }).result.catch(
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(TrainingError);
    const { model } = error as TrainingError;
    for (const weights of model.variables.values()) expect(weights.toArray().every(Number.isFinite)).toBe(true);
  });

  test("a batch dimension of any name is trained, one of a fixed length only with batches of it", async () => {
    const network = (batch: string | number) => {
      const image = inputValue("x", { dtype: "float32", shape: [batch, 1, "rows", 8] });
      const scope = new Scope();
      const twice = sequential({
        drop: (x, within) => dropout()(dropout()(x, within), within),
        pool: globalAveragePool(),
      });
      const y = scope.apply("net", sequential({ body: twice, fc: linear({ features: 2 }) }), image);
      return new Model({ name: "named", graph: makeGraph([image], { y }), variables: scope.initialise(1) });
    };
    const { model } = await fit(Model.fromOnnx(network("N").toOnnx()), halves(32), { epochs: 1, batchSize: 16 }).result;
    expect((await evaluate(model, halves(20)).result).count).toBe(20);
    const fixed = network(1);
    await expect(fit(fixed, halves(32), { epochs: 1, batchSize: 16 }).result).rejects.toThrow(
      "named: found a batch that is fixed to 1; expected one of 16, or any. Export the model again with a dynamic batch",
    );
    expect((await evaluate(fixed, halves(3)).result).count).toBe(3);
  });

  test("stopped, it keeps what was trained", async () => {
    const run = fit(small, halves(64), { epochs: 1000, batchSize: 16, seed: 1 });
    let seen = 0;
    for await (const event of run) if (event.kind === "step" && ++seen === 10) run.stop();
    const { model, stopped, steps } = await run.result;
    expect(stopped).toBe(true);
    expect(steps).toBeGreaterThanOrEqual(10);
    expect(steps).toBeLessThan(100);
    const fresh = await fit(small, halves(64), { epochs: 1, batchSize: 64, learningRate: 1e-12, seed: 1 }).result;
    expect(model.variables.get("fc.weight")).not.toEqual(fresh.model.variables.get("fc.weight"));
  });

  test("data that does not fit the network, and bad options, are refused", async () => {
    const data = halves(8);
    const three = fit(sequential({ flatten: flatten(), fc: linear({ features: 1 }) }), data, { epochs: 1 });
    await expect(three.result).rejects.toThrow("halves: found 2 classes; expected at most 1, as model tells apart.");
    const { model } = await fit(small, data, { epochs: 1, seed: 1, name: "small" }).result;
    const preprocessing = { ...data.preprocessing, padding: 1 };
    const swapped = new Dataset({ ...data, classes: ["below", "above"] });
    const order = "halves: found classes below, above; expected above, below, as small has them. Bring the labels into";
    await expect(evaluate(model, swapped).result).rejects.toThrow(order);
    await expect(fit(model, data, { epochs: 1, validation: swapped }).result).rejects.toThrow(order);
    expect((await evaluate(model, swapped.withClasses(["above", "below"])).result).count).toBe(8);
    const padded = new Dataset({ ...data, preprocessing });
    await expect(evaluate(model, padded).result).rejects.toThrow(
      "halves: found images of 1x10x10; expected 1x8x8, as small takes.",
    );
    await expect(fit(small, data, { epochs: -1 }).result).rejects.toThrow(
      "fit: found epochs -1; expected a whole number",
    );
    await expect(fit(small, data, { learningRate: 0 }).result).rejects.toThrow("fit: found learning rate 0");
    await expect(fit(flatten(), data, { epochs: 1 }).result).rejects.toThrow("step: found no trainable");
  });

  test("weight decay shrinks weights that no gradient reaches", async () => {
    const blank = new Dataset({ ...halves(16), images: tensor(new Array(16 * 64).fill(0.5), [16, 1, 8, 8]) });
    const norm = async (weightDecay: number) => {
      const optimiser = sgd({ weightDecay });
      const { model } = await fit(small, blank, { epochs: 10, batchSize: 16, seed: 1, learningRate: 0.1, optimiser })
        .result;
      return model.variables
        .get("fc.weight")!
        .toArray()
        .reduce((sum, value) => sum + value * value, 0);
    };
    expect((await norm(0.5)) / (await norm(0))).toBeCloseTo((1 - 0.1 * 0.5) ** 20, 4);
  });
});

describe("fit's options", () => {
  const data = halves(24);
  const start = Model.build(small, { name: "small", input: [1, 8, 8], seed: 1 });
  const plain = { batchSize: 24, learningRate: 0.1, optimiser: sgd(), seed: 1, engine: reference };
  const weights = (model: Model) => [...model.variables.values()].flatMap((value) => value.toArray());
  const trained = async (options: FitOptions) => (await fit(start, data, { ...plain, ...options }).result).model;

  test("the average of the weights is what is measured and given", async () => {
    const [first, second] = [await trained({ epochs: 1 }), await trained({ epochs: 2 })];
    const run = fit(start, data, { ...plain, epochs: 2, average: 0.75, validation: data });
    const { model, history } = await run.result;
    const [w0, w1, w2] = [start, first, second].map(weights) as [number[], number[], number[]];
    weights(model).forEach((value, index) => {
      const expected = 0.75 * (0.75 * w0[index]! + 0.25 * w1[index]!) + 0.25 * w2[index]!;
      expect(value).toBeCloseTo(expected, 6);
    });
    expect(await evaluate(model, data, { engine: reference }).result).toMatchObject(history.at(-1)!.validation!);
    expect([...model.variables.keys()]).toEqual([...start.variables.keys()]);
    await expect(trained({ epochs: 1, average: 1 })).rejects.toThrow("found decay 1; expected at least 0 and below 1.");
  });

  test("running statistics are averaged with the weights they belong to", async () => {
    const normalised = sequential({ bn: batchNorm(), body: small });
    const build = Model.build(normalised, { name: "normalised", input: [1, 8, 8], seed: 1 });
    const meanOf = async (average?: number) => {
      const { model } = await fit(build, data, { ...plain, epochs: 1, average }).result;
      return model.variables.get("bn.running_mean")!.item();
    };
    const last = await meanOf();
    expect(Math.abs(last)).toBeGreaterThan(1e-4);
    expect((await meanOf(0.75)) / last).toBeCloseTo(0.25, 5);
  });

  test("the rate is divided where the loss has come to a plateau, the same way each time", async () => {
    const rate = 1e-12;
    const run = fit(small, halves(8), { epochs: 5, batchSize: 4, schedule: "plateau", learningRate: rate });
    const rates = (await collect(run)).flatMap((event) => (event.kind === "step" ? event.learningRate : []));
    expect(rates).toEqual([...new Array(8).fill(rate), 0.1 * rate, 0.1 * rate]);
    const options: FitOptions = { epochs: 4, schedule: plateauDecay({ patience: 1, threshold: 0.5 }), seed: 3 };
    const [a, b] = [await fit(small, halves(8), options).result, await fit(small, halves(8), options).result];
    expect(a.model.variables).toEqual(b.model.variables);
  });

  test.each([
    ["those of training", undefined],
    ["the validation's, where there is one", halves(4)],
  ])("schedules see the epochs' losses: %s", async (_, validation) => {
    const seen: (readonly number[])[] = [];
    const schedule: Schedule = (_step, _steps, losses) => {
      seen.push(losses!);
      return 1;
    };
    const { history } = await fit(small, halves(8), { epochs: 3, batchSize: 4, validation, schedule }).result;
    const losses = history.map((each) => (validation ? each.validation!.loss : each.loss));
    expect(seen).toEqual([0, 0, 1, 1, 2, 2].map((epochs) => losses.slice(0, epochs)));
  });

  test("the last partial batch is dropped or padded", async () => {
    const steps = async (options: FitOptions) =>
      (await fit(start, data, { ...plain, epochs: 2, batchSize: 10, ...options }).result).steps;
    expect(await steps({})).toBe(4);
    expect(await steps({ lastPartial: "drop" })).toBe(4);
    expect(await steps({ lastPartial: "pad" })).toBe(6);
  });

  test("augmentation changes what is learned, the same way each time, and not what is measured", async () => {
    const darken: Augmentation = (image, random) =>
      tensor(
        image.toArray().map((x) => x * random.uniform()),
        image.shape,
      );
    const run = () => fit(start, data, { ...plain, epochs: 2, augment: [darken], validation: data }).result;
    const [one, two] = [await run(), await run()];
    expect(weights(one.model)).toEqual(weights(two.model));
    expect(weights(one.model)).not.toEqual(weights(await trained({ epochs: 2 })));
    const { ranOn, ...measured } = await evaluate(one.model, data, { engine: reference }).result;
    expect([measured, ranOn.engine]).toEqual([one.history.at(-1)!.validation, "reference"]);
  });

  test("frozen parameters keep their values while others learn", async () => {
    const { model } = await fit(
      freeze(start, (name) => name === "fc.weight"),
      data,
      { ...plain, epochs: 2 },
    ).result;
    expect(model.variables.get("fc.weight")).toEqual(start.variables.get("fc.weight"));
    expect(model.variables.get("fc.bias")).not.toEqual(start.variables.get("fc.bias"));
  });
});

describe("what a program holds is let go of", () => {
  /** The reference engine, whose programs fail to dispose, and count how often they were asked to. */
  function broken(failing: "none" | "run") {
    const asked: string[] = [];
    const engine: Engine = {
      ...reference,
      lower: (graph) => reference.lower(graph),
      compile: async (...given) => {
        const program = await reference.compile(...given);
        return {
          run: (feeds) => (failing === "run" ? Promise.reject(new Error("the run failed")) : program.run(feeds)),
          read: (names) => program.read(names),
          revert: () => program.revert(),
          write: (variables) => program.write(variables),
          profile: () => program.profile(),
          report: () => program.report(),
          dispose: async () => {
            asked.push("dispose");
            throw new Error("disposing failed");
          },
        };
      },
    };
    return { engine, asked };
  }

  const data = halves(8);
  const model = Model.build(small, { name: "small", input: [1, 8, 8], seed: 1 });
  const images = tensor(new Array(64).fill(0), [1, 1, 8, 8]);

  test.each([
    ["fit", 2, (engine: Engine) => fit(model, data, { epochs: 1, validation: data, engine }).result],
    ["evaluate", 1, (engine: Engine) => evaluate(model, data, { engine }).result],
    ["predict", 1, (engine: Engine) => predict(model, images, { engine })],
  ] as const)("by %s, and the first error is the one that is told", async (_, programs, work) => {
    const failing = broken("run");
    await expect(work(failing.engine)).rejects.toThrow("the run failed");
    expect(failing.asked).toHaveLength(programs);
    const disposing = broken("none");
    await expect(work(disposing.engine)).rejects.toThrow("disposing failed");
    expect(disposing.asked).toHaveLength(programs);
  });
});

describe("countTop", () => {
  test("counts labels among the highest logits, the first of equals first", () => {
    const logits = tensor([1, 3, 2, 5, 5, 1, Number.NaN, 1, 2], [3, 3]);
    const labels = (...values: number[]) => tensor(values, [values.length], "int64");
    expect(countTop(logits, labels(1, 0, 0), 1)).toBe(2);
    expect(countTop(logits, labels(2, 1, 0), 1)).toBe(0);
    expect(countTop(logits, labels(2, 1, 0), 2)).toBe(2);
  });
});

describe("Run", () => {
  test("goes on with no one listening, and events wait for a slow listener without growing in number", async () => {
    let made = 0;
    const run = new Run<number, number>(async (emit) => {
      for (; made < 1000; made++) await emit(made);
      return made;
    });
    const seen: number[] = [];
    for await (const event of run) {
      if (seen.length === 0) await new Promise((resolve) => setTimeout(resolve, 10));
      if (seen.length < 3) expect(made).toBeLessThan(100);
      seen.push(event);
    }
    expect(seen).toEqual(Array.from({ length: 1000 }, (_, index) => index));
    expect(await run.result).toBe(1000);
    const alone = new Run<number, string>(async (emit) => {
      for (let count = 0; count < 1000; count++) await emit(count);
      return "done";
    });
    expect(await alone.result).toBe("done");
  });

  test("a second listener is refused", async () => {
    const run = new Run<number, void>(async (emit) => emit(1));
    const listen = async () => {
      for await (const event of run) expect(event).toBe(1);
    };
    const first = listen();
    await expect(listen()).rejects.toThrow("Run: found a second listener; expected one at a time.");
    await first;
  });

  test("a listener that leaves does not hold it up, and a failure reaches the listener", async () => {
    const run = new Run<number, string>(async (emit) => {
      for (let count = 0; count < 1000; count++) await emit(count);
      return "done";
    });
    for await (const event of run) if (event === 3) break;
    expect(await run.result).toBe("done");
    const failing = new Run<number, string>(async (emit) => {
      await emit(1);
      throw new Error("no");
    });
    const listen = async () => {
      for await (const event of failing) expect(event).toBe(1);
    };
    await expect(listen()).rejects.toThrow("no");
  });
});
