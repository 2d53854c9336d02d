/** The commands at work, end to end, on a few made-up digits. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { writeFileAtomic } from "../../src/platform/files.ts";
import { encodePng } from "../../src/platform/image.ts";
import { squareDigit, workplace, writeDigits } from "./harness.ts";

const { folder, start, striate } = workplace();
const data = ["--data", "mnist:digits"];
const readJson = (...path: string[]) => JSON.parse(readFileSync(join(folder, ...path), "utf8"));
const isPlain = (text: string) => !text.includes("\r") && !text.includes("\u001b");

beforeAll(async () => {
  writeDigits(folder);
  for (const label of [3, 8]) {
    const light = squareDigit(label);
    const picture = { width: 28, height: 28, channels: 1, data: light } as const;
    await writeFileAtomic(join(folder, `light${label}.png`), await encodePng(picture));
    const dark = { ...picture, data: light.map((byte) => 255 - byte) };
    await writeFileAtomic(join(folder, `dark${label}.png`), await encodePng(dark));
  }
});

const train = (out: string, ...more: string[]) => striate("train", "--model", "lenet5", ...data, "--out", out, ...more);

describe("train, then eval, predict and export", () => {
  test("a run keeps its model, its options and its history", async () => {
    const { code, stdout, stderr } = await train("run", "--epochs", "8", "--batch", "20", "--seed", "3");
    expect(code).toBe(0);
    expect(stdout).toMatch(/Trained lenet5: 8 epochs \(80 steps\) in 0:\d\d, accuracy/);
    expect(stdout).toContain("Model: run/model.onnx\nNext:  striate eval run --data mnist:digits\n");
    expect(stderr).toContain("Training on mnist train: 200 images.");
    expect(stderr).toContain("mnist test");
    expect(stderr).toMatch(/epoch +loss +accuracy +validation +images\/s +left\n/);
    expect(stderr).toMatch(/\n8\/8 +\d\.\d{4} +\d+\.\d\d% +\d+\.\d\d% +[\d,]+ +0:00\n/);
    expect(stderr.split("\n").length).toBeLessThan(8 * 4 + 6);
    expect(isPlain(stdout + stderr)).toBe(true);

    expect(readdirSync(join(folder, "run")).sort()).toEqual(["history.jsonl", "model.onnx", "run.json"]);
    const record = readJson("run", "run.json");
    expect(record).toMatchObject({ status: "finished", model: "lenet5", options: { seed: 3, batch: 20, epochs: 8 } });
    expect(record.versions.node).toBe(process.version);
    const history = readFileSync(join(folder, "run", "history.jsonl"), "utf8")
      .trim()
      .split("\n");
    expect(history.map((line) => JSON.parse(line).epoch)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  });

  test("eval gives the four figures, alone on standard output", async () => {
    const { code, json } = await striate("eval", "run", ...data, "--json");
    expect(code).toBe(0);
    expect(Object.keys(json)).toEqual(["count", "top1", "top5", "loss"]);
    expect(json).toMatchObject({ count: 50, top5: expect.any(Number), loss: expect.any(Number) });
    expect(json.top1).toBeGreaterThan(0.9);
    expect(json.top1).toBe(readJson("run", "run.json").result.validation.top1);
    const { stdout } = await striate("eval", "run", ...data);
    expect(stdout).toMatch(/^run on mnist test, 50 images\ntop-1 +\d+\.\d\d%/);
  });

  test("predict reads pictures, light on dark or dark on light", async () => {
    const { code, json } = await striate("predict", "run", "light3.png", "dark3.png", "light8.png", "--json");
    expect(code).toBe(0);
    const predictions = json.predictions as { file: string; class: string; probability: number; inverted: boolean }[];
    expect(predictions.map((each) => [each.file, each.class, each.inverted])).toEqual([
      ["light3.png", "3", false],
      ["dark3.png", "3", true],
      ["light8.png", "8", false],
    ]);
    expect(predictions[1]!.probability).toBe(predictions[0]!.probability);
    const { stdout } = await striate("predict", "run", "dark3.png", "--top", "2");
    expect(stdout).toMatch(/^dark3\.png\n {2}\(dark on light: inverted first.*\)\n {2}3 +\d+\.\d\d% +█+\n {2}\d +/);
    expect(stdout.trimEnd().split("\n")).toHaveLength(4);
  });

  test("the same seed gives the same weights, another one others", async () => {
    await train("again", "--epochs", "8", "--batch", "20", "--seed", "3");
    await train("other", "--epochs", "8", "--batch", "20", "--seed", "4");
    const [run, again, other] = ["run", "again", "other"].map((name) => readFileSync(join(folder, name, "model.onnx")));
    expect(again!.equals(run!)).toBe(true);
    expect(other!.equals(run!)).toBe(false);
  });

  test("a run is overwritten only when told", async () => {
    const refused = await train("run", "--epochs", "1");
    expect(refused.said).toContain("striate: run: found a run already (model.onnx); expected a new folder.");
    expect(refused.code).toBe(1);
    expect((await train("other", "--epochs", "1", "--force", "--no-validation")).code).toBe(0);
    expect(readJson("other", "run.json").result.epochs).toBe(1);
  });

  test("export writes what others read, and training goes on from a file", async () => {
    const { json } = await striate("export", "run", "-o", "copy.onnx", "--json");
    expect(json).toEqual({ model: "run", file: "copy.onnx", parameters: 61_706 });
    const [original, copy] = await Promise.all(
      ["run", "copy.onnx"].map(async (model) => (await striate("eval", model, ...data, "--json")).json),
    );
    expect(copy).toEqual(original);
    expect((await striate("export", "run", "-o", "weights.safetensors")).stdout).toBe(
      "Wrote weights.safetensors (61,706 parameters).\n",
    );
    const words = ["--epochs", "2", "--learning-rate", "0.001", "--out", "tuned", "--json"];
    const tuned = await striate("train", "--model", "copy.onnx", ...data, ...words);
    expect(tuned.json).toMatchObject({ model: "tuned/model.onnx", epochs: 2, stopped: false });
  });

  test("summary prints the table, or its figures", async () => {
    const { stdout } = await striate("summary", "lenet5", "--input", "1x32x32");
    expect(stdout).toMatch(/\nc1 +Conv +6x28x28 +156 +117,600\n/);
    expect(stdout).toMatch(/\ntotal +61,706 +416,520\n/);
    const { json } = await striate("summary", "lenet5", "--input", "1x32x32", "--json");
    expect(Object.keys(json)).toEqual(["parameters", "macs", "layers"]);
    expect((json.layers as unknown[])[0]).toEqual({
      name: "c1",
      operator: "Conv",
      output: [6, 28, 28],
      parameters: 156,
      macs: 117_600,
    });
  });

  test("predict with a network that was never trained says so", async () => {
    const { code, stderr } = await striate("predict", "lenet5", "light3.png");
    expect(stderr).toContain("lenet5 is the network before training: its weights are random (seed 0).");
    expect(code).toBe(0);
  });
});

describe("training that ends early", () => {
  test("Ctrl-C keeps what was trained", async () => {
    const words = ["--epochs", "100000", "--batch", "20", "--out", "stopped", "--json"];
    const running = start("train", "--model", "lenet5", ...data, ...words);
    await running.until("\n3/100000");
    running.process.kill("SIGINT");
    const { code, json, stderr } = await running.finished;
    expect(code).toBe(130);
    expect(stderr).toContain("Stopping after this step.");
    expect(json).toMatchObject({ model: "stopped/model.onnx", stopped: true });
    expect(readJson("stopped", "run.json").status).toBe("stopped");
    const kept = await striate("eval", "stopped", ...data, "--json");
    expect(kept.json.count).toBe(50);
  });

  test("a loss that is not a number keeps the last good weights", async () => {
    const { code, json, said } = await train("broken", "--learning-rate", "1e30", "--epochs", "50", "--json");
    expect(code).toBe(1);
    expect(json.error).toMatch(/^train: found a loss of \S+ at step \d+; expected a finite number\./);
    expect(said).toContain(
      "The weights from before it are in broken/model.onnx; train with a --learning-rate below 1e+30.",
    );
    expect(readJson("broken", "run.json").status).toBe("failed");
    const kept = await striate("eval", "broken", ...data, "--json");
    expect(kept.json.loss).toEqual(expect.any(Number));
  });

  test("data that do not fit leave no folder behind", async () => {
    const { code } = await striate("train", "--model", "lenet5", "--data", "mnist:nowhere", "--out", "never");
    expect(code).toBe(1);
    expect(existsSync(join(folder, "never"))).toBe(false);
  });
});

describe("lines", () => {
  test("stops at Ctrl-C, and keeps what was trained", async () => {
    const running = start("lines", "--out", "study", "--json");
    await running.until("start 1/");
    running.process.kill("SIGINT");
    const { code, json, stderr } = await running.finished;
    expect(code).toBe(130);
    expect(stderr).toContain("Stopping after this step.");
    expect(json).toMatchObject({ stopped: true, seed: 0 });
    for (const path of json.kept as string[])
      expect((await striate("summary", path, "--json")).json.parameters).toBe(170);
  });

  test("refuses a file for its folder", async () => {
    const { code, said } = await striate("lines", "--out", "light3.png");
    expect(said).toBe("striate: light3.png: found a file; expected a folder, or nothing there yet. ");
    expect(code).toBe(1);
  });
});

test("a reader that leaves early is no failure", async () => {
  const running = start("summary", "lenet5", "--json");
  running.process.stdout.destroy();
  const { code, stderr } = await running.finished;
  expect([code, stderr]).toEqual([0, ""]);
});
