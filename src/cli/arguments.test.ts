import { InvalidArgumentError } from "commander";
import { expect, test } from "vitest";
import { belowOne, imageShape, modelFile, notNegative, positive, share, wholeNumber } from "./arguments.ts";

test.each([
  [wholeNumber(1), "12", 12],
  [wholeNumber(0), "0", 0],
  [positive, "1e-3", 0.001],
  [positive, ".5", 0.5],
  [notNegative, "0", 0],
  [belowOne, "0.9", 0.9],
  [share, "0.1", 0.1],
  [imageShape, "3x224x224", [3, 224, 224]],
  [imageShape, "1,32,32", [1, 32, 32]],
  [modelFile, "out/model.onnx", "out/model.onnx"],
])("%o reads %j", (parse, text, value) => {
  expect(parse(text)).toEqual(value);
});

test.each([
  [wholeNumber(1), "0", "Expected a whole number of at least 1."],
  [wholeNumber(0), "-1", "Expected a whole number of at least 0."],
  [wholeNumber(0), "1e3", "Expected a whole number"],
  [wholeNumber(0), "", "Expected a whole number"],
  [wholeNumber(0), "9007199254740992", "Expected a whole number"],
  [positive, "0", "Expected a number above 0."],
  [positive, "Infinity", "Expected a number above 0."],
  [positive, "1e999", "Expected a number above 0."],
  [notNegative, "NaN", "Expected a number of at least 0."],
  [belowOne, "1", "Expected a number of at least 0 and below 1."],
  [share, "0", "Expected a number between 0 and 1"],
  [imageShape, "32x32", "Expected channels x height x width"],
  [imageShape, "1x0x32", "Expected channels x height x width"],
  [imageShape, "1x32x65536", "Expected channels x height x width"],
  [modelFile, ".onnx", "Expected a name that ends in .onnx or .safetensors."],
])("%o refuses %j", (parse, text, message) => {
  expect(() => parse(text)).toThrow(InvalidArgumentError);
  expect(() => parse(text)).toThrow(message);
});
