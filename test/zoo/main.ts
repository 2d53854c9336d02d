/**
 * `npm run zoo -- [NAME…]`: torchvision's convnets for classification and segmentation, exported as ONNX with random
 * weights and compared with PyTorch's own float64 numbers, on every engine that is here or that of STRIATE_ENGINE, a line each.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readRecording, verifiedKinds, verify } from "../../src/analyse/verify.ts";
import { engineOfEnvironment, engineVariable } from "../../src/cli/engine.ts";
import type { Engine } from "../../src/engine/engine.ts";
import { reference } from "../../src/engine/reference.ts";
import { Model } from "../../src/models/model.ts";
import { engines as native } from "../check/engines.ts";

const python = process.env.PYTHON ?? "/usr/bin/python3";
const script = join(import.meta.dirname, "export.py");

/** What the exporter prints. */
function exporter(...words: string[]): string {
  const { status, stdout, stderr, error } = spawnSync(python, [script, ...words], { encoding: "utf8" });
  if (status === 0) return stdout;
  throw new Error(error?.message ?? stderr.trimEnd().split("\n").at(-1));
}

/** How far a model is from its recording on an engine, as the end of a line, and whether it passes. */
async function compare(path: string, engine: Engine): Promise<{ said: string; passes: boolean }> {
  const start = performance.now();
  const model = Model.fromOnnx(readFileSync(`${path}.onnx`));
  const recording = readRecording(readFileSync(`${path}.golden.safetensors`), path);
  const { compared, failed, worst } = await verify(model, recording, { engine });
  const figures = verifiedKinds.map((kind) => `${kind} ${worst[kind].toExponential(1)}`).join(", ");
  const seconds = Math.round((performance.now() - start) / 1000);
  const misses = failed.length === 0 ? "" : `, FAILED: ${failed.slice(0, 5).join(" ")}`;
  const said = `${compared - failed.length} of ${compared} (${figures}; ${seconds} s${misses})`;
  return { said: `${engine.name} ${said}`, passes: failed.length === 0 };
}

let known: readonly string[];
try {
  known = exporter("--list").split("\n");
} catch (error) {
  process.stderr.write(
    `zoo: ${python} cannot export torchvision's models (${(error as Error).message}).\n` +
      "Install them (Debian: apt-get install python3-torchvision) or set PYTHON to a Python that has them.\n",
  );
  process.exit(1);
}
const names = process.argv.length > 2 ? process.argv.slice(2) : known;
const engines = process.env[engineVariable] ? [await engineOfEnvironment()] : [...native, reference];
let failed = 0;
for (const name of names) {
  const folder = mkdtempSync(join(tmpdir(), "striate-zoo-"));
  let passes = true;
  try {
    exporter(folder, name);
    for (const engine of engines) {
      const outcome = await compare(join(folder, name), engine);
      passes &&= outcome.passes;
      process.stdout.write(`${name}: ${outcome.said}\n`);
    }
  } catch (error) {
    passes = false;
    process.stdout.write(`${name}: ${(error as Error).message}\n`);
  } finally {
    rmSync(folder, { recursive: true });
  }
  failed += passes ? 0 : 1;
}
for (const engine of engines) await engine.close();
process.stdout.write(`${names.length - failed} passed, ${failed} failed\n`);
process.exitCode = failed === 0 ? 0 : 1;
