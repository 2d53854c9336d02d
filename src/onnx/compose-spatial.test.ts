import { expect, test } from "vitest";
import { StriateError } from "../errors.ts";
import { apply } from "../graph/op.ts";
import { constant, type Dimension, inputValue, type Value } from "../graph/value.ts";
import { operators } from "../ops/registry.ts";
import { Random } from "../tensor/random.ts";
import { tensor } from "../tensor/tensor.ts";
import { compositions } from "./compose.ts";
import type { NodeForm } from "./form.ts";
import { upgraded } from "./upgrade.ts";

const random = new Random(7);
const one = <T>(choices: readonly T[]): T => choices[random.integer(0, choices.length - 1)]!;
const chance = (part: number): boolean => random.uniform(0, 1) < part;

const numbers = [-1, 0, 1, 1, 1, 2, 2, 3, 5, 7, 100, 2 ** 16, 2 ** 31 - 1, -(2 ** 31)];
const lengths: readonly Dimension[] = [0, 1, 1, 2, 2, 4, 4, 9, 100, 4096, 2 ** 20, "batch", "height"];
const several = <T>(choices: readonly T[]): T[] =>
  Array.from({ length: one([0, 1, 2, 2, 2, 3, 4, 4, 4, 5]) }, () => one(choices));

const lists = ["kernel_shape", "pads", "strides", "dilations", "output_shape", "output_padding", "scales"];
const settings = [
  ...["group", "offset_group", "p", "axis", "inverse", "onesided", "storage_order", "ceil_mode", "blocksize"],
  ...["num_groups", "align_corners"],
];
const types = [
  ...["DFT", "LpPool", "GlobalLpPool", "GlobalMaxPool", "Col2Im", "MaxUnpool", "MaxPool", "DeformConv", "AffineGrid"],
  ...["GridSample", "ConvTranspose", "DepthToSpace", "SpaceToDepth", "GroupNormalization", "Resize", "PRelu"],
];

function drawnOperand(): Value | undefined {
  if (chance(0.1)) return undefined;
  if (chance(0.3)) {
    const list = several(numbers);
    return constant(tensor(list, [list.length], "int64"));
  }
  if (chance(0.1)) return constant(tensor([one(numbers)], [], "int64"));
  return inputValue("x", { dtype: one(["float32", "float32", "int64", "uint8"] as const), shape: several(lengths) });
}

function drawnForm(): NodeForm {
  const attributes: Record<string, number | string | readonly number[]> = {};
  for (const name of lists) if (chance(0.5)) attributes[name] = several(numbers);
  for (const name of settings) if (chance(0.4)) attributes[name] = one(numbers);
  if (chance(0.3)) attributes.auto_pad = one(["SAME_UPPER", "SAME_LOWER", "VALID", "NOTSET", "SAME"]);
  const inputs = Array.from({ length: one([1, 2, 3, 4, 5]) }, drawnOperand);
  return { type: one(types), version: one([1, 7, 9, 11, 17, 18, 20, 22]), inputs, attributes, outputs: 1 };
}

/** What becomes of a node, attributes that its operator does not have left out. */
function take(written: NodeForm): void {
  const form = upgraded(written);
  const op = operators.get(`:${form.type}`);
  if (!op) compositions.get(form.type)!(form);
  else
    apply(
      op,
      form.inputs,
      Object.fromEntries(Object.entries(form.attributes).filter(([name]) => name in op.attributes)),
    );
}

test("whatever nodes over maps say is taken, or refused by a StriateError, at once", () => {
  const outcomes = { taken: 0, refused: 0 };
  for (let draw = 0; draw < 10_000; draw++) {
    const form = drawnForm();
    try {
      take(form);
      outcomes.taken++;
    } catch (error) {
      expect(error, `${form.type} ${JSON.stringify(form.attributes)}`).toBeInstanceOf(StriateError);
      outcomes.refused++;
    }
  }
  expect(outcomes.taken).toBeGreaterThan(200);
  expect(outcomes.refused).toBeGreaterThan(5000);
});
