/** A few files of each format; `npm run fuzz` makes thousands. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { fileOf, formatNames, formatOf } from "./formats.ts";

const main = [
  join(import.meta.dirname, "..", "..", "node_modules", "tsx", "dist", "cli.mjs"),
  join(import.meta.dirname, "main.ts"),
];
const fuzz = (...words: string[]) => spawnSync(process.execPath, [...main, ...words], { encoding: "utf8" });

describe("files made wrong by their structure", () => {
  test("are used as they are or refused, in bounded time and memory", () => {
    const { status, stdout } = fuzz("--count", "300", "--seed", "5");
    expect(stdout.replace(/^.*failed; .*$/gm, "")).toBe("\n".repeat(formatNames.length));
    for (const name of formatNames) {
      const line = new RegExp(`^${name}: 300 files, (\\d+) accepted, (\\d+) refused, 0 failed;`, "m");
      const [accepted, refused] = (line.exec(stdout) ?? []).slice(1).map(Number);
      expect(accepted, stdout).toBeGreaterThan(10);
      expect(refused, stdout).toBeGreaterThan(50);
    }
    expect(status).toBe(0);
  });

  test("are the same for the same seed, and others for another", () => {
    for (const name of formatNames) {
      const format = formatOf(name, undefined);
      const drawn = (seed: number) => Array.from({ length: 5 }, (_, index) => fileOf(format, seed, index));
      expect(drawn(1)).toEqual(drawn(1));
      expect(drawn(1)).not.toEqual(drawn(2));
    }
  });

  test("are asked for in words that are understood", () => {
    const { status, stderr } = fuzz("--format", "jpeg");
    expect([status, stderr.split("\n")[0]]).toEqual([2, "fuzz: --format: found jpeg; expected safetensors, npy, onnx"]);
  });
});
