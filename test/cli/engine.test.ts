/** Which engine a command runs on: its option, the environment, the fastest; and what is said where that is missing. */
import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { reportText } from "../../src/cli/ran-on.ts";
import { libraryNames, missing } from "../../src/engine/onednn/library.ts";
import { encodePng } from "../../src/platform/image.ts";
import { workplace } from "./harness.ts";

const { folder, striate } = workplace();
const predicting = ["predict", "lenet5", "picture.png", "--top", "1"];

/** A folder in which the system's loader finds files of oneDNN's names, none of which is a library. */
const empty = join(folder, "empty");
/** What makes koffi, an optional dependency, one that was not installed. */
const without = join(folder, "without-koffi.cjs");

beforeAll(async () => {
  mkdirSync(empty);
  for (const name of libraryNames) writeFileSync(join(empty, name), "");
  writeFileSync(
    without,
    `const { Module } = require("node:module");
     const load = Module._load;
     Module._load = (name, ...rest) => {
       if (name === "koffi") throw new Error("Cannot find module 'koffi'");
       return load(name, ...rest);
     };`,
  );
  const data = new Uint8Array(28 * 28).fill(200, 100, 200);
  writeFileSync(join(folder, "picture.png"), await encodePng({ width: 28, height: 28, channels: 1, data }));
});
afterEach(() => vi.unstubAllEnvs());

describe("an engine there is not is refused before anything is opened", () => {
  const commands = [
    ["eval", "missing.onnx", "--data", "lines"],
    ["predict", "missing.onnx", "missing.png"],
    ["train", "--model", "missing", "--data", "lines", "--out", `${folder}/run`],
    ["verify", "missing.onnx", "missing.safetensors"],
    ["lines", "--out", `${folder}/lines`],
  ];

  test.each(commands)("by striate %s", async (...words) => {
    vi.stubEnv("STRIATE_ENGINE", "typo");
    const { code, said } = await striate(...words);
    expect(said).toContain("STRIATE_ENGINE: found typo; expected one of auto, onednn, ort, reference.");
    expect(code).toBe(1);
    const option = await striate(...words, "--engine", "typo");
    expect(option.said).toContain(
      "option '--engine <name>' argument 'typo' is invalid. Allowed choices are auto, onednn",
    );
    expect(option.code).toBe(2);
  });

  test("by npm run bench", () => {
    const bench = join(import.meta.dirname, "..", "..", "bench", "main.ts");
    const { status, stderr } = spawnSync(process.execPath, ["--import", "tsx", bench, "prediction"], {
      env: { ...process.env, STRIATE_ENGINE: "typo" },
      encoding: "utf8",
    });
    expect(stderr).toContain("bench: STRIATE_ENGINE: found typo; expected one of auto, onednn, ort, reference.");
    expect(status).toBe(2);
  });

  test.each(commands)("and so is a precision that it lacks, by striate %s", async (...words) => {
    const { code, said } = await striate(...words, "--engine", "ort", "--precision", "bfloat16");
    expect(said).toContain('engine "ort": found a precision of bfloat16; expected one of float32, auto.');
    expect(code).toBe(1);
  });
});

describe("a command runs on", () => {
  test("the engine of --engine, whatever the environment says, and names it", async () => {
    vi.stubEnv("STRIATE_ENGINE", "reference");
    expect((await striate(...predicting)).said).toMatch(/Ran on reference in float64\. $/);
    const { said, stdout } = await striate(...predicting, "--engine", "ort");
    expect(said).toMatch(/Ran on ort in float32\. $/);
    expect(stdout).not.toContain("ort");
  });

  test("what --verbose tells of operators that ran elsewhere: which, how many and where", () => {
    const report = {
      engine: "onednn",
      precision: "float32",
      elsewhere: { ort: { MatMul: 1, MaxPool: 2 }, reference: { LRN: 1 } },
    } as const;
    expect(reportText(report, true)).toBe(
      "Ran on onednn in float32. On ort ran 3 operators that it lacks: MaxPool 2 times, MatMul. " +
        "On reference ran 1 operator that it lacks: LRN.",
    );
    expect(reportText(report, false)).toBe("Ran on onednn in float32.");
  });

  test("what --verbose tells: the engine, its precision and what ran elsewhere", async () => {
    const { json } = await striate(...predicting, "--engine", "ort", "--verbose", "--json");
    expect(json).toMatchObject({ engine: "ort", precision: "float32", elsewhere: {} });
    const { said } = await striate(...predicting, "--engine", "ort", "--verbose");
    expect(said).toMatch(/Ran on ort in float32\. Nothing ran elsewhere than in its own kernels\. $/);
  });

  test("oneDNN unless told otherwise, where its library is, else on ONNX Runtime", async () => {
    const { json } = await striate(...predicting, "--verbose", "--json");
    expect(json.engine).toBe(missing() === undefined ? "onednn" : "ort");
  });
});

