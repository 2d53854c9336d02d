/** What options and arguments may be: each parser refuses what is wrong before anything is loaded. */
import { InvalidArgumentError } from "commander";

const refuse = (expected: string): never => {
  throw new InvalidArgumentError(`Expected ${expected}.`);
};

/** A parser of whole numbers from `least` on. */
export const wholeNumber =
  (least: number) =>
  (text: string): number => {
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    const isFit = Number.isSafeInteger(value) && value >= least;
    return isFit ? value : refuse(`a whole number of at least ${least}`);
  };

const numberPattern = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

/** A parser of numbers for which `isFit` holds, which `expected` says in words. */
const numberThat =
  (isFit: (value: number) => boolean, expected: string) =>
  (text: string): number => {
    const value = numberPattern.test(text) ? Number(text) : Number.NaN;
    return Number.isFinite(value) && isFit(value) ? value : refuse(expected);
  };

/** A number above 0, such as a learning rate. */
export const positive = numberThat((value) => value > 0, "a number above 0");

/** A number of at least 0. */
export const notNegative = numberThat((value) => value >= 0, "a number of at least 0");

/** A number from 0 up to but not including 1. */
export const belowOne = numberThat((value) => value >= 0 && value < 1, "a number of at least 0 and below 1");

/** A number between 0 and 1. */
const share = numberThat(
  (value) => value > 0 && value < 1,
  "a number between 0 and 1, such as 0.1, or data, such as folder:DIR",
);

/** A parser of items with commas between them, each parsed by `item`. */
const listOf =
  <Item>(item: (text: string) => Item) =>
  (text: string): Item[] =>
    text.split(",").map((each) => item(each.trim()));

/** Numbers with commas between them: 0.485,0.456,0.406. */
export const numberList = listOf(numberThat(() => true, "numbers with commas between them, such as 0.485,0.456,0.406"));

/** The same of numbers above 0. */
export const positiveList = listOf(numberThat((value) => value > 0, "numbers above 0 with commas between them"));

/** The beginnings of names with commas between them: conv1,layer1. */
export const nameList = listOf((text) => (text === "" ? refuse("names with commas between them") : text));

/** A parser of several of the choices with commas between them. */
export const choiceList = <Choice extends string>(choices: readonly Choice[]) =>
  listOf((text) => choices.find((each) => each === text) ?? refuse(`some of ${choices.join(", ")}`));

/** A share to hold out, or other data. */
export const shareOrData = (text: string): number | string => (/^(\w+:|lines$)/.test(text) ? text : share(text));

/** The shape of one image: 3x224x224. */
export function imageShape(text: string): [number, number, number] {
  const lengths = text.split(/[x×,]/i).map((each) => (/^\d+$/.test(each) ? Number(each) : 0));
  const isFit = lengths.length === 3 && lengths.every((length) => length >= 1 && length <= 65_535);
  return isFit ? (lengths as [number, number, number]) : refuse("channels x height x width, such as 1x32x32");
}

/** A file to write a model to. */
export const modelFile = (text: string): string =>
  /.\.(onnx|safetensors)$/.test(text) ? text : refuse("a name that ends in .onnx or .safetensors");
