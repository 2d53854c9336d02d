/**
 * A depthwise convolution in the pass of the 1x1 convolution before it: its input is never there as a whole
 * (Sandler et al. 2018, https://arxiv.org/abs/1801.04381, section 5).
 */
import { attributesOf } from "../../graph/op.ts";
import type { Node, Value } from "../../graph/value.ts";
import { Conv } from "../../ops/conv.ts";
import { convAxes } from "../../ops/correlate.ts";
import type { Shape } from "../../tensor/shape.ts";
import { convolutionForms } from "./convolution-forms.ts";
import { argument, type Dnnl, type Primitive, Unimplemented } from "./dnnl.ts";
import type { Cell } from "./memory.ts";
import type { Plan } from "./plan.ts";

/** One that follows another convolution in its pass: 3x3, padded by one. */
export interface DepthwiseLink {
  readonly kind: "depthwise";
  readonly stride: number;
  readonly isBiased: boolean;
  readonly node: Node;
}

/** What a node is to a map of known shape, if it is such a convolution of it. */
export function depthwiseOf(node: Node, value: Value): DepthwiseLink | undefined {
  const [x, w, bias] = node.inputs as [Value, Value, Value | undefined];
  if (node.op.name !== Conv.name || x !== value || x.shape.length !== 4) return undefined;
  const attributes = attributesOf(node, Conv);
  const [channels, { shape }] = [x.shape[1], w];
  if (attributes.group !== channels || shape[0] !== channels || shape[2] !== 3 || shape[3] !== 3) return undefined;
  const axes = convAxes(x.shape, shape, attributes);
  const { stride } = axes[0]!;
  const isUsual = axes.every(
    (axis) =>
      axis.stride === stride &&
      axis.dilation === 1 &&
      axis.before === 1 &&
      axis.output === Math.ceil(axis.input / stride),
  );
  return isUsual && stride <= 2 ? { kind: "depthwise", stride, isBiased: bias !== undefined, node } : undefined;
}

/**
 * Whether the library has a convolution with such a one in its pass, which it does of maps in blocks that are larger than its
 * caches. (Otherwise it computes one after the other.)
 */
export function hasDepthwise(dnnl: Dnnl, head: Node, link: DepthwiseLink): boolean {
  const [x, w] = head.inputs as [Value, Value];
  const [y] = head.outputs as [Value];
  if (head.op.name !== Conv.name || w.shape.length !== 4 || w.shape[2] !== 1 || w.shape[3] !== 1) return false;
  const placed = ({ shape }: Value) => ({ shape: shape as Shape, order: "blocked" as const });
  const attributes = attributesOf(head, Conv);
  const forms = convolutionForms(placed(x), w.shape as Shape, placed(y), attributes);
  try {
    dnnl.convolution(forms, [link]);
    return true;
  } catch (error) {
    if (error instanceof Unimplemented) return false;
    throw error;
  }
}

/** The operands of such a convolution, in the forms that the primitive takes. */
export function depthwiseOperands(
  plan: Plan,
  primitive: Primitive,
  { node }: DepthwiseLink,
): (readonly [number, Cell])[] {
  const [x, w, bias] = node.inputs as [Value, Value, Value | undefined];
  const first = plan.dnnl.firstPostOp / 2;
  const weights = { ...plan.ordered(w, "plain"), shape: [x.shape[1] as number, 1, ...(w.shape.slice(1) as Shape)] };
  return [
    [first + argument.weights, plan.packed(weights, primitive.form(first + argument.weights))],
    ...(bias ? [[first + argument.bias, plan.ordered(bias, "plain")] as const] : []),
  ];
}
