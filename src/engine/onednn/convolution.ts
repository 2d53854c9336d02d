/** Convolution and its gradients by the library's: activations channels-last or in blocks, weights in whichever form it asks for. */
import { attributesOf } from "../../graph/op.ts";
import { constantOf, type Node, type Value } from "../../graph/value.ts";
import { Conv, ConvInputGradient, ConvWeightGradient } from "../../ops/conv.ts";
import { ReduceSum } from "../../ops/core/reduce.ts";
import { type ConvAttributes, convAxes } from "../../ops/correlate.ts";
import { type Shape, sizeOf } from "../../tensor/shape.ts";
import { convolutionForms } from "./convolution-forms.ts";
import { depthwiseOperands } from "./depthwise.ts";
import { byConvolution } from "./depthwise-gradient.ts";
import { argument, type Primitive, Unimplemented } from "./dnnl.ts";
import { blockLength, type Cell, formOf, type Order, partsOf } from "./memory.ts";
import { isFloat32, type Plan, type Rule, type Rules } from "./plan.ts";
import { product, turned } from "./products.ts";
import { isForWinograd, partsIn } from "./winograd.ts";

/** Whether a kernel has one place only, all of the input. */
const coversInput = (x: Shape, w: Shape, attributes: ConvAttributes): boolean =>
  attributes.group === 1 &&
  convAxes(x, w, attributes).every(
    ({ kernel, input, dilation, before, after }) =>
      kernel === input && (dilation === 1 || kernel === 1) && before === 0 && after === 0,
  );

/** The order of what a convolution reads, and of what it writes. */
type Orders = readonly [Order, Order];

/** An image's channels: the library has kernels that read them as they come, and write blocks. */
const isImage = (channels: unknown): boolean => channels === 1 || channels === 3;

/** Whether the library has kernels for such groups in blocks: of one channel each, or of whole blocks. */
const areForBlocks = (group: number, values: readonly Value[]): boolean =>
  group === 1 ||
  values.every(({ shape }) => shape[1] === group) ||
  values.every(({ shape }) => (shape[1] as number) % (group * blockLength) === 0);

/** The orders that are quick, the quickest first: in blocks where both can be, otherwise channels-last. */
function ordersFor(plan: Plan, one: Value, other: Value, group: number): readonly Orders[] {
  const [from, to] = [one, other].map(({ shape }) => plan.orderOf(shape)) as [Order, Order];
  if (from === to && (from !== "blocked" || areForBlocks(group, [one, other]))) return [[from, to]];
  const same: Orders = ["channelsLast", "channelsLast"];
  return to === "blocked" && group === 1 && isImage(one.shape[1]) ? [["plain", to], same] : [same];
}

