/** A network from elsewhere, taken further on a folder of pictures: from the file to bare ONNX Runtime and back. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";
import { beforeAll, describe, expect, test } from "vitest";
import { bind, conv2d, globalAveragePool, linear, load, Model, Random, relu, sequential } from "../../src/index.ts";
import { decodeImage, encodePng } from "../../src/platform/image.ts";
import { workplace } from "./harness.ts";

const { folder, striate } = workplace();
const classes = ["blue", "green", "red"];
const [side, area] = [8, 64];
const statistics = ["--mean", "0.4,0.5,0.6", "--std", "0.2,0.25,0.5"];

/** A picture in which the class's channel is lighter than the noise of the others by a little. */
async function putPicture(path: string, label: number, random: Random): Promise<void> {
  const pixels = Array.from(
    { length: area * 3 },
    (_, index) => random.integer(60, 160) + (index % 3 === 2 - label ? 25 : 0),
  );
  writeFileSync(path, await encodePng({ width: side, height: side, channels: 3, data: Uint8Array.from(pixels) }));
}

/** One folder a class. */
async function putFolder(name: string, count: number, names = classes): Promise<void> {
  for (const [label, each] of names.entries()) {
    mkdirSync(join(folder, name, each), { recursive: true });
    for (let index = 0; index < count; index++)
      await putPicture(join(folder, name, each, `${index}.png`), label, new Random(1, name, each, index));
  }
}

const readJson = (...path: string[]) => JSON.parse(readFileSync(join(folder, ...path), "utf8"));
const train = (out: string, ...more: string[]) =>
  striate("train", "--model", "net.onnx", "--data", "folder:pictures", "--out", out, "--batch", "16", ...more);

beforeAll(async () => {
  await putFolder("pictures", 24);
  await putFolder("others", 8);
  await putFolder("two", 2, ["blue", "green"]);
  const network = sequential({
    conv: conv2d({ channels: 6, kernel: 3 }),
    relu: relu(),
    pool: globalAveragePool(),
    fc: linear({ features: 3 }),
  });
  await Model.build(network, { name: "net", input: [3, side, side], seed: 1 }).save(join(folder, "net.onnx"));
});

