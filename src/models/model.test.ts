import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as runtime from "onnxruntime-node";
import { afterAll, describe, expect, test } from "vitest";
import { summary } from "../analyse/summary.ts";
import { ort } from "../engine/ort/ort.ts";
import { Random } from "../tensor/random.ts";
import { decodeSafetensors } from "../tensor/safetensors.ts";
import { type Tensor, tensor } from "../tensor/tensor.ts";
import { predict } from "../train/evaluate.ts";
import { catalog, catalogEntry } from "./catalog.ts";
import { load, Model } from "./model.ts";

const folder = mkdtempSync(join(tmpdir(), "striate-model-"));
afterAll(async () => {
  await ort.close();
  rmSync(folder, { recursive: true });
});

const build = (name: string) => {
  const entry = catalogEntry(name);
  return Model.build(entry.layer({ classes: entry.classes }), { name, input: entry.input, seed: 3 });
};

function randomImages(batch: number, shape: readonly number[]): Tensor {
  const random = new Random(1, "images");
  const size = shape.reduce((product, each) => product * each, batch);
  return tensor(
    Array.from({ length: size }, () => random.normal()),
    [batch, ...shape],
  );
}

const difference = (left: ArrayLike<number>, right: ArrayLike<number>): number => {
  const largest = Math.max(...Array.from(right, Math.abs));
  return Math.max(...Array.from(left, (value, index) => Math.abs(value - right[index]!))) / largest;
};

describe.each([...catalog.keys()])("%s", (name) => {
  const model = build(name);
  const images = randomImages(3, catalogEntry(name).input);

  test("exported, imported and run, it gives the same outputs, also in onnxruntime-node alone", async () => {
    const path = join(folder, `${name}.onnx`);
    await model.save(path);
    const again = await load(path);
    const onDefault = [await predict(model, images), await predict(again, images)] as const;
    expect(difference(onDefault[1].numbers, onDefault[0].numbers)).toBeLessThan(1e-6);
    // The same arithmetic as in the session below: other kernels add in another order.
    const [ours, theirs] = [
      await predict(model, images, { engine: ort }),
      await predict(again, images, { engine: ort }),
    ];
    expect(difference(theirs.numbers, ours.numbers)).toBeLessThan(1e-6);
    const session = await runtime.InferenceSession.create(path);
    const bare = await session.run({
      image: new runtime.Tensor("float32", images.data as Float32Array, [...images.shape]),
    });
    expect(difference(bare.logits!.data as Float32Array, ours.numbers)).toBeLessThan(1e-6);
    const one = images.slice(0, 1);
    const single = await session.run({
      image: new runtime.Tensor("float32", one.data as Float32Array, [...one.shape]),
    });
    expect(single.logits!.dims).toEqual([1, catalogEntry(name).classes]);
    await session.release();
  });

  test("its parameters come back under their names, bit for bit, and are trainable", () => {
    const again = Model.fromOnnx(model.toOnnx(), "again");
    expect([...again.variables.keys()]).toEqual([...model.variables.keys()]);
    for (const [key, value] of model.variables) expect(again.variables.get(key)!.data).toEqual(value.data);
    expect(again.name).toBe(name);
    expect(again.parameterCount).toBe(model.parameterCount);
    const [before, after] = [summary(model), summary(again)];
    expect(after.macs).toBe(before.macs);
    expect(after.layers).toEqual(before.layers);
  });

  test("its weights come back from safetensors", async () => {
    const path = join(folder, `${name}.safetensors`);
    await model.save(path);
    const { readFileSync } = await import("node:fs");
    const tensors = decodeSafetensors(readFileSync(path), path);
    for (const [key, value] of model.variables) expect(tensors.get(key)!.data).toEqual(value.data);
  });
});

test("LeNet-5 has 61,706 parameters and the published shapes", () => {
  const { parameters, macs, layers } = summary(build("lenet5"));
  expect(parameters).toBe(61_706);
  expect(macs).toBe(28 * 28 * 6 * 25 + 10 * 10 * 16 * 150 + 120 * 400 + 120 * 84 + 84 * 10);
  expect(layers.map(({ name, operator, output }) => `${name} ${operator} ${output.join("x")}`)).toEqual([
    "c1 Conv 6x28x28",
    "act1 Tanh 6x28x28",
    "s2 AveragePool 6x14x14",
    "c3 Conv 16x10x10",
    "act3 Tanh 16x10x10",
    "s4 AveragePool 16x5x5",
    "c5 Conv 120x1x1",
    "act5 Tanh 120x1x1",
    "flatten Flatten 120",
    "f6 Gemm 84",
    "act6 Tanh 84",
    "output Gemm 10",
  ]);
  const operators = summary(build("lenet5-relu")).layers.map((layer) => layer.operator);
  expect(operators).toContain("MaxPool");
  expect(operators).toContain("Relu");
});

test("the network for lines is the chapter's", () => {
  const model = build("lines");
  expect(model.parameterCount).toBe(2 * 81 + 2 + 4 + 2);
  const layers = summary(model).layers.map(({ name, operator, output }) => `${name} ${operator} ${output.join("x")}`);
  expect(layers).toEqual([
    "conv1 Conv 2x64x64",
    "relu Relu 2x64x64",
    "pool GlobalAveragePool 2x1x1",
    "pool Flatten 2",
    "fc1 Gemm 2",
    "temperature Mul 2",
  ]);
  expect(model.variables.get("conv1.weight")!.shape).toEqual([2, 1, 9, 9]);
});

test("what is not in the catalog is refused with the nearest name", () => {
  expect(() => catalogEntry("lenet4")).toThrow('model: found "lenet4"; expected one of lenet5');
  expect(() => catalogEntry("lennet5")).toThrow('Did you mean "lenet5"?');
});

test("preprocessing and class names are kept in the file, and checked when read", () => {
  const preprocessing = { channels: 1, height: 28, width: 28, padding: 2, mean: [0.1], std: [0.3] } as const;
  const model = build("lenet5").with({ preprocessing, classes: ["zero", "one"] });
  const again = Model.fromOnnx(model.toOnnx());
  expect(again.preprocessing).toEqual(preprocessing);
  expect(again.classes).toEqual(["zero", "one"]);
  const broken = model.with({ preprocessing: { ...preprocessing, std: [0] } });
  expect(() => Model.fromOnnx(broken.toOnnx(), "broken.onnx")).toThrow(/broken\.onnx: found preprocessing\.std/);
});

test("other endings are refused", async () => {
  await expect(build("lenet5").save(join(folder, "model.bin"))).rejects.toThrow(
    "expected a name in .onnx or .safetensors",
  );
});