/** What is made with the first of these orders that the library has a quick primitive for, or else by its reference. */
function possible<Made extends { primitive: Primitive }>(
  orders: readonly Orders[],
  make: (orders: Orders) => Made,
): Made {
  let [slow, failure]: [Orders?, Unimplemented?] = [];
  for (const each of orders)
    try {
      const made = make(each);
      if (!made.primitive.isReference) return made;
      slow ??= each;
    } catch (error) {
      if (!(error instanceof Unimplemented)) throw error;
      failure = error;
    }
  // Made again: what is laid out last is what counts.
  if (slow) return make(slow);
  throw failure;
}

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
  const attributes = attributesOf(node, Conv);
  if (coversInput(x.shape as Shape, w.shape as Shape, attributes) && whole(node, plan)) return true;
  const vector = bias && plan.ordered(bias, "plain");
  const depthwise = plan.links(node).find((link) => link.kind === "depthwise");
  const orders = ordersFor(plan, x, node.outputs[0]!, attributes.group);
  const { source, weights, operands, results, primitive } = possible(orders, ([from, to]) => {
    const source = plan.ordered(x, from, plan.precision);
    const result = plan.output(node, 0, to, plan.resultPrecision(node));
    const transform = from === "blocked" ? plan.transforms.get(node) : undefined;
    const results = partsOf(result, 1, partsIn(transform));
    const [filters, ...kernel] = w.shape as [number, ...number[]];
    const part = [filters / results.length, ...kernel];
    // What another convolution follows in the same pass makes a map that is never there.
    const between = depthwise && { shape: node.outputs[0]!.shape as Shape, order: to };
    const forms = convolutionForms(source, part, between ?? results[0]!, attributes, plan.precision);
    const following = plan.following(node, to);
    const whole = { ...plan.ordered(w, "plain"), shape: forms.weights.shape };
    const weights = results.length === 1 ? [whole] : partsOf(plan.ordered(w, "plain"), 0, results.length);
    const training = !plan.isFixed(whole) || (transform !== undefined && transform !== "once");
    const given = { ...forms, training, bias: vector && { shape: [part[0]!], strides: [1] } };
    const primitive = quickest(transform !== undefined, (winograd) =>
      plan.dnnl.convolution({ ...given, winograd }, following.postOps),
    );
    const operands = depthwise ? depthwiseOperands(plan, primitive, depthwise) : following.operands;
    return { source, weights, operands, results, primitive };
  });
  const vectors = vector && partsOf(vector, 0, results.length);
  results.forEach((result, index) => {
    plan.run(primitive, [
      [argument.source, source],
      [argument.weights, plan.packed(weights[index]!, primitive.form(argument.weights))],
      ...(vectors ? [[argument.bias, vectors[index]!] as const] : []),
      ...operands,
      [argument.result, result],
    ]);
  });
  return true;
};

const convolutionInputGradient: Rule = (node, plan) => {
  const [g, w] = node.inputs as [Value, Value];
  if (!isFloat32(g, w) || g.shape.length > 5) return false;
  const attributes = attributesOf(node, ConvInputGradient);
  const [[from, to]] = ordersFor(plan, g, node.outputs[0]!, attributes.group).slice(-1) as [Orders];
  const gradient = plan.ordered(g, from, plan.precision);
  const result = plan.output(node, 0, to, plan.resultPrecision(node));
  const forms = convolutionForms(result, w.shape as Shape, gradient, attributes, plan.precision);
  const isWinograd = result.order === "blocked" && isForWinograd(attributes, result.shape, w.shape as Shape);
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
  if (byConvolution(node, plan)) return true;
  const attributes = attributesOf(node, ConvWeightGradient);
  const result = plan.output(node, 0, "plain");
  const ofBias = plan.consumers(g).find((each) => isSumByChannel(each) && !plan.isKnown(each.outputs[0]!));
  const bias = ofBias && plan.output(ofBias, 0, "plain");
  // Depthwise ones that the library is slow with in blocks, and that are no convolution either, are channels-last.
  const usual = ordersFor(plan, x, g, attributes.group);
  const orders = usual.at(-1)![0] === "blocked" ? [...usual, ["channelsLast", "channelsLast"] as const] : usual;
  const { source, gradient, weights, primitive } = possible(orders, ([from, to]) => {
    const source = plan.ordered(x, from, plan.precision);
    const gradient = plan.ordered(g, to, plan.precision);
    const forms = convolutionForms(source, result.shape, gradient, attributes);
    const isWinograd = from === "blocked" && isForWinograd(attributes, x.shape as Shape, result.shape);
    const given = { ...forms, bias: bias && formOf(bias) };
    const primitive = quickest(isWinograd, (winograd) => plan.dnnl.convolutionWeightGradient({ ...given, winograd }));
    return { source, gradient, weights: forms.weights, primitive };
  });
  const packed = plan.temporary(primitive.form(argument.weightsGradient));
  plan.run(primitive, [
    [argument.source, source],
    [argument.resultGradient, gradient],
    [argument.weightsGradient, packed],
    ...(bias ? [[argument.biasGradient, bias] as const] : []),
  ]);
  const shaped = { ...result, shape: weights.shape };
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
