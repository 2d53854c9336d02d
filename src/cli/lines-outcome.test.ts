import { expect, test } from "vitest";
import type { LinesPart, LinesStudy } from "../report/lines-study.ts";
import { linesDocument, linesText } from "./lines-outcome.ts";

const image = new Float32Array(64 * 64);
const kernel = { weights: new Float32Array(81), spectrum: image };

function part(errors: number, modulated: number): LinesPart {
  const modulation = (frequency: number) => ({ frequency, count: 1000, accuracy: modulated, examples: [] });
  return {
    history: { starts: [], restarts: 0, steps: [], validation: [] },
    network: {
      kernels: [kernel, kernel],
      weights: [
        [0.5, -0.25],
        [-0.5, 0.25],
      ],
      bias: [0, 0],
      temperature: 10,
    },
    test: { count: 10_000, errors, examples: [], mistakes: [] },
    outOfDomain: [{ kind: "gratings", about: "sinusoids", count: 500, accuracy: 0.99, examples: [] }],
    chapter: modulation(1 / 6),
    modulated: modulation(0.2),
    sweep: [],
  };
}

const study: LinesStudy = {
  seed: 3,
  predictedFrequency: 0.2,
  prediction: [],
  trainingSamples: [],
  spectra: { plain: { pixels: image, spectrum: image }, modulated: { pixels: image, spectrum: image } },
  before: part(2, 0.01),
  after: part(1, 0.998),
  seconds: 75,
};

test("the document has the figures before and after the mend", () => {
  expect(JSON.parse(JSON.stringify(linesDocument(study, "out/report.html")))).toEqual({
    test: { count: 10_000, errors: 2 },
    outOfDomain: { gratings: 0.99 },
    modulated: { accuracy: 0.01 },
    mended: { test: { count: 10_000, errors: 1 }, modulated: { accuracy: 0.998 } },
    weights: [
      [0.5, -0.25],
      [-0.5, 0.25],
    ],
    report: "out/report.html",
    seed: 3,
    frequency: 0.2,
    seconds: 75,
  });
});

test("people see a table that fits the terminal, and where the report is", () => {
  const lines = linesText(study, "out/report.html").split("\n");
  expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(80);
  const row = (title: string) =>
    lines
      .find((line) => line.includes(title))
      ?.split(/ {2,}/)
      .slice(-2);
  expect(row("errors of 10,000")).toEqual(["2", "1"]);
  expect(row("gratings")).toEqual(["99.00%", "99.00%"]);
  expect(row("at 0.200 cycles a pixel")).toEqual(["1.00%", "99.80%"]);
  expect(row("at 0.167 cycles a pixel")).toEqual(["1.00%", "99.80%"]);
  expect(lines.at(-1)).toBe("Report: out/report.html");
});
