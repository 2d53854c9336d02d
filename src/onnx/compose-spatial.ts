/** The standard's operators over the axes of maps and signals that are compositions. https://onnx.ai/onnx/operators/ */
import { StriateError } from "../errors.ts";
import { constantOf, type Value } from "../graph/value.ts";
import { cast } from "../ops/core/elementwise.ts";
import { discreteFourierTransform } from "../ops/fourier.ts";
import type { Composition, NodeForm } from "./form.ts";

const first = ({ inputs, type }: NodeForm): Value => {
  if (!inputs[0]) throw new StriateError({ subject: type, found: "no operand", expected: "at least one" });
  return inputs[0];
};

/** An operand that is one number, which the graph must know. */
function numberOf(form: NodeForm, operand: number, name: string): number | undefined {
  const value = form.inputs[operand];
  if (!value) return undefined;
  const known = constantOf(value);
  if (known?.size === 1) return known.item();
  throw new StriateError({ subject: form.type, found: `a ${name} that depends on the data`, expected: "a constant" });
}

/** Computed in float64: sums of a signal's elements that should cancel are to leave next to nothing. */
const fourier: Composition = (form) => {
  const x = first(form);
  const options = {
    axis: numberOf(form, 2, "axis") ?? -2,
    length: numberOf(form, 1, "length"),
    inverse: form.attributes.inverse === 1,
    onesided: form.attributes.onesided === 1,
  };
  return [cast(discreteFourierTransform(cast(x, "float64"), options), x.dtype)];
};

/** By the name of an operator of the standard domain. */
export const spatialCompositions: readonly (readonly [string, Composition])[] = [["DFT", fourier]];
