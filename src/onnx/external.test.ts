import { linkSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ort } from "../engine/ort/ort.ts";
import { StriateError } from "../errors.ts";
import { makeGraph } from "../graph/graph.ts";
import { inputValue, parameterValue } from "../graph/value.ts";
import { load } from "../models/model.ts";
import { conv } from "../ops/conv.ts";
import { openInside } from "../platform/files.browser.ts";
import { tensor } from "../tensor/tensor.ts";
import { encode } from "./encode.ts";
import { ModelProtoSchema, StringStringEntryProtoSchema, type TensorProto } from "./generated/onnx_pb.ts";

const x = inputValue("x", { dtype: "float32", shape: ["batch", 1, 3, 3] });
const w = parameterValue("w", { dtype: "float32", shape: [1, 1, 2, 2] });
const b = parameterValue("b", { dtype: "float32", shape: [1] });
const weights = tensor([1, 2, 3, 4], [1, 1, 2, 2]);
const inside = encode(makeGraph([x], { y: conv(x, w, b, {}) }), {
  variables: new Map([
    ["w", weights],
    ["b", tensor([0.5])],
  ]),
});

/** The model with its weights in other files. */
function outside(entries: Record<string, Record<string, string>>, change?: (proto: TensorProto) => void): Uint8Array {
  const model = fromBinary(ModelProtoSchema, inside);
  for (const proto of model.graph!.initializer) {
    const given = entries[proto.name];
    if (!given) continue;
    proto.rawData = new Uint8Array();
    proto.dataLocation = 1;
    proto.externalData = Object.entries(given).map(([key, value]) =>
      create(StringStringEntryProtoSchema, { key, value }),
    );
    change?.(proto);
  }
  return toBinary(ModelProtoSchema, model);
}

let folder: string;
let allowed: string;
let file: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "striate-external-"));
  allowed = join(folder, "weights");
  file = join(folder, "model.onnx");
  mkdirSync(join(allowed, "deep"), { recursive: true });
  const data = new Uint8Array(24);
  data.set(new Uint8Array(new Float32Array([0.5]).buffer), 0);
  data.set(new Uint8Array(weights.data.buffer), 8);
  for (const path of [join(allowed, "w.bin"), join(allowed, "deep", "w.bin"), join(folder, "secret.bin")])
    writeFileSync(path, data);
  writeFileSync(join(allowed, "linked.bin"), data);
  linkSync(join(allowed, "linked.bin"), join(folder, "second-name.bin"));
  symlinkSync(join(allowed, "w.bin"), join(allowed, "symbolic.bin"));
  symlinkSync(folder, join(allowed, "up"));
});
afterAll(() => rmSync(folder, { recursive: true }));

const range = { w: { location: "w.bin", offset: "8", length: "16" }, b: { location: "w.bin" } };

