/** Convolution and its gradients by the library's: activations channels-last or in blocks, weights in whichever form it asks for. */
import { constantOf, type Node, type Value } from "../../graph/value.ts";
import { Conv, ConvInputGradient, ConvWeightGradient } from "../../ops/conv.ts";
import { ReduceSum } from "../../ops/core/reduce.ts";
import { type ConvAttributes, convAxes } from "../../ops/correlate.ts";
import { type Shape, sizeOf } from "../../tensor/shape.ts";
import { convolutionForms } from "./convolution-forms.ts";
import { argument, type Primitive, Unimplemented } from "./dnnl.ts";
import { type Cell, formOf, type Order } from "./memory.ts";
import { isFloat32, type Plan, type Rule, type Rules } from "./plan.ts";
import { product, turned } from "./products.ts";
import { isForWinograd } from "./winograd.ts";

/** Whether a kernel has one place only, all of the input. */
const coversInput = (x: Shape, w: Shape, attributes: ConvAttributes): boolean =>
  attributes.group === 1 &&
  convAxes(x, w, attributes).every(
    ({ kernel, input, dilation, before, after }) =>
      kernel === input && (dilation === 1 || kernel === 1) && before === 0 && after === 0,
  );

/** The order of maps that a convolution reads and writes: in blocks where both can be. */
const orderFor = (plan: Plan, one: Value, other: Value): Order =>
  plan.orderOf(one.shape) === plan.orderOf(other.shape) ? plan.orderOf(one.shape) : "channelsLast";

/** A primitive by Winograd's algorithm, if that is quicker and the library has it for these forms. */
function quickest(isForWinograd: boolean, make: (winograd: boolean) => Primitive): Primitive {
  try {
    return make(isForWinograd);
  } catch (error) {
    if (!isForWinograd || !(error instanceof Unimplemented)) throw error;
    return make(false);
  }
}

/** A convolution whose kernel covers its input: each filter's only result is a product with all of an image. */
const whole: Rule = (node, plan) => {
  const [x, w, bias] = node.inputs as [Value, Value, Value | undefined];
  const following = plan.following(node, "plain");
  if (following.operands.length > 0) return false;
  const flat = (value: Value): Cell => {
    const cell = plan.ordered(value, "channelsLast", plan.precision);
    return { ...cell, shape: [cell.shape[0]!, sizeOf(cell.shape.slice(1))] };
  };
  const [images, filters] = [flat(x), flat(w)];
  const [count, channels] = node.outputs[0]!.shape as Shape;
  const vector = bias && { ...plan.ordered(bias, "plain"), shape: [1, channels!] };
  const [first, second] = [turned(images, false), turned(filters, true)];
  product(plan, node, [images, first], [filters, second], vector, [count!, channels!], following);
  return true;
};

const convolution: Rule = (node, plan) => {
  const [x, w, bias] = node.inputs as [Value, Value, Value | undefined];
  if (!isFloat32(x, w, bias) || x.shape.length > 5) return false;
  const attributes = node.attributes as unknown as ConvAttributes;
  if (coversInput(x.shape as Shape, w.shape as Shape, attributes) && whole(node, plan)) return true;
  const order = orderFor(plan, x, node.outputs[0]!);
  const source = plan.ordered(x, order, plan.precision);
  const result = plan.output(node, 0, order, plan.resultPrecision(node));
  const forms = convolutionForms(source, w.shape as Shape, result, attributes, plan.precision);
  const vector = bias && plan.ordered(bias, "plain");
  const { postOps, operands } = plan.following(node, order);
  const transform = order === "blocked" ? plan.transforms.get(node) : undefined;
  const weights = { ...plan.ordered(w, "plain"), shape: forms.weights.shape };
  const training = !plan.isFixed(weights) || transform === "always";
  const given = { ...forms, training, bias: vector && formOf(vector) };
  const primitive = quickest(transform !== undefined, (winograd) =>
    plan.dnnl.convolution({ ...given, winograd }, postOps),
  );
  plan.run(primitive, [
    [argument.source, source],
    [argument.weights, plan.packed(weights, primitive.form(argument.weights))],
    ...(vector ? [[argument.bias, vector] as const] : []),
    ...operands,
    [argument.result, result],
  ]);
  return true;
};

const convolutionInputGradient: Rule = (node, plan) => {
  const [g, w] = node.inputs as [Value, Value];
  if (!isFloat32(g, w) || g.shape.length > 5) return false;
  const order = orderFor(plan, g, node.outputs[0]!);
  const gradient = plan.ordered(g, order, plan.precision);
  const result = plan.output(node, 0, order, plan.resultPrecision(node));
  const attributes = node.attributes as unknown as ConvAttributes;
  const forms = convolutionForms(result, w.shape as Shape, gradient, attributes, plan.precision);
  const isWinograd = result.order === "blocked" && isForWinograd(node.attributes, result.shape, w.shape as Shape);
  const primitive = quickest(isWinograd, (winograd) => plan.dnnl.convolutionInputGradient({ ...forms, winograd }));
  const weights = { ...plan.ordered(w, "plain"), shape: forms.weights.shape };
  plan.run(primitive, [
    [argument.resultGradient, gradient],
    [argument.weights, plan.packed(weights, primitive.form(argument.weights))],
    [argument.sourceGradient, result],
  ]);
  return true;
};

/** Whether a node sums over batch and map: the gradient of a bias. */
export function isSumByChannel(node: Node): boolean {
  const axes = constantOf(node.inputs[1])?.toArray();
  const rank = node.inputs[0]!.shape.length;
  return (
    node.op.name === ReduceSum.name &&
    rank > 2 &&
    node.attributes.keepdims === 0 &&
    axes?.length === rank - 1 &&
    !axes.includes(1)
  );
}

const convolutionWeightGradient: Rule = (node, plan) => {
  const [x, g] = node.inputs as [Value, Value];
  if (!isFloat32(x, g) || g.shape.length > 5) return false;
  // Version 2 errs in bfloat16 where maps have three axes.
  if (plan.precision === "bfloat16" && g.shape.length === 5) return false;
  const order = orderFor(plan, x, g);
  const source = plan.ordered(x, order, plan.precision);
  const gradient = plan.ordered(g, order, plan.precision);
  const result = plan.output(node, 0, "plain");
  const forms = convolutionForms(source, result.shape, gradient, node.attributes as unknown as ConvAttributes);
  const ofBias = plan.consumers(g).find((each) => isSumByChannel(each) && !plan.isKnown(each.outputs[0]!));
  const bias = ofBias && plan.output(ofBias, 0, "plain");
  const isWinograd = source.order === "blocked" && isForWinograd(node.attributes, x.shape as Shape, result.shape);
  const given = { ...forms, bias: bias && formOf(bias) };
  const primitive = quickest(isWinograd, (winograd) => plan.dnnl.convolutionWeightGradient({ ...given, winograd }));
  const packed = plan.temporary(primitive.form(argument.weightsGradient));
  plan.run(primitive, [
    [argument.source, source],
    [argument.resultGradient, gradient],
    [argument.weightsGradient, packed],
    ...(bias ? [[argument.biasGradient, bias] as const] : []),
  ]);
  const shaped = { ...result, shape: forms.weights.shape };
  plan.run(plan.dnnl.reorder(packed.description!, plan.dnnl.describe(formOf(shaped))), [
    [argument.source, packed],
    [argument.result, shaped],
  ]);
  return true;
};

export const convolutionRules: Rules = [
  [Conv, convolution],
  [ConvInputGradient, convolutionInputGradient],
  [ConvWeightGradient, convolutionWeightGradient],
];
