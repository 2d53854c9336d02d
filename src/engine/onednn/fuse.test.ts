import { expect, test } from "vitest";
import { makeGraph } from "../../graph/graph.ts";
import { inputValue, parameterValue, type Value } from "../../graph/value.ts";
import { conv } from "../../ops/conv.ts";
import { add, div, hardSigmoid, mul, neg, relu, sub, tanh } from "../../ops/core/elementwise.ts";
import { chainsOf } from "./fuse.ts";

const x = inputValue("x", { dtype: "float32", shape: [2, 3, 8, 8] });
const w = parameterValue("w", { dtype: "float32", shape: [3, 3, 3, 3] });
const perChannel = parameterValue("perChannel", { dtype: "float32", shape: [3, 1, 1] });
const perRow = parameterValue("perRow", { dtype: "float32", shape: [8, 1] });
const y = conv(x, w, undefined, { pads: [1, 1, 1, 1], kernel_shape: [3, 3] });

const names = (outputs: Record<string, Value>) =>
  [...chainsOf(makeGraph([x], outputs)).values()].map(({ head, rest }) =>
    [head, ...rest].map(({ op }) => op.name).join("+"),
  );

test.each<[string, Record<string, Value>, string[]]>([
  ["what follows a convolution is one pass with it", { y: relu(add(y, x)) }, ["Conv+Add+Relu"]],
  ["numbers by channel too, but not by row", { y: mul(mul(y, perChannel), perRow) }, ["Conv+Mul"]],
  ["a difference the other way about is a sum with the negative", { y: sub(x, y) }, ["Conv+Sub"]],
  ["a quotient the other way about is none", { y: div(x, y) }, []],
  ["a value that two nodes take ends it", { y: add(relu(y), tanh(y)) }, ["Relu+Add"]],
  ["an output ends it", { y, z: relu(y) }, []],
  [
    "one function twice with different numbers ends it",
    { y: hardSigmoid(neg(y), { alpha: 0.2, beta: 0.5 }) },
    ["Conv+Neg"],
  ],
  ["tanh would compute a whole vector for three channels, and is a pass of its own", { y: tanh(y) }, []],
  ["ReLU stays with three channels, for it takes next to no time", { y: relu(y) }, ["Conv+Relu"]],
  ["a value combined with itself is none", { y: mul(y, y) }, []],
])("%s", (_, outputs, expected) => {
  expect(names(outputs)).toEqual(expected);
});
