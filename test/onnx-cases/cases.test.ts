import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ort } from "../../src/engine/ort/ort.ts";
import { reference } from "../../src/engine/reference.ts";
import { failureOf } from "./case.ts";
import { misses, reasonOf } from "./misses.ts";

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
    await ort.close();
  });

  test.each([reference, ort])(
    "pass on $name, but for the misses that are listed",
    { timeout: 300_000 },
    async (engine) => {
      const names = readdirSync(folder);
      expect(names.length).toBe(783);
      const failures = new Map<string, string>();
      for (const name of names) {
        const failure = await failureOf(join(folder, name), engine);
        if (failure !== undefined) failures.set(name, failure);
      }
      const unknown = [...failures].filter(([name]) => reasonOf(engine.name, name) === undefined);
      expect(unknown).toEqual([]);
      expect(Object.keys(misses[engine.name]!).filter((name) => !failures.has(name))).toEqual([]);
      expect(names.length - failures.size).toBeGreaterThanOrEqual(735);
    },
  );
});