describe("fine-tuning an ONNX file on a folder", () => {
  const options = ["--augment", "crop,flip", "--validation", "folder:others", "--epochs", "12", "--seed", "3"];
  const more = ["--learning-rate", "0.1", "--average", "0.9", "--clip", "5", "--label-smoothing", "0.05", "--nesterov"];

  test("measures on the other folder, and keeps mean, deviation, class names and what was asked", async () => {
    const { code, json, stderr } = await train("run", ...options, ...more, ...statistics, "--json");
    expect(stderr).toContain("Training on pictures: 72 images. Measured after each epoch on others: 24");
    expect(code).toBe(0);
    expect(json.validation).toMatchObject({ count: 24 });
    expect((json.validation as { top1: number }).top1).toBeGreaterThan(0.8);
    const model = await load(join(folder, "run", "model.onnx"));
    expect(model.classes).toEqual(classes);
    expect(model.preprocessing).toMatchObject({ height: side, mean: [0.4, 0.5, 0.6], std: [0.2, 0.25, 0.5] });
    expect(readJson("run", "run.json").options).toMatchObject({
      augment: ["crop", "flip"],
      average: 0.9,
      clip: 5,
      labelSmoothing: 0.05,
      nesterov: true,
      optimizer: "sgd",
    });
  });

  test("eval and predict need no options afterwards", async () => {
    const { json, stderr } = await striate("eval", "run", "--data", "folder:others", "--json");
    expect(json.top1).toBe(readJson("run", "run.json").result.validation.top1);
    expect(stderr).not.toContain("mean");
    const pictures = classes.map((name) => join("others", name, "0.png"));
    const predicted = await striate("predict", "run", ...pictures, "--top", "1", "--json");
    expect((predicted.json.predictions as { class: string }[]).every((each) => classes.includes(each.class))).toBe(
      true,
    );
    expect(predicted.stderr).toBe("");
  });

  test("the file scores the same in bare ONNX Runtime", async () => {
    const { json } = await striate("eval", "run", "--data", "folder:others", "--json");
    const session = await InferenceSession.create(join(folder, "run", "model.onnx"));
    const [mean, std] = [
      [0.4, 0.5, 0.6],
      [0.2, 0.25, 0.5],
    ] as const;
    let [correct, count] = [0, 0];
    for (const [label, name] of classes.entries())
      for (const file of readdirSync(join(folder, "others", name))) {
        const { data } = await decodeImage(readFileSync(join(folder, "others", name, file)), file);
        const input = Float32Array.from({ length: 3 * area }, (_, index) => {
          const channel = Math.floor(index / area);
          return (data[(index % area) * 3 + channel]! / 255 - mean[channel]!) / std[channel]!;
        });
        const feeds = { [session.inputNames[0]!]: new OrtTensor("float32", input, [1, 3, side, side]) };
        const logits = (await session.run(feeds))[session.outputNames[0]!]!.data as Float32Array;
        correct += Number(logits.indexOf(Math.max(...logits)) === label);
        count++;
      }
    expect(count).toBe(24);
    expect(json.top1).toBe(correct / count);
  });

  test("the same seed gives the same weights, augmented too", async () => {
    await train("again", ...options, ...more, ...statistics);
    const [run, again] = ["run", "again"].map((name) => readFileSync(join(folder, name, "model.onnx")));
    expect(again!.equals(run!)).toBe(true);
  });

  test("what is assumed is said, and mean and deviation can be given for one measurement", async () => {
    const assumed = await striate("eval", "net.onnx", "--data", "folder:others", "--json");
    expect(assumed.said).toContain(
      "net does not say which mean and standard deviation its input has: ImageNet's are taken. " +
        "Give others with --mean and --std.",
    );
    const imageNet = ["--mean", "0.485,0.456,0.406", "--std", "0.229,0.224,0.225"];
    const given = await striate("eval", "net.onnx", "--data", "folder:others", ...imageNet, "--json");
    expect(given.json).toEqual(assumed.json);
    const other = await striate("eval", "net.onnx", "--data", "folder:others", "--mean", "0.5", "--std", "2", "--json");
    expect(other.json.loss).not.toBe(given.json.loss);
    expect(other.stderr).toBe("");
    const wrong = await striate("eval", "net.onnx", "--data", "folder:others", "--mean", "0.5,0.5");
    expect(wrong.said).toContain("--mean: found 2 numbers; expected one, or 3: one for each channel.");
    expect(wrong.code).toBe(1);
  });

  test("a file whose batch is fixed to one is measured, and asked about several pictures", async () => {
    const model = await load(join(folder, "run", "model.onnx"));
    await model.with({ graph: bind(model.graph, { batch: 1 }) }).save(join(folder, "one.onnx"));
    const { json } = await striate("eval", "one.onnx", "--data", "folder:others", "--json");
    expect(json.top1).toBe(readJson("run", "run.json").result.validation.top1);
    const pictures = classes.map((name) => join("others", name, "1.png"));
    const [one, any] = await Promise.all(
      ["one.onnx", "run"].map(async (each) => (await striate("predict", each, ...pictures, "--json")).json),
    );
    const found = (document: Record<string, unknown>) =>
      (document.predictions as { class: string }[]).map((each) => each.class);
    expect(found(one!)).toEqual(found(any!));
  });

  test("classes that differ in number from the outputs are refused, unless the last layer is replaced", async () => {
    const refused = await striate("train", "--model", "net.onnx", "--data", "folder:two", "--out", "never");
    expect(refused.said).toContain(
      "two: found 2 classes (blue, green); expected 3, in the order of what net puts out. " +
        "To train it for other classes, give striate train --new-head.",
    );
    expect(refused.code).toBe(1);
    const words = ["--new-head", "--only", "fc", "--epochs", "1", "--out", "two-run", "--json"];
    expect((await striate("train", "--model", "net.onnx", "--data", "folder:two", ...words)).code).toBe(0);
    const [before, after] = [await load(join(folder, "net.onnx")), await load(join(folder, "two-run", "model.onnx"))];
    expect(after.classes).toEqual(["blue", "green"]);
    expect(after.variables.get("fc.weight")!.size).toBe(12);
    expect(after.variables.get("conv.weight")).toEqual(before.variables.get("conv.weight"));
    const evaluated = await striate("eval", "two-run", "--data", "folder:two", "--json");
    expect(evaluated.json.count).toBe(4);
  });

  test("layers that there are not cannot be frozen, and not twice", async () => {
    expect((await train("never", "--freeze", "conv,backbone")).said).toContain(
      '--freeze: found "backbone"; expected layers of net, such as conv, fc, or its parameters.',
    );
    expect((await train("never", "--only", "fc.wieght")).said).toContain('Did you mean "fc.weight"?');
    const both = await train("never", "--freeze", "conv", "--only", "fc");
    expect(both.said).toContain("--freeze and --only each say which layers learn: give one.");
    expect(both.code).toBe(2);
  });
});
