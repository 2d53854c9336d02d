import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { engines } from "../../test/check/engines.ts";
import { reference } from "../engine/reference.ts";
import { StriateError } from "../errors.ts";
import { Model } from "../models/model.ts";
import { relu } from "../nn/activations.ts";
import { conv2d } from "../nn/convolution.ts";
import { dropout } from "../nn/dropout.ts";
import { flatten, linear } from "../nn/linear.ts";
import { batchNorm } from "../nn/normalisation.ts";
import { sequential } from "../nn/scope.ts";
import { Random } from "../tensor/random.ts";
import { encodeSafetensors } from "../tensor/safetensors.ts";
import { tensor } from "../tensor/tensor.ts";
import { readRecording, verify } from "./verify.ts";

const folder = join(import.meta.dirname, "..", "..", "..", "shared", "golden", "models");
const read = (name: string) => readFileSync(join(folder, name));

afterAll(() => Promise.all(engines.map((engine) => engine.close())));

describe("models agree with PyTorch", () => {
  for (const name of ["squeezenet1_1", "shufflenet_v2_x0_5", "mobilenet_v3_small"])
    test(name, async ({ annotate }) => {
      if (!existsSync(folder)) return void (await annotate("the recorded numbers are not here: nothing was compared"));
      const model = Model.fromOnnx(read(`${name}.onnx`), name);
      const recording = readRecording(read(`${name}.golden.safetensors`), name);
      for (const engine of engines) {
        const { failed, compared, worst, ranOn } = await verify(model, recording, { engine });
        expect([failed, ranOn.engine]).toEqual([[], engine.name]);
        expect(compared).toBeGreaterThan(100);
        expect(worst.logits).toBeLessThan(1e-5);
      }
    });
});

describe("verify", () => {
  const small = Model.build(
    sequential({
      conv: conv2d({ channels: 2, kernel: 3 }),
      norm: batchNorm(),
      act: relu(),
      flat: flatten(),
      drop: dropout({ ratio: 0.5 }),
      fc: linear({ features: 3 }),
    }),
    { name: "small", input: [1, 4, 4], seed: 1 },
  );
  const random = new Random(5);
  const image = tensor(
    Array.from({ length: 64 }, () => random.normal()),
    [4, 1, 4, 4],
  );
  const labels = tensor([0, 1, 2, 0], [4], "int64");
  const recording = (more: Record<string, ReturnType<typeof tensor>>) => ({
    tensors: new Map(Object.entries({ image, labels, ...more })),
    deviation: {},
  });

  test("names what differs and what is missing", async () => {
    const logits = tensor(new Array(12).fill(0), [4, 3]);
    const found = await verify(small, recording({ logits, "grad.nothing": logits }), { engine: "reference" });
    expect(found).toMatchObject({
      ranOn: { engine: "reference", precision: "float64" },
      compared: 2,
      failed: ["logits", "grad.nothing"],
    });
    expect(found.worst.grad).toBe(Number.POSITIVE_INFINITY);
    expect(found.worst.buffer).toBe(0);
  });

  test("passes what an engine itself gave, dropout off", async () => {
    const zero = tensor(new Array(12).fill(0), [4, 3]);
    const graph = await reference.compile(small.graph, small.variables, { dimensions: { batch: 4 } });
    const logits = [...(await graph.run({ image })).values()][0]!.cast("float32");
    expect((await verify(small, recording({ logits }), { engine: "ort" })).failed).toEqual([]);
    expect((await verify(small, recording({ logits: zero }), { engine: "ort" })).failed).toEqual(["logits"]);
  });

  test("refuses a file that records nothing, and deviations that are no numbers", () => {
    expect(() => readRecording(encodeSafetensors(new Map([["image", image]])), "a.safetensors")).toThrow(
      'a.safetensors: found no tensor "labels"; expected image, labels and logits.',
    );
    expect(() => readRecording(new Uint8Array(9), "a.safetensors")).toThrow(StriateError);
  });
});
