import { afterAll, describe, expect, test } from "vitest";
import { Dataset } from "../data/dataset.ts";
import { ort } from "../engine/ort/ort.ts";
import { flatten, linear } from "../nn/linear.ts";
import { sequential } from "../nn/scope.ts";
import { Random } from "../tensor/random.ts";
import { full, tensor } from "../tensor/tensor.ts";
import { TrainingError } from "./fit.ts";
import { fitFromStarts, type StartsEvent, type StartsOptions } from "./starts.ts";

afterAll(() => ort.close());

/** Images of 4x4 that are light above (class 0) or below (class 1), on noise. */
function halves(count: number): Dataset {
  const random = new Random(1, "halves", count);
  const labels = Array.from({ length: count }, (_, index) => index % 2);
  const pixels = labels.flatMap((label) =>
    Array.from({ length: 16 }, (_, place) => (place < 8 === (label === 0) ? 0.7 : 0.3) + random.normal(0, 0.2)),
  );
  return new Dataset({
    name: "halves",
    classes: ["above", "below"],
    images: tensor(pixels, [count, 1, 4, 4]),
    labels,
    preprocessing: { channels: 1, height: 4, width: 4, padding: 0, mean: [0.5], std: [0.25] },
  });
}

const network = sequential({ flatten: flatten(), fc: linear({ features: 2 }) });
const options: StartsOptions = {
  validation: halves(32),
  starts: 4,
  probe: 32,
  limit: 10,
  epochs: 2,
  batchSize: 16,
  learningRate: 0.02,
  seed: 1,
};

async function train(more: Partial<StartsOptions> = {}) {
  const run = fitFromStarts(network, halves(64), { ...options, ...more });
  const events: StartsEvent[] = [];
  for await (const event of run) events.push(event);
  return { events, result: await run.result };
}

const of = <Kind extends StartsEvent["kind"]>(events: readonly StartsEvent[], kind: Kind) =>
  events.filter((event): event is Extract<StartsEvent, { kind: Kind }> => event.kind === kind);

describe("fitFromStarts", () => {
  test("trains the best start on, from its probed weights", async () => {
    const { events, result } = await train();
    const losses = of(events, "probed").map(({ validationLoss }) => validationLoss);
    expect(result.starts.map(({ validationLoss }) => validationLoss)).toEqual(losses);
    expect(new Set(losses).size).toBe(4);
    const best = losses.indexOf(Math.min(...losses));
    expect(result.starts.map(({ chosen }) => chosen)).toEqual(losses.map((_, index) => index === best));
    expect(of(events, "attempt")).toEqual([{ kind: "attempt", attempt: 1, attempts: 3, start: best + 1 }]);
    expect([result.attempt, result.restarts, result.history.length, result.stopped]).toEqual([1, 0, 2, false]);
    expect(result.validationLoss).toBeLessThan(losses[best]!);
    const first = of(events, "training")[0]!.event;
    const probe = of(events, "probing").filter(({ start }) => start === best + 1)[0]!.event;
    expect(first.loss).toBeLessThan(probe.loss);
  });

  test("goes to the next best start while the loss stays above the limit, and keeps the best after the last", async () => {
    const { events, result } = await train({ limit: 0 });
    const ranked = result.starts
      .map(({ validationLoss }, index) => ({ validationLoss, start: index + 1 }))
      .sort((one, other) => one.validationLoss - other.validationLoss);
    expect(of(events, "attempt").map(({ start }) => start)).toEqual(ranked.slice(0, 3).map(({ start }) => start));
    const stuck = of(events, "stuck");
    expect(stuck.map(({ attempt, attempts, limit }) => [attempt, attempts, limit])).toEqual([
      [1, 3, 0],
      [2, 3, 0],
      [3, 3, 0],
    ]);
    const losses = stuck.map(({ validationLoss }) => validationLoss);
    expect(result.validationLoss).toBe(Math.min(...losses));
    expect(result.attempt).toBe(losses.indexOf(Math.min(...losses)) + 1);
    expect(result.restarts).toBe(2);
    expect(result.history.at(-1)!.validation!.loss).toBe(result.validationLoss);
    expect(result.starts.filter(({ chosen }) => chosen).length).toBe(1);
    expect(result.starts[ranked[result.attempt - 1]!.start - 1]!.chosen).toBe(true);
  });

  test("goes back once where the second start is good enough", async () => {
    const stuck = of((await train({ limit: 0 })).events, "stuck").map(({ validationLoss }) => validationLoss);
    const second = stuck.findIndex((loss) => loss < stuck[0]!);
    // One of the others does better than the start that was best at first; the limit lies between them.
    expect(second).toBeGreaterThan(0);
    const { events, result } = await train({ limit: (stuck[0]! + stuck[second]!) / 2 });
    expect(result.restarts).toBe(second);
    expect(of(events, "stuck").length).toBe(second);
    expect(result.validationLoss).toBe(stuck[second]);
  });

  test("gives the same weights for the same seed", async () => {
    const weights = async (seed: number) => (await train({ seed })).result.model.variables.get("fc.weight")!.toArray();
    const first = await weights(5);
    expect(await weights(5)).toEqual(first);
    expect(await weights(6)).not.toEqual(first);
  });

  test("stopped while it tries starts, gives the best of those", async () => {
    const run = fitFromStarts(network, halves(64), options);
    for await (const event of run) if (event.kind === "probed") run.stop();
    const { stopped, starts, history } = await run.result;
    expect(stopped).toBe(true);
    expect(starts.length).toBeLessThan(4);
    expect(history).toEqual([]);
  });

  test("a start whose loss is no number is the worst; if all are so, that is the error", async () => {
    const exploding = (share: number) =>
      sequential({
        flatten: flatten(),
        fc: linear({
          features: 2,
          initialiser: (shape, random) => full(shape, random.uniform() < share ? 1e38 : 0.01),
        }),
      });
    const { starts, validationLoss } = await fitFromStarts(exploding(0.5), halves(64), { ...options, starts: 6 })
      .result;
    expect(starts.some((start) => start.validationLoss === Number.POSITIVE_INFINITY)).toBe(true);
    expect(starts.find(({ chosen }) => chosen)!.validationLoss).toBeLessThan(1);
    expect(validationLoss).toBeLessThan(1);
    await expect(fitFromStarts(exploding(1), halves(64), options).result).rejects.toBeInstanceOf(TrainingError);
  });

  test("refuses other than whole numbers of starts", () => {
    expect(() => fitFromStarts(network, halves(64), { ...options, starts: 0 })).toThrow(
      /^fitFromStarts: found starts 0; expected/,
    );
  });
});
