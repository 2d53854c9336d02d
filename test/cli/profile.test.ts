/** What `--profile` says, and the trace that it writes. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { missing } from "../../src/engine/onednn/library.ts";
import type { Times, TraceEvent } from "../../src/engine/profile.ts";
import { encodePng } from "../../src/platform/image.ts";
import { workplace } from "./harness.ts";

const { folder, striate } = workplace();
const engines = ["ort", "reference", ...(missing() === undefined ? ["onednn"] : [])];

beforeAll(async () => {
  const data = new Uint8Array(28 * 28).fill(200, 100, 200);
  writeFileSync(join(folder, "picture.png"), await encodePng({ width: 28, height: 28, channels: 1, data }));
});

const eventsOf = (file: string): readonly TraceEvent[] =>
  (JSON.parse(readFileSync(join(folder, file), "utf8")) as { traceEvents: TraceEvent[] }).traceEvents;

describe.each(engines)("on %s", (engine) => {
  test("striate predict --profile prints where time went, and writes a trace", async () => {
    const words = ["predict", "lenet5", "picture.png", "--engine", engine, "--profile", `${engine}.json`];
    const { code, stdout } = await striate(...words);
    expect(code).toBe(0);
    expect(stdout).toMatch(/Time of prediction: \d+\.\d\d ms a run, the mean of 1 run\n/);
    expect(stdout).toMatch(/\noperator +steps +ms +share +GFLOP\/s\n/);
    expect(stdout).toMatch(/\nlayer and operator +steps +ms +share +GFLOP\/s\n/);
    expect(stdout).toContain(`The trace is in ${engine}.json: open it in https://ui.perfetto.dev or chrome://tracing.`);
    const events = eventsOf(`${engine}.json`);
    const run = events.find(({ cat }) => cat === "run")!;
    const steps = events.filter(({ ph, cat }) => ph === "X" && cat !== "run");
    expect(steps.length).toBeGreaterThan(5);
    expect(steps.some(({ args }) => args!.layer === "output")).toBe(true);
    for (const { ts, dur } of steps) {
      expect(ts).toBeGreaterThanOrEqual(run.ts!);
      expect(ts! + dur!).toBeLessThanOrEqual(run.ts! + run.dur! + 1);
    }
  });
});

test("striate train --profile has training and what is measured between, by operator and layer", async () => {
  const { code, json } = await striate(
    ...["train", "--model", "lines", "--data", "lines", "--limit", "64", "--epochs", "1", "--validation", "0.01"],
    ...["--out", "run", "--engine", "ort", "--profile", "train.json", "--json"],
  );
  expect(code).toBe(0);
  const { file, works } = json.profile as {
    file: string;
    works: { work: string; runs: number; milliseconds: number; operators: Times[]; layers: Times[] }[];
  };
  expect(file).toBe("train.json");
  expect(works.map(({ work }) => work)).toEqual(["training", "prediction"]);
  for (const { milliseconds, operators, layers } of works)
    for (const rows of [operators, layers]) {
      expect(rows.reduce((sum, row) => sum + row.milliseconds, 0)).toBeCloseTo(milliseconds, 6);
      expect(rows.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1, 9);
    }
  const rows = eventsOf("train.json").filter(({ ph }) => ph === "M");
  expect(rows.map(({ args }) => args!.name).sort()).toEqual(["prediction", "training"]);
});
