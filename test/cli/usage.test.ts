/** What the command line says of itself, and of bad usage. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { workplace } from "./harness.ts";

const { folder, striate } = workplace();
const names = ["lines", "train", "eval", "predict", "summary", "export", "verify", "doctor"];

const widest = (text: string) => Math.max(...text.split("\n").map((line) => line.length));

describe("help", () => {
  test("lists every command, within 80 columns", async () => {
    const { code, stdout, stderr } = await striate("--help");
    for (const name of names) expect(stdout).toContain(`\n  ${name} `);
    expect(widest(stdout)).toBeLessThanOrEqual(80);
    expect([code, stderr]).toEqual([0, ""]);
  });

  test.each(names)("of %s has its options and an example", async (name) => {
    const { code, stdout } = await striate(name, "--help");
    for (const text of [`Usage: striate ${name} `, "--json", "--seed", "(default: 0)", "Example", `  striate ${name}`])
      expect(stdout).toContain(text);
    expect(widest(stdout)).toBeLessThanOrEqual(80);
    expect(code).toBe(0);
    expect((await striate("help", name)).stdout).toBe(stdout);
  });

  test("tells the version", async () => {
    expect((await striate("--version")).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });
});

describe("bad usage ends in 2", () => {
  test.each([
    [[], "a command is missing. See striate --help."],
    [["trian"], 'unknown command "trian". Did you mean "train"? See striate --help.'],
    [["fly"], 'unknown command "fly"; there are lines, train, eval'],
    [["--frobnicate"], "unknown option '--frobnicate'. See striate --help."],
    [["train", "--modle", "lenet5"], 'unknown option "--modle". Did you mean "--model"? See striate train --help.'],
    [["train", "--model", "lenet5"], "required option '--data <data>' not specified. See striate train --help."],
    [["summary"], "missing required argument 'model'. See striate summary --help."],
    [["predict", "lenet5"], "missing required argument 'image'"],
    [["summary", "lenet5", "lenet5"], "too many arguments"],
    [["summary", "lenet5", "--input", "1x32"], "Expected channels x height x width, such as 1x32x32."],
    [["summary", "lenet5", "--seed", "-1"], "argument '-1' is invalid. Expected a whole number of at least 0."],
    [["summary", "lenet5", "--seed", "1.5"], "argument '1.5' is invalid"],
    [["predict", "lenet5", "x.png", "--top", "0"], "argument '0' is invalid. Expected a whole number of at least 1."],
    [["export", "lenet5", "-o", "lenet5.txt"], "Expected a name that ends in .onnx or .safetensors."],
    [["export", "lenet5", "-o"], "argument missing"],
  ])("striate %j", async (words, message) => {
    const { code, stdout, said, stderr } = await striate(...words);
    expect(said).toMatch(/^striate: /);
    expect(said).toContain(message);
    expect(stderr).not.toMatch(/\n {4}at /);
    expect([code, stdout]).toEqual([2, ""]);
    expect(widest(stderr)).toBeLessThanOrEqual(80);
  });

  const needed = ["train", "--model", "lenet5", "--data", "mnist:digits", "--out", "run"];
  test.each([
    ["--epochs", "-3", "Expected a whole number of at least 1."],
    ["--batch", "0", "Expected a whole number of at least 1."],
    ["--limit", "-1", "Expected a whole number of at least 1."],
    ["--learning-rate", "fast", "Expected a number above 0."],
    ["--learning-rate", "0", "Expected a number above 0."],
    ["--momentum", "1", "Expected a number of at least 0 and below 1."],
    ["--weight-decay", "-1", "Expected a number of at least 0."],
    ["--validation", "2", "Expected a number between 0 and 1, such as 0.1, or data, such as folder:DIR."],
    ["--optimizer", "magic", "Allowed choices are sgd, adam, adamw, rmsprop, adagrad."],
    ["--schedule", "never", "Allowed choices are constant, step, plateau, cosine, warm-cosine, one-cycle."],
  ])("striate train %s %s", async (option, value, message) => {
    const { code, said } = await striate(...needed, option, value);
    expect(said).toContain(`argument '${value}' is invalid. ${message} See striate train --help.`);
    expect(code).toBe(2);
  });

  test("momentum for an optimizer that has none", async () => {
    const { code, said } = await striate(...needed, "--optimizer", "adam", "--momentum", "0.5");
    expect(said).toContain("--momentum is an option of sgd, and the optimizer is adam.");
    expect(code).toBe(2);
  });

  test("is one JSON document where JSON was asked for", async () => {
    const { code, json } = await striate("summary", "lenet5", "--bogus", "--json");
    expect(json).toEqual({ error: 'unknown option "--bogus". See striate summary --help.' });
    expect(code).toBe(2);
  });
});

describe("a failure ends in 1 and names what it is about", () => {
  mkdirSync(join(folder, "pictures"));
  writeFileSync(join(folder, "notes.onnx"), "This is no network.");
  writeFileSync(join(folder, "notes.png"), "This is no picture.");
  writeFileSync(join(folder, "file"), "");

  test.each([
    [["summary", "lenet55"], 'model: found "lenet55"; expected one of lenet5', 'Did you mean "lenet5"?'],
    [["summary", "missing.onnx"], "missing.onnx: no such file.", "Check the path"],
    [["summary", "pictures"], "pictures: found a folder without model.onnx;", "expected a run folder"],
    [["summary", "notes.onnx"], "notes.onnx: found", "expected an ONNX model"],
    [
      ["summary", "lenet5", "--input", "1x4x4"],
      "c1, Conv: found a kernel of 5x5 on an input of 4x4",
      "Use a smaller kernel",
    ],
    [["predict", "lenet5", "pictures"], "pictures: found a folder; expected a file.", ""],
    [["predict", "lenet5", "notes.png"], "notes.png: found", "expected a PNG, JPEG or WebP picture"],
    [["predict", "lenet5", "missing.png"], "missing.png: no such file.", "Check the path"],
    [["eval", "lenet5", "--data", "mnist:nowhere"], "nowhere: found no such folder", "Check the path"],
    [["eval", "lenet5", "--data", "mnits:nowhere"], "data: found mnits:nowhere", "Did you mean mnist:DIR"],
    [["export", "lenet5", "-o", "file/lenet5.onnx"], "file/lenet5.onnx: found part of this path is a file", ""],
    [["train", "--model", "lenet5", "--data", "mnist:nowhere", "--out", "file"], "file: found a file;", "a folder"],
  ])("striate %j", async (words, message, mend) => {
    const { code, stdout, said, stderr } = await striate(...words);
    expect(said).toContain(`striate: ${message}`);
    expect(said).toContain(mend);
    expect(stderr).not.toMatch(/\n {4}at /);
    expect([code, stdout]).toEqual([1, ""]);
    const inJson = await striate(...words, "--json");
    expect(Object.keys(inJson.json)).toEqual(["error"]);
    expect(inJson.json.error).toContain(message);
    expect(inJson.code).toBe(1);
  });
});
