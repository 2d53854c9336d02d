import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Engine } from "../../src/engine/engine.ts";
import { reference } from "../../src/engine/reference.ts";
import { decode } from "../../src/onnx/decode.ts";
import { engines as native } from "../check/engines.ts";
import { failureOf } from "./case.ts";
import { misses } from "./misses.ts";

const engines = [reference, ...native];
const archive = join(import.meta.dirname, "..", "..", "..", "shared", "golden", "onnx-node-cases.tar.gz");

describe("the ONNX standard's own cases", () => {
  if (!existsSync(archive)) {
    test.skip("../shared/golden/onnx-node-cases.tar.gz is not here: nothing is compared");
    return;
  }
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "striate-onnx-"));
    execFileSync("tar", ["xzf", archive, "-C", folder]);
  });
  afterAll(async () => {
    rmSync(folder, { recursive: true, force: true });
    for (const engine of engines) await engine.close();
  });

  const passes = async (engine: Engine): Promise<void> => {
    const names = readdirSync(folder);
    expect(names.length).toBe(783);
    const failures = new Map<string, string>();
    for (const name of names) {
      const failure = await failureOf(join(folder, name), engine);
      if (failure !== undefined) failures.set(name, failure);
    }
    const unknown = [...failures].filter(([name]) => !(name in misses));
    expect(unknown).toEqual([]);
    expect(Object.keys(misses).filter((name) => !failures.has(name))).toEqual([]);
    expect(names.length - failures.size).toBe(776);
  };
  test.each(engines)("pass on $name, but for the misses that are listed", passes, 300_000);

  test.each([
    ["adagrad", "Adagrad"],
    ["adagrad_multiple", "Adagrad"],
    ["adam", "Adam"],
    ["adam_multiple", "Adam"],
    ["gradient_of_add", "Gradient"],
    ["gradient_of_add_and_mul", "Gradient"],
    ["momentum", "Momentum"],
    ["momentum_multiple", "Momentum"],
    ["nesterov_momentum", "Momentum"],
  ])("%s passes by optimisers and differentiation of ours, having no operator %s", async (name, operator) => {
    const path = join(folder, `test_${name}`);
    const bytes = readFileSync(join(path, "model.onnx"));
    expect(() => decode(bytes)).toThrow(`operators that Striate does not have: ai.onnx.preview.training.${operator}`);
    for (const engine of engines) expect(await failureOf(path, engine)).toBeUndefined();
  });
});