describe("external data", () => {
  test.each([
    ["with ranges", range],
    ["in a folder of its folder", { ...range, w: { location: "deep/w.bin", offset: "8" } }],
    ["with a checksum", { w: { ...range.w, checksum: "0123" } }],
  ])("is read from the folder that is allowed, %s", async (_, entries) => {
    writeFileSync(file, outside(entries));
    const model = await load(file, { externalData: allowed });
    expect(model.variables.get("w")).toEqual(weights);
    const program = await ort.compile(model.graph, model.variables);
    const outputs = await program.run({ x: tensor([1, 0, 0, 0, 1, 0, 0, 0, 1], [1, 1, 3, 3]) });
    expect(outputs.get("y")!.toArray()).toEqual([5.5, 3.5, 2.5, 5.5]);
    await program.dispose();
  });

  test("is refused where no folder is allowed", async () => {
    writeFileSync(file, outside(range));
    await expect(load(file)).rejects.toThrow(
      `${file}, tensor "w": found data in another file; expected data in this file. Allow the folder that it is in`,
    );
  });

  test.each([
    ["the folder above", "../secret.bin", "found a name that may lead out of the folder"],
    ["the folder above, on a way round", "deep/../../secret.bin", "found a name that may lead out of the folder"],
    ["an absolute path", "/etc/hostname", "found a name that may lead out of the folder"],
    ["backslashes", "..\\secret.bin", "found a name that may lead out of the folder"],
    ["a drive", "C:secret.bin", "found a name that may lead out of the folder"],
    ["the folder itself", ".", "found a name that may lead out of the folder"],
    ["no name", "", "found a name that may lead out of the folder"],
    ["a name with a zero in it", "w.bin\0.txt", "found a name that may lead out of the folder"],
    ["a symbolic link", "symbolic.bin", "found a symbolic link; expected a file of its own."],
    ["a symbolic link on the way", "up/secret.bin", "found a symbolic link; expected a file of its own."],
    ["a hard link", "linked.bin", "found a file with a second name (a hard link)"],
    ["a folder", "deep", "found no regular file; expected a file."],
    ["a file for a folder", "w.bin/x", "found part of the path that is no folder"],
    ["a file that is not there", "v.bin", "no such file"],
  ])("is refused from %s", async (_, location, sentence) => {
    writeFileSync(file, outside({ w: { ...range.w, location } }));
    await expect(load(file, { externalData: allowed })).rejects.toThrow(StriateError);
    await expect(load(file, { externalData: allowed })).rejects.toThrow(sentence);
  });

  test("is refused from a device", async () => {
    writeFileSync(file, outside({ w: { ...range.w, location: "null" } }));
    await expect(load(file, { externalData: "/dev" })).rejects.toThrow("found no regular file; expected a file.");
  });

  test.each<[string, Record<string, string>, string]>([
    ["a range beyond the file", { offset: "12" }, "found 24 bytes; expected 28, for 16 from 12 on."],
    ["an offset beyond everything", { offset: "9007199254740991" }, "found 24 bytes; expected"],
    ["a length that is not the tensor's", { length: "17" }, "length: found 17; expected 16 for shape [1,1,2,2]."],
    ["a negative offset", { offset: "-8" }, "offset: found -8; expected a whole number from 0 to 2^53 - 1"],
    ["an offset with a point", { offset: "8.0" }, "offset: found 8.0"],
    ["an offset with an exponent", { offset: "1e1" }, "offset: found 1e1"],
    ["an offset beyond 2^53", { offset: "9007199254740992" }, "offset: found 9007199254740992"],
    ["an unknown entry", { basepath: "/" }, 'entry: found "basepath"; expected one of location, offset'],
  ])("with %s is refused", async (_, changes, sentence) => {
    writeFileSync(file, outside({ w: { ...range.w, ...changes } }));
    await expect(load(file, { externalData: allowed })).rejects.toThrow(sentence);
  });

  test.each<[string, (proto: TensorProto) => void, string]>([
    ["no location", (proto) => proto.externalData.shift(), "location: found nothing; expected a file's name."],
    [
      "an entry twice",
      (proto) => proto.externalData.push(proto.externalData[0]!),
      "location: found the same entry twice",
    ],
    ["data here too", (proto) => Object.assign(proto, { rawData: new Uint8Array(16) }), "raw_data: found data in this"],
    ["a location of another kind", (proto) => Object.assign(proto, { dataLocation: 2 }), "data_location: found 2"],
    [
      "a shape of a terabyte",
      (proto) => Object.assign(proto, { dims: [1n << 31n, 128n], externalData: proto.externalData.slice(0, 1) }),
      "found more than 8 GiB of external data",
    ],
  ])("with %s is refused", async (_, change, sentence) => {
    writeFileSync(file, outside({ w: range.w }, change));
    await expect(load(file, { externalData: allowed })).rejects.toThrow(sentence);
  });

  test("is refused in a browser", async () => {
    await expect(openInside("weights", "w.bin")).rejects.toThrow("found a file that another one names, in a browser");
  });
});
