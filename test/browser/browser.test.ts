import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Browser, chromium } from "playwright-core";
import { build, type PreviewServer, preview } from "vite";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ensureBuilt, findBrowser } from "../../scripts/setup.mjs";
import * as striate from "../../src/index.ts";
import { type Findings, trainLines } from "./page.ts";

const folder = mkdtempSync(join(tmpdir(), "striate-browser-"));
let server: PreviewServer | undefined;
let browser: Browser | undefined;
let there: Findings;
let here: Findings;

beforeAll(async () => {
  ensureBuilt();
  const root = import.meta.dirname;
  const shared = { root, configFile: false, logLevel: "error" } as const;
  const output = { outDir: folder, emptyOutDir: true, target: "es2022" };
  await build({ ...shared, build: output, worker: { format: "es" } });
  server = await preview({ ...shared, build: output, preview: { port: 0, host: "127.0.0.1" } });
  const quiet = ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"];
  browser = await chromium.launch({
    executablePath: findBrowser(),
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", ...quiet],
  });
  const page = await browser.newPage();
  const problems: string[] = [];
  page.on("pageerror", (error) => problems.push(error.message));
  page.on("requestfailed", (request) => problems.push(`${request.url()} was not found`));
  const { port } = server.httpServer.address() as { port: number };
  await page.goto(`http://127.0.0.1:${port}/`);
  there = await page.evaluate(() => (globalThis as unknown as { findings: Promise<Findings> }).findings);
  expect(problems).toEqual([]);
  here = await trainLines(striate);
}, 180_000);

afterAll(async () => {
  await browser?.close();
  await server?.close();
  await striate.ort.close();
  rmSync(folder, { recursive: true, force: true });
});

describe("in headless Chromium, from the built package", () => {
  test("random numbers and generated images are those of Node, bit for bit", () => {
    expect(there.draws).toEqual(here.draws);
    expect(there.images).toBe(here.images);
  });

  test("the running example's losses follow Node's within 1e-4 over the first 20 steps", async ({ annotate }) => {
    expect(here.losses.length).toBe(20);
    expect(there.losses.length).toBe(20);
    const worst = Math.max(...there.losses.map((loss, step) => Math.abs(loss - here.losses[step]!)));
    await annotate(`largest difference ${worst.toExponential(1)}`);
    expect(worst).toBeLessThan(1e-4);
    expect(new Set(there.losses).size).toBe(20);
  });

  test("the page stays alive while it trains", async ({ annotate }) => {
    await annotate(`longest gap ${there.longestGap.toFixed(0)} ms`);
    expect(there.longestGap).toBeLessThan(250);
  });
});
