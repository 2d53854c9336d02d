/** `striate verify` as users run it, against numbers that the reference engine recorded. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { Model } from "../../src/models/model.ts";
import { relu } from "../../src/nn/activations.ts";
import { conv2d } from "../../src/nn/convolution.ts";
import { flatten, linear } from "../../src/nn/linear.ts";
import { batchNorm } from "../../src/nn/normalisation.ts";
import { sequential } from "../../src/nn/scope.ts";
import { Random } from "../../src/tensor/random.ts";
import { encodeSafetensors } from "../../src/tensor/safetensors.ts";
import { type Tensor, tensor } from "../../src/tensor/tensor.ts";
import { near, recorded } from "../check/recording.ts";
import { workplace } from "./harness.ts";

const { folder, striate } = workplace();

const model = Model.build(
  sequential({
    conv: conv2d({ channels: 2, kernel: 3, bias: false }),
    norm: batchNorm(),
    act: relu(),
    flat: flatten(),
    fc: linear({ features: 3 }),
  }),
  { name: "small", input: [1, 4, 4], seed: 1 },
);

const missing = "grad.a.layer.whose.name.is.as.long.as.names.in.large.networks.are.and.longer.weight";
const random = new Random(5);
const image = tensor(
  Array.from({ length: 64 }, () => random.normal()),
  [4, 1, 4, 4],
);
const given = { image, labels: tensor([0, 1, 2, 0], [4], "int64") };

function write(name: string, tensors: Iterable<readonly [string, Tensor]>): void {
  writeFileSync(join(folder, name), encodeSafetensors(new Map(tensors)));
}

beforeAll(async () => {
  await model.save(join(folder, "small.onnx"));
  const numbers = await recorded(model, new Map(Object.entries(given)));
  const single = [...numbers].map(([name, each]) => [name, each.cast("float32")] as const);
  write("right.safetensors", [...Object.entries(given), ...single]);
  const off = single.map(([name, each]) => [name, name === "grad.conv.weight" ? twice(each) : each] as const);
  await near.save(join(folder, "near.onnx"));
  write("near.safetensors", [...Object.entries(given), ...(await recorded(near, new Map(Object.entries(given))))]);
  write("wrong.safetensors", [...Object.entries(given), ...off, [missing, image]]);
});

const twice = (each: Tensor): Tensor =>
  tensor(
    each.toArray().map((value) => 2 * value),
    each.shape,
  );

/** The kinds of numbers whose worst errors are told, in order. */
const kinds = ["logits", "dimage", "eval_grad", "grad", "buffer"];

describe("verify", () => {
  test("tells in one document that everything is right", async () => {
    const { code, json, stderr } = await striate(
      "verify",
      "small.onnx",
      "right.safetensors",
      "--engine",
      "ort",
      "--json",
    );
    const worst = Object.fromEntries(kinds.map((kind) => [kind, expect.any(Number)]));
    expect(Object.keys(json)).toEqual(["engine", "compared", "failed", "worst"]);
    // Three in evaluation and a loss in training, five parameters in each, two statistics.
    expect(json).toEqual({ engine: "ort", compared: 4 + 2 * 5 + 2, failed: [], worst });
    expect(Object.keys(json.worst as object)).toEqual(kinds);
    for (const kind of kinds) expect((json.worst as Record<string, number>)[kind], kind).toBeLessThan(1e-5);
    expect([code, stderr]).toEqual([0, ""]);
  });

  test("names what is wrong and what is missing, and ends in 1", async () => {
    const { code, json } = await striate("verify", "small.onnx", "wrong.safetensors", "--json");
    expect(json).toMatchObject({ compared: 17, failed: ["grad.conv.weight", missing], worst: { grad: null } });
    expect(code).toBe(1);
  });

  test("says so in lines that fit a terminal", async () => {
    const right = await striate("verify", "small.onnx", "right.safetensors", "--engine", "ort");
    expect(right.stdout).toMatch(/^16 tensors compared on ort, 0 failed\n\n {11}worst error\n─+\nlogits +\d\.\d\de-/);
    expect(right.code).toBe(0);
    const wrong = await striate("verify", "small.onnx", "wrong.safetensors", "--engine", "ort");
    expect(wrong.stdout).toContain("17 tensors compared on ort, 2 failed");
    expect(wrong.stdout).toMatch(/\ngrad\.conv\.weight +5\.00e-1 +1\.00e-3\n/);
    expect(wrong.stdout).toMatch(/\ngrad\.a\.layer\.whose\.\S+… +missing +1\.00e-3\n/);
    for (const { stdout } of [right, wrong])
      for (const line of stdout.split("\n")) expect(line.length).toBeLessThanOrEqual(80);
    expect(wrong.code).toBe(1);
  });

  test("tells with --kinks that no kink explains what is wrong", async () => {
    const words = ["verify", "small.onnx", "wrong.safetensors", "--engine", "ort", "--kinks"];
    const { code, stdout } = await striate(...words);
    expect(stdout).toMatch(/\n\n0 of the 2 that failed are right by the sides of kinks that the engine took\n$/);
    expect(code).toBe(1);
    const { json } = await striate(...words, "--json");
    expect(json).toMatchObject({ compared: 17, flipped: {}, explained: [] });
  });

  test("decides in float64 where rounding may have made gradients miss and no engine was asked for", async () => {
    const words = ["verify", "near.onnx", "near.safetensors"];
    const { code, stdout, stderr } = await striate(...words);
    expect(stdout).toContain("12 tensors compared on reference, 0 failed");
    expect(stderr).toMatch(/Over what is allowed on (ort|onednn), in float32: \d+ of 12 tensors, only gradients/);
    expect(code).toBe(0);
    const asked = await striate(...words, "--engine", "ort", "--json");
    expect(asked.json).toMatchObject({ engine: "ort", failed: expect.arrayContaining(["grad.conv.bias"]) });
    expect([asked.code, asked.stderr]).toEqual([1, ""]);
  });

  test("refuses a file that holds no recorded numbers", async () => {
    write("weights.safetensors", model.variables);
    const { code, said } = await striate("verify", "small.onnx", "weights.safetensors");
    expect(said).toContain('weights.safetensors: found no tensor "image"; expected image, labels and logits.');
    expect(code).toBe(1);
  });
});
