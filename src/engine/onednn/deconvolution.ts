/** Transposed convolution: the gradient of a convolution for its input, and a bias. */
import { attributesOf } from "../../graph/op.ts";
import type { Value } from "../../graph/value.ts";
import { ConvTranspose } from "../../ops/conv.ts";
import type { Shape } from "../../tensor/shape.ts";
import { convolutionForms } from "./convolution-forms.ts";
import { argument } from "./dnnl.ts";
import { type Cell, formOf } from "./memory.ts";
import { isFloat32, type Rule, type Rules } from "./plan.ts";

const transposedConvolution: Rule = (node, plan) => {
  const [x, w, bias] = node.inputs as [Value, Value, Value?];
  if (!isFloat32(x, w, bias) || x.shape.length > 5) return false;
  const source = plan.ordered(x, "channelsLast", plan.precision);
  const result = plan.output(node, 0, "channelsLast", plan.resultPrecision(node));
  const attributes = attributesOf(node, ConvTranspose);
  const forms = convolutionForms(result, w.shape as Shape, source, attributes, plan.precision);
  const primitive = plan.dnnl.convolutionInputGradient(forms);
  const weights = { ...plan.ordered(w, "plain"), shape: forms.weights.shape };
  plan.run(primitive, [
    [argument.resultGradient, source],
    [argument.weights, plan.packed(weights, primitive.form(argument.weights))],
    [argument.sourceGradient, result],
  ]);
  if (!bias) return true;
  const ones = result.shape.slice(2).map(() => 1);
  const vector: Cell = { ...plan.ordered(bias, "plain"), shape: [1, bias.shape[0] as number, ...ones] };
  plan.run(plan.dnnl.binary("add", formOf(result), formOf(vector), formOf(result)), [
    [argument.source, result],
    [argument.second, vector],
    [argument.result, result],
  ]);
  return true;
};

export const deconvolutionRules: Rules = [[ConvTranspose, transposedConvolution]];
