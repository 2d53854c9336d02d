/** Processes that use oneDNN: they end as they should, whatever they were doing, stay as large as they are, and answer. */
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "vite";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { missing } from "../../src/engine/onednn/library.ts";

const path = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

interface Ending {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** From Ctrl-C to the end. */
  readonly milliseconds: number;
}

/** What a process does, and how it ends. */
type Way = readonly [string, Pick<Ending, "code" | "signal">];

describe.skipIf(missing() !== undefined)("a process that uses oneDNN", () => {
  let folder: string;

  /** Built, so that a process starts in a tenth of a second. It lies where its packages are found. */
  beforeAll(async () => {
    const cache = path("../../.cache");
    mkdirSync(cache, { recursive: true });
    folder = mkdtempSync(join(cache, "processes-"));
    const input = {
      process: path("process.ts"),
      training: path("training.ts"),
      worker: path("../../src/engine/onednn/worker.ts"),
    };
    const names = { entryFileNames: "[name].js", chunkFileNames: "[name].js" };
    await build({
      configFile: false,
      logLevel: "error",
      build: { ssr: true, outDir: folder, emptyOutDir: false, rollupOptions: { input, output: names } },
    });
  });

  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  function ending(way: string, ...given: readonly string[]): Promise<Ending> {
    const program = [join(folder, "process.js"), way, ...given];
    const child = spawn(process.execPath, program, { stdio: ["ignore", "pipe", "ignore"] });
    let interrupted = performance.now();
    child.stdout.once("data", () => {
      interrupted = performance.now();
      child.kill("SIGINT");
    });
    return new Promise((resolve) => {
      child.once("exit", (code, signal) => resolve({ code, signal, milliseconds: performance.now() - interrupted }));
    });
  }

  async function expectEndings(ways: readonly Way[], rounds: number): Promise<void> {
    for (let round = 0; round < rounds; round++)
      for (const [way, { code, signal }] of ways)
        for (const end of await Promise.all([ending(way), ending(way)]))
          expect([way, end.code, end.signal]).toEqual([way, code, signal]);
  }

  test("ends 100 times in a row without a crash, also by exit, by an error and by Ctrl-C during runs", async () => {
    const ways: readonly Way[] = [
      ["after its runs", { code: 0, signal: null }],
      ["by exit", { code: 0, signal: null }],
      ["by exit during a run", { code: 0, signal: null }],
      ["by an error", { code: 1, signal: null }],
      ["by Ctrl-C during runs", { code: null, signal: "SIGINT" }],
    ];
    await expectEndings(ways, 10);
  }, 120_000);

  test("ends so with pieces in ONNX Runtime too", async () => {
    const ways: readonly Way[] = [
      ["after pieces in ONNX Runtime", { code: 0, signal: null }],
      ["by exit during a piece", { code: 0, signal: null }],
      ["by Ctrl-C during pieces", { code: null, signal: "SIGINT" }],
    ];
    await expectEndings(ways, 2);
  }, 60_000);

  test("ends by exit at any time, also as oneDNN or ONNX Runtime starts", async () => {
    for (let milliseconds = 60; milliseconds <= 360; milliseconds += 6) {
      const ways = ["by exit as oneDNN starts", "by exit as ONNX Runtime starts"];
      const ends = await Promise.all(ways.map((way) => ending(way, String(milliseconds))));
      for (const { code, signal } of ends) expect([milliseconds, code, signal]).toEqual([milliseconds, 0, null]);
    }
  }, 60_000);

  test.each([
    ["by Ctrl-C during a long run", { code: null, signal: "SIGINT" }],
    ["by its own word after Ctrl-C during a long run", { code: 130, signal: null }],
  ])("ends at once %s", async (way, { code, signal }) => {
    const end = await ending(way);
    expect([end.code, end.signal]).toEqual([code, signal]);
    expect(end.milliseconds).toBeLessThan(1000);
  });

  /**
   * What training.ts says. Where threads wait without spinning, whatever else the machine does costs it less. The young part of
   * V8's heap, which grows by 8 MB at some time or never, stays as it is.
   */
  function said(work: string, waiting: "active" | "passive" = "passive"): unknown {
    const settings = ["--expose-gc", "--max-semi-space-size=1"];
    const { stdout, stderr } = spawnSync(process.execPath, [...settings, join(folder, "training.js"), work], {
      encoding: "utf8",
      env: { ...process.env, OMP_WAIT_POLICY: waiting },
    });
    expect(stderr).toBe("");
    return JSON.parse(stdout);
  }

  /** One description or memory that every step left would be tens of megabytes. */
  function expectFlat(work: string): void {
    const { objects, buffers, process: grown } = said(work) as Record<"objects" | "buffers" | "process", number>;
    expect(objects).toBeLessThan(1);
    expect(buffers).toBeLessThan(8);
    expect(grown).toBeLessThan(8);
  }

  test("trains the same weights to the bit in every process, 300 steps of LeNet-5 among them", () => {
    expect(said("weights")).toEqual(said("weights"));
  }, 120_000);

  test("does not grow over thousands of training steps", () => {
    expectFlat("growth by runs");
  }, 60_000);

  test("does not grow over thousands of runs of a piece in ONNX Runtime", () => {
    expectFlat("growth by pieces");
  }, 60_000);

  test("does not grow over thousands of programs that come and go", () => {
    expectFlat("growth by programs");
  }, 60_000);

  test("keeps its event loop free while training steps run: no gap over 20 ms", () => {
    // Other programs take the cores too, those of the tests beside this one among them: the calmest of some tries counts.
    let longest = Number.POSITIVE_INFINITY;
    for (let tries = 0; tries < 8 && longest >= 20; tries++) {
      const measured = said("gaps", "active") as { longest: number; steps: number };
      expect(measured.steps).toBeGreaterThan(2);
      longest = Math.min(longest, measured.longest);
    }
    expect(longest).toBeLessThan(20);
  }, 120_000);
});