describe.each([
  [
    "the library does not load",
    () => vi.stubEnv("LD_LIBRARY_PATH", empty),
    "no library named libdnnl.so.3, ",
    "libdnnl2",
  ],
  [
    "koffi is not installed",
    () => vi.stubEnv("NODE_OPTIONS", `--require ${without}`),
    "no package koffi",
    "npm install koffi",
  ],
] as const)("where %s", (_, lack, found, mend) => {
  test("ONNX Runtime runs, which is said once, with how to get oneDNN", async () => {
    lack();
    const { code, said, stderr } = await striate(...predicting);
    expect(said.match(/Running on ONNX Runtime; oneDNN would be faster, and is not here/g)).toHaveLength(1);
    expect(said).toContain(found);
    expect(said).toContain(mend);
    expect(said).toContain("Ran on ort in float32.");
    for (const line of stderr.split("\n")) expect(line.length).toBeLessThanOrEqual(80);
    expect(code).toBe(0);
  });

  test("oneDNN asked for by hand is an error, by the option and by the environment", async () => {
    lack();
    const asked = await striate(...predicting, "--engine", "onednn");
    vi.stubEnv("STRIATE_ENGINE", "onednn");
    for (const { code, said, stdout } of [asked, await striate(...predicting)]) {
      expect(said).toContain(`striate: engine "onednn": found ${found}`);
      expect(said).toMatch(new RegExp(`; expected oneDNN\\. Install it: .*${mend}.*; or use the engine "auto"\\. $`));
      expect([code, stdout]).toEqual([1, ""]);
    }
  });

  test("striate doctor tells why, and how to mend it", async () => {
    lack();
    const { json, code } = await striate("doctor", "--json");
    expect(json).toMatchObject({ auto: "ort", missing: [expect.stringContaining(`onednn: ${found}`)] });
    expect(json.missing).toEqual([expect.stringContaining(mend)]);
    const { stdout } = await striate("doctor");
    expect(stdout).toMatch(/\nonednn +missing\n/);
    expect(stdout.replace(/\s+/g, " ")).toContain(mend);
    expect(code).toBe(0);
  });
});

describe("striate doctor", () => {
  test("tells engines, instruction sets, threads, precisions and memory, within 80 columns", async () => {
    const { code, stdout, stderr } = await striate("doctor");
    expect(stdout).toMatch(/^Striate \d+\.\d+\.\d+, Node v\d\S+, \w+ \w+\n/);
    expect(stdout).toMatch(/\nort +ONNX Runtime \d+\.\d+\.\d+\n/);
    for (const fact of ["auto", "processor", "instructions", "precision", "memory", "missing"])
      expect(stdout).toMatch(new RegExp(`\n${fact} +\\S`));
    expect(stdout).toMatch(/\nprocessor .*\d+ threads?\n/);
    for (const line of stdout.split("\n")) expect(line.length).toBeLessThanOrEqual(80);
    expect([code, stderr]).toEqual([0, ""]);
  });

  test("tells the same as JSON, and what the environment asks for", async () => {
    vi.stubEnv("STRIATE_ENGINE", "typo");
    const { json } = await striate("doctor", "--json");
    const engines = json.engines as readonly { name: string; missing?: object; version?: string; library?: string }[];
    expect(engines.map(({ name }) => name)).toEqual(["onednn", "ort", "reference"]);
    const [native] = engines;
    if (native!.missing === undefined) expect(native).toMatchObject({ version: expect.stringMatching(/^[23]\.\d/) });
    expect(json).toMatchObject({
      environment: "typo",
      threads: expect.any(Number),
      memory: { run: expect.any(Number) },
    });
    expect(json.missing).toContain("STRIATE_ENGINE is typo, which is no engine: one of auto, onednn, ort, reference.");
  });
});
