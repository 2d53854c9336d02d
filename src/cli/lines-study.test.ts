import { afterAll, describe, expect, test } from "vitest";
import { ort } from "../engine/ort/ort.ts";
import type { LinesPart } from "../report/lines-study.ts";
import { outOfDomainKinds } from "../stress/out-of-domain.ts";
import { fullScale, type LinesEvent, type LinesScale } from "./lines-progress.ts";
import { linesStudy } from "./lines-study.ts";

afterAll(() => ort.close());

const tiny: LinesScale = {
  train: 512,
  validation: 64,
  test: 300,
  mend: 256,
  kind: 20,
  sweep: 10,
  before: { starts: 2, probe: 128, epochs: 2 },
  after: { starts: 2, probe: 128, epochs: 1 },
};

async function study(scale: LinesScale, seed = 1) {
  const run = linesStudy({ seed, scale });
  const events: LinesEvent[] = [];
  for await (const event of run) events.push(event);
  return { events, outcome: await run.result };
}

describe("linesStudy", () => {
  test("tells its progress and gives every figure, the same for the same seed", async () => {
    const { events, outcome } = await study(tiny);
    const stages = events.filter((event) => event.kind === "stage").map(({ part, stage }) => `${part} ${stage}`);
    const each = ["images", "starts", "training", "test", "out of domain", "modulation"];
    expect([...new Set(stages)]).toEqual(
      ["before", "after"].flatMap((part) => each.map((stage) => `${part} ${stage}`)),
    );
    const progress = events.filter((event) => event.kind === "progress");
    for (const [index, { done, secondsLeft, imagesPerSecond }] of progress.entries()) {
      expect(done).toBeGreaterThan(index === 0 ? 0 : progress[index - 1]!.done - 0.2);
      expect(done).toBeLessThanOrEqual(1);
      expect(secondsLeft).toBeGreaterThanOrEqual(0);
      expect(imagesPerSecond).toBeGreaterThan(0);
    }
    expect(progress.at(-1)!.done).toBeCloseTo(1, 9);
    expect(events.filter(({ kind }) => kind === "start").length).toBe(4);
    const trained = events.filter((event) => event.kind === "trained");
    expect(trained.map(({ part, stopped }) => [part, stopped])).toEqual([
      ["before", false],
      ["after", false],
    ]);
    expect(outcome.models.before.name).toBe("lines");
    expect(outcome.models.after.classes).toEqual(["vertical", "horizontal"]);
    expect(outcome.trainingSamples.length).toBe(16);
    expect(outcome.spectra.modulated.spectrum.length).toBe(64 * 64);
    expect(outcome.prediction.length).toBe(257);
    expect(outcome.predictedFrequency).toBeGreaterThanOrEqual(1 / 16);
    expect(outcome.predictedFrequency).toBeLessThanOrEqual(1 / 4);
    for (const part of [outcome.before, outcome.after]) expectWhole(part);
    expect(outcome.before.history.steps.at(-1)!.step).toBe(32);
    expect(outcome.before.history.validation.map(({ step }) => step)).toEqual([16, 32]);
    expect(outcome.after.history.steps.at(-1)!.step).toBe(24);

    const again = (await study(tiny)).outcome;
    expect({ ...again, seconds: 0, models: {} }).toEqual({ ...outcome, seconds: 0, models: {} });
  });

  test("stopped, gives what was trained until then and says so", async () => {
    const run = linesStudy({ seed: 1, scale: tiny });
    const trained: LinesEvent[] = [];
    const watch = async () => {
      for await (const event of run) {
        if (event.kind === "epoch") run.stop();
        if (event.kind === "trained") trained.push(event);
      }
    };
    await expect(watch()).rejects.toThrow("lines: the study was stopped before its end.");
    expect(trained).toMatchObject([{ part: "before", stopped: true }]);
  });

  test("keeps its promises for seed 1", { timeout: 300_000 }, async () => {
    const { outcome } = await study(fullScale);
    const { before, after } = outcome;
    expect(before.test.count).toBe(10_000);
    expect(before.test.errors).toBeLessThanOrEqual(3);
    for (const { kind, accuracy } of before.outOfDomain) expect(accuracy, kind).toBeGreaterThanOrEqual(0.9);
    expect(before.modulated.accuracy).toBeLessThanOrEqual(0.1);
    expect(after.modulated.accuracy).toBeGreaterThanOrEqual(0.99);
    expect(after.test.errors).toBeLessThanOrEqual(10);
    // One row prefers vertical to horizontal where the other does the opposite: the opposition of the chapter.
    const [[w00, w01], [w10, w11]] = before.network.weights;
    expect(Math.sign(w00 - w10)).toBe(-Math.sign(w01 - w11));
  });
});

function expectWhole({ test: tested, outOfDomain, chapter, modulated, sweep, network, history }: LinesPart): void {
  expect(tested.count).toBe(300);
  expect(tested.examples.length).toBe(16);
  expect(tested.mistakes.length).toBe(Math.min(100, tested.errors));
  for (const { probabilities, label } of tested.mistakes) {
    expect(probabilities[0] + probabilities[1]).toBeCloseTo(1, 9);
    expect(probabilities[label]).toBeLessThanOrEqual(0.5);
  }
  expect(outOfDomain.map(({ kind }) => kind)).toEqual(outOfDomainKinds.map(({ name }) => name));
  for (const { count, examples } of outOfDomain) expect([count, examples.length]).toEqual([20, 8]);
  expect([chapter.frequency, chapter.count, modulated.count]).toEqual([1 / 6, 150, 150]);
  expect(modulated.examples.every(({ label }) => label === 1)).toBe(true);
  expect(sweep.map(({ frequency }) => frequency)).toEqual(Array.from({ length: 17 }, (_, k) => k / 32));
  for (const { weights, spectrum } of network.kernels) {
    expect([weights.length, spectrum.length]).toEqual([81, 64 * 64]);
    const sum = weights.reduce((total, weight) => total + weight, 0);
    expect(spectrum[32 * 64 + 32]).toBeCloseTo(Math.abs(sum), 4);
  }
  expect(network.temperature).toBe(10);
  expect(history.starts.filter(({ chosen }) => chosen).length).toBe(1);
}
