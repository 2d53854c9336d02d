/** Einstein's summation, by products that broadcast and sums. https://onnx.ai/onnx/operators/onnx__Einsum.html */
import { StriateError } from "../errors.ts";
import { constant, type Value } from "../graph/value.ts";
import { mul } from "../ops/core/elementwise.ts";
import { reduceSum } from "../ops/core/reduce.ts";
import { transpose, unsqueeze } from "../ops/core/shape.ts";
import { tensor } from "../tensor/tensor.ts";
import type { Composition } from "./form.ts";

const refuse = (equation: string, expected: string): never => {
  throw new StriateError({ subject: "Einsum", found: `equation "${equation}"`, expected });
};

/** The letters of a term, its ellipsis spelt as digits, one for each axis that it stands for. */
function lettersOf(term: string, rank: number | undefined, rest: number, equation: string): string[] {
  if (!/^[A-Za-z]*(\.\.\.)?[A-Za-z]*$/.test(term)) refuse(equation, "letters, ..., commas and ->");
  const named = term.replace("...", "").length;
  const hidden = term.includes("...") ? (rank === undefined ? rest : rank - named) : 0;
  if (hidden < 0 || hidden > 9 || (rank !== undefined && hidden + named !== rank))
    refuse(equation, "a letter for each axis");
  // The ellipses' axes are aligned at the last.
  const digits = Array.from({ length: hidden }, (_, index) => String(9 - hidden + 1 + index)).join("");
  return [...term.replace("...", digits)];
}

/** Longer diagonals would take more memory than they are worth. */
const longestDiagonal = 1 << 12;

/** The elements where two axes have the same index, the second axis gone. */
function diagonal(x: Value, axis: number, other: number): Value {
  const length = x.shape[axis];
  if (typeof length !== "number" || length !== x.shape[other] || length > longestDiagonal)
    throw new StriateError({ subject: "Einsum", found: `a diagonal of ${x.shape}`, expected: "axes of one length" });
  const ones = Array.from({ length: length ** 2 }, (_, index) => (index % (length + 1) === 0 ? 1 : 0));
  const shape = x.shape.map((_, each) => (each === axis || each === other ? length : 1));
  return reduceSum(mul(x, constant(tensor(ones, shape, x.dtype))), { axes: [other] });
}

export const einsum: Composition = ({ inputs, attributes }) => {
  const equation = String(attributes.equation ?? "").replaceAll(" ", "");
  const [left, right] = equation.split("->") as [string, string | undefined];
  const terms = left.split(",");
  if (terms.length !== inputs.length || inputs.some((input) => !input)) refuse(equation, `${inputs.length} terms`);
  const operands = inputs.map((input, index) => {
    let value = input!;
    const letters = lettersOf(terms[index]!, value.shape.length, 0, equation);
    for (let axis = 0; axis < letters.length; axis++)
      for (let other = letters.lastIndexOf(letters[axis]!); other > axis; other = letters.lastIndexOf(letters[axis]!)) {
        value = diagonal(value, axis, other);
        letters.splice(other, 1);
      }
    return { value, letters };
  });
  const all = operands.flatMap(({ letters }) => letters);
  const digits = [...new Set(all.filter((letter) => /\d/.test(letter)))].sort();
  const implied = [...new Set(all)]
    .filter((letter) => /\D/.test(letter) && all.indexOf(letter) === all.lastIndexOf(letter))
    .sort();
  const result = right === undefined ? [...digits, ...implied] : lettersOf(right, undefined, digits.length, equation);
  if (result.some((letter) => !all.includes(letter)) || new Set(result).size !== result.length)
    refuse(equation, "a result of letters that the operands have, each once");
  const order = [...result, ...new Set(all.filter((letter) => !result.includes(letter)))];
  const aligned = operands.map(({ value, letters }) => {
    const present = order.filter((letter) => letters.includes(letter));
    const turned = transpose(
      value,
      present.map((letter) => letters.indexOf(letter)),
    );
    return unsqueeze(
      turned,
      order.flatMap((letter, axis) => (letters.includes(letter) ? [] : [axis])),
    );
  });
  const product = aligned.reduce((a, b) => mul(a, b));
  const gone = order.slice(result.length).map((_, index) => result.length + index);
  return [gone.length === 0 ? product : reduceSum(product, { axes: gone })];
};
