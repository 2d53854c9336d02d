/** Runs the built command line as users do: a process of its own in a folder of its own. */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll } from "vitest";
import { ensureBuilt, root } from "../../scripts/setup.mjs";

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** Standard error with its line breaks undone. */
  readonly said: string;
  /** The one JSON document on standard output; an error where there is another thing. */
  readonly json: Record<string, unknown>;
}

export interface Started {
  readonly process: ChildProcessWithoutNullStreams;
  /** Resolves once standard error contains this. */
  readonly until: (text: string) => Promise<void>;
  readonly finished: Promise<Finished>;
}

/** A temporary folder for the tests of one file, with the command line built. */
export function workplace(): { readonly folder: string; start: typeof start; striate: typeof striate } {
  const folder = mkdtempSync(join(tmpdir(), "striate-cli-"));
  beforeAll(() => ensureBuilt());
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  function start(...words: string[]): Started {
    const child = spawn(process.execPath, [join(root, "dist", "cli", "main.js"), ...words], {
      cwd: folder,
      env: { ...process.env, COLUMNS: undefined, STRIATE_DEBUG: undefined },
    });
    let [stdout, stderr] = ["", ""];
    const waiting: { text: string; resolve: () => void }[] = [];
    child.stdout.on("data", (chunk) => {
      stdout += chunk;
    });
    child.stderr.on("data", (chunk) => {
      stderr += chunk;
      for (const { text, resolve } of waiting) if (stderr.includes(text)) resolve();
    });
    const finished = new Promise<Finished>((resolve, reject) => {
      child.on("error", reject);
      child.on("close", (code) =>
        resolve({
          code,
          stdout,
          stderr,
          said: stderr.replace(/\s+/g, " "),
          get json() {
            return JSON.parse(stdout) as Record<string, unknown>;
          },
        }),
      );
    });
    const until = (text: string) =>
      new Promise<void>((resolve, reject) => {
        waiting.push({ text, resolve });
        if (stderr.includes(text)) resolve();
        finished.then(() => reject(new Error(`ended without "${text}": ${stderr}`)), reject);
      });
    return { process: child, until, finished };
  }

  /** Runs a command to its end. */
  const striate = (...words: string[]): Promise<Finished> => start(...words).finished;
  return { folder, start, striate };
}

function idx(type: number, shape: readonly number[], data: Uint8Array): Buffer {
  const header = Buffer.alloc(4 + 4 * shape.length);
  header.set([0, 0, type, shape.length]);
  shape.forEach((length, axis) => {
    header.writeUInt32BE(length, 4 + 4 * axis);
  });
  return Buffer.concat([header, data]);
}

/** The pixels of a made-up digit: a bright square whose place tells the class. */
export function squareDigit(label: number, shift = 0): Uint8Array {
  const pixels = new Uint8Array(28 * 28);
  const [top, left] = [4 + 12 * Math.floor(label / 5) + (shift % 3), 1 + 5 * (label % 5) + (shift % 2)];
  for (let row = top; row < top + 6; row++) pixels.fill(255, row * 28 + left, row * 28 + left + 5);
  return pixels;
}

/** Writes data in MNIST's four files: 200 images to train on, 50 to test with. @returns the folder */
export function writeDigits(parent: string, name = "digits"): string {
  const folder = join(parent, name);
  mkdirSync(folder, { recursive: true });
  for (const [part, count] of [
    ["train", 200],
    ["t10k", 50],
  ] as const) {
    const labels = Uint8Array.from({ length: count }, (_, index) => index % 10);
    const images = Buffer.concat(Array.from(labels, (label, index) => squareDigit(label, index)));
    writeFileSync(join(folder, `${part}-images-idx3-ubyte.gz`), gzipSync(idx(8, [count, 28, 28], images)));
    writeFileSync(join(folder, `${part}-labels-idx1-ubyte.gz`), gzipSync(idx(8, [count], labels)));
  }
  return folder;
}
