/** Models whose weights are in other files, on the command line. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { beforeAll, describe, expect, test } from "vitest";
import { lenet5, Model } from "../../src/index.ts";
import { ModelProtoSchema, StringStringEntryProtoSchema } from "../../src/onnx/generated/onnx_pb.ts";
import { workplace } from "./harness.ts";

const { folder, striate } = workplace();

beforeAll(() => {
  const built = Model.build(lenet5({ classes: 10 }), { name: "lenet5", input: [1, 32, 32] });
  const model = fromBinary(ModelProtoSchema, built.toOnnx());
  mkdirSync(join(folder, "weights"));
  for (const proto of model.graph!.initializer) {
    if (proto.rawData.length < 1000) continue;
    writeFileSync(join(folder, "weights", `${proto.name}.bin`), proto.rawData);
    proto.rawData = new Uint8Array();
    proto.dataLocation = 1;
    proto.externalData = [create(StringStringEntryProtoSchema, { key: "location", value: `${proto.name}.bin` })];
  }
  writeFileSync(join(folder, "large.onnx"), toBinary(ModelProtoSchema, model));
});

describe("--external-data", () => {
  test("allows a folder in which a model keeps its weights", async () => {
    const { code, json } = await striate("summary", "large.onnx", "--external-data", "weights", "--json");
    expect([code, json.parameters]).toEqual([0, 61_706]);
  });

  test("is named where a model needs it, and nothing is read without it", async () => {
    const { code, said } = await striate("summary", "large.onnx");
    expect(code).toBe(1);
    expect(said).toContain("found data in another file; expected data in this file. Allow the folder");
  });

  test("is refused where the weights are elsewhere", async () => {
    const { code, said } = await striate("eval", "large.onnx", "--external-data", ".", "--data", "lines");
    expect([code, said.includes("no such file")]).toEqual([1, true]);
  });
});
