/** `npm run golden` on folders that are right, and on doctored ones: everything that is wrong counts as a failure and says why. */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { encodeSafetensors } from "../../src/tensor/safetensors.ts";
import { type Tensor, tensor } from "../../src/tensor/tensor.ts";

const folder = mkdtempSync(join(tmpdir(), "striate-golden-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Writes a folder of cases and runs them on the reference engine, or on one of another name. */
function golden(name: string, cases: readonly object[], tensors: ReadonlyMap<string, Tensor>, engine = "reference") {
  const place = join(folder, name);
  mkdirSync(place);
  writeFileSync(join(place, "ops.json"), JSON.stringify({ cases }));
  writeFileSync(join(place, "ops.safetensors"), encodeSafetensors(tensors));
  return run(engine, place);
}

function run(engine: string, ...words: readonly string[]) {
  const main = join(import.meta.dirname, "main.ts");
  const { status, stdout, stderr } = spawnSync(process.execPath, ["--import", "tsx", main, ...words], {
    env: { ...process.env, STRIATE_ENGINE: engine },
    encoding: "utf8",
  });
  return { status, lines: stdout.trim().split("\n"), stderr };
}

const relu = (name: string, changes: object = {}) => ({
  name,
  op: "relu",
  options: {},
  inputs: { x: [2] },
  gradients: { x: [2] },
  output: [2],
  ...changes,
});
const reluTensors = (name: string, changes: Readonly<Record<string, Tensor | undefined>> = {}): [string, Tensor][] =>
  Object.entries({ x: tensor([-1, 2]), y: tensor([0, 2]), dy: tensor([3, 4]), dx: tensor([0, 4]), ...changes }).flatMap(
    ([label, each]) => (each ? [[`${name}.${label}`, each]] : []),
  );
const sgd = (name: string, changes: object = {}) => ({ name, op: "optimizer.sgd", options: { lr: 0.5 }, ...changes });
const sgdTensors = (name: string): [string, Tensor][] => [
  [`${name}.p0`, tensor([1])],
  [`${name}.g`, tensor([1, 2], [2, 1])],
  [`${name}.p`, tensor([0.5, -0.5], [2, 1])],
];

describe("npm run golden", () => {
  test("passes what is right", () => {
    const tensors = new Map([...reluTensors("relu.0"), ...sgdTensors("optimizer.sgd.0")]);
    const { status, lines } = golden(
      "right",
      [relu("relu.0", { options: { note: "..." } }), sgd("optimizer.sgd.0")],
      tensors,
    );
    expect(lines).toEqual(["reference: 2 passed, 0 failed"]);
    expect(status).toBe(0);
  });

  test("counts everything that is wrong, and says why", () => {
    const wrong: readonly (readonly [object, readonly [string, Tensor][], string])[] = [
      [relu("y"), reluTensors("y", { y: tensor([0, 2.1]) }), "y: y off by 4.76e-2 of its largest"],
      [
        relu("dx"),
        reluTensors("dx", { y: tensor([0, 1]), dx: tensor([0, 5]) }),
        "dx: y off by 1.00e+0 of its largest; dx off by 2.00e-1 of its largest",
      ],
      [relu("no x"), reluTensors("no x", { x: undefined }), "no x: there is no tensor no x.x"],
      [relu("no dx"), reluTensors("no dx", { dx: undefined }), "no dx: there is no tensor dx to compare with"],
      [relu("long"), reluTensors("long", { x: tensor([1, 2, 3]) }), "long: x is 3; the case says 2"],
      [relu("shape"), reluTensors("shape", { y: tensor([2]) }), "shape: y is 2; expected 1"],
      [relu("op", { op: "softshrink" }), reluTensors("op"), "op: nothing of ours does softshrink"],
      [relu("method", { op: "toString" }), reluTensors("method"), "method: nothing of ours does toString"],
      [
        relu("option", { options: { slope: 2 } }),
        reluTensors("option"),
        "option: nothing of ours takes the option slope",
      ],
      [sgd("lion", { op: "optimizer.lion" }), sgdTensors("lion"), "lion: there is no optimiser optimizer.lion"],
      [
        sgd("damped", { options: { lr: 0.5, dampening: 0.5 } }),
        sgdTensors("damped"),
        "damped: nothing of ours takes the option dampening",
      ],
      [sgd("rate", { options: { lr: 1 } }), sgdTensors("rate"), "rate: p off by 3.00e+0 of its largest"],
      [sgd("empty"), [], "empty: there is no tensor empty.p0"],
    ];
    const cases = [relu("right"), ...wrong.map(([each]) => each)];
    const tensors = new Map([...reluTensors("right"), ...wrong.flatMap(([, each]) => each)]);
    const { status, lines } = golden("wrong", cases, tensors);
    expect(lines).toEqual([...wrong.map(([, , line]) => line), "reference: 1 passed, 13 failed"]);
    expect(status).toBe(1);
  });

  test("refuses a folder without cases", () => {
    const { status, stderr } = run("reference", folder);
    expect(stderr).toContain("does not have both files\nUsage: npm run golden -- DIR");
    expect(stderr).not.toContain("    at ");
    expect(status).toBe(2);
  });

  test("refuses an engine there is not, naming those there are", () => {
    const { status, stderr } = golden("typo", [], new Map([["x", tensor([1])]]), "typo");
    expect(stderr).toContain("golden: STRIATE_ENGINE: found typo; expected one of auto, onednn, ort, reference.");
    expect(status).toBe(2);
  });
});
