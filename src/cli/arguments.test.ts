import { InvalidArgumentError } from "commander";
import { expect, test } from "vitest";
import {
  belowOne,
  choiceList,
  imageShape,
  modelFile,
  nameList,
  notNegative,
  numberList,
  positive,
  positiveList,
  shareOrData,
  wholeNumber,
} from "./arguments.ts";

test.each([
  [wholeNumber(1), "12", 12],
  [wholeNumber(0), "0", 0],
  [positive, "1e-3", 0.001],
  [positive, ".5", 0.5],
  [notNegative, "0", 0],
  [belowOne, "0.9", 0.9],
  [shareOrData, "0.1", 0.1],
  [shareOrData, "folder:a/b", "folder:a/b"],
  [shareOrData, "lines", "lines"],
  [numberList, "0.485, -0.5,1e-1", [0.485, -0.5, 0.1]],
  [positiveList, "0.5", [0.5]],
  [nameList, "conv1,layer1.0", ["conv1", "layer1.0"]],
  [choiceList(["crop", "flip"]), "flip,crop", ["flip", "crop"]],
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
  [shareOrData, "0", "Expected a number between 0 and 1, such as 0.1, or data, such as folder:DIR."],
  [shareOrData, "half", "Expected a number between 0 and 1"],
  [numberList, "0.1,", "Expected numbers with commas between them, such as 0.485,0.456,0.406."],
  [positiveList, "0.1,0", "Expected numbers above 0 with commas between them."],
  [nameList, "conv1,,", "Expected names with commas between them."],
  [choiceList(["crop", "flip"]), "crop,turn", "Expected some of crop, flip."],
  [imageShape, "32x32", "Expected channels x height x width"],
  [imageShape, "1x0x32", "Expected channels x height x width"],
  [imageShape, "1x32x65536", "Expected channels x height x width"],
  [modelFile, ".onnx", "Expected a name that ends in .onnx or .safetensors."],
])("%o refuses %j", (parse, text, message) => {
  expect(() => parse(text)).toThrow(InvalidArgumentError);
  expect(() => parse(text)).toThrow(message);
});
