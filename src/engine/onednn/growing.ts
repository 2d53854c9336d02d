/**
 * Concatenations that grow: each takes the maps that the one before it took, and more. They share one place, where every
 * map is written once, and what normalises one of them looks at its first channels of each image.
 * Huang, Liu, van der Maaten and Weinberger 2017, Densely connected convolutional networks, https://arxiv.org/abs/1608.06993
 */
import { type Node, producerOf, type Value } from "../../graph/value.ts";
import { BatchNormalization } from "../../ops/batch-normalisation.ts";
import { Concat } from "../../ops/core/arrange.ts";
import type { Shape } from "../../tensor/shape.ts";
import { copy } from "./arrangement.ts";
import { blockLength, type Cell, fillsBlocks, partsOf, roomOf, shapeOf, stepsOf } from "./memory.ts";
import { isFloat32, type Plan } from "./plan.ts";

/** Where the longest of some concatenations lies, and how many of its parts are there. */
interface Place {
  readonly cell: Cell;
  parts: number;
}

const order = "blocked";
const places = new WeakMap<Plan, Map<Node, Place>>();
const grown = new WeakMap<Plan, Map<Value, readonly Cell[]>>();

function placed(plan: Plan, value: Value): Cell {
  const shape = shapeOf(value);
  return { dtype: value.dtype, shape, order, region: plan.region(roomOf(value.dtype, shape, order)) };
}

const ofChannels = ({ op, attributes }: Node): boolean => op.name === Concat.name && attributes.axis === 1;

/** What is concatenated, whether at once or by one concatenation of another's result. */
function concatenatedIn({ inputs }: Node): readonly Value[] {
  const [first, ...rest] = inputs as readonly [Value, ...Value[]];
  const before = producerOf(first);
  return before && ofChannels(before) ? [...concatenatedIn(before), ...rest] : [first, ...rest];
}

/** Whether all that looks at a concatenation is what can look at parts of a longer one. */
const isOnlyNormalised = ({ outputs: [y] }: Node, plan: Plan): boolean =>
  !plan.isResult(y!) &&
  plan
    .consumers(y!)
    .every(
      (each) => ofChannels(each) || (each.op.name === BatchNormalization.name && each.attributes.training_mode !== 1),
    );

/** The concatenations that begin with a value, or with one that does. */
const beginningWith = (value: Value, plan: Plan): readonly Node[] =>
  plan
    .consumers(value)
    .filter((each) => ofChannels(each) && each.inputs[0] === value)
    .flatMap((each) => [each, ...beginningWith(each.outputs[0]!, plan)]);

/** The longest of some concatenations, where each but the shortest begins with all parts of another, and there are several. */
function longestOf(first: Value, plan: Plan): Node | undefined {
  const family = beginningWith(first, plan)
    .map((node) => ({ node, parts: concatenatedIn(node) }))
    .toSorted((one, other) => one.parts.length - other.parts.length);
  const isOne = family.every(
    ({ parts }, index) => index === 0 || family[index - 1]!.parts.every((part, place) => part === parts[place]),
  );
  return isOne && family.length > 1 ? family.at(-1)!.node : undefined;
}

/** Lays out a concatenation as the first channels of a longer one; false where it is none. */
export function grows(node: Node, plan: Plan): boolean {
  if (!ofChannels(node)) return false;
  const parts = concatenatedIn(node);
  const [y] = node.outputs as [Value];
  const areInBlocks = parts.every((part) => plan.orderOf(part.shape) === order && fillsBlocks(part.shape as Shape));
  if (!isFloat32(...parts) || !areInBlocks || !isOnlyNormalised(node, plan)) return false;
  const longest = longestOf(parts[0]!, plan);
  if (!longest) return false;
  const known = places.get(plan) ?? new Map<Node, Place>();
  places.set(plan, known);
  const place = known.get(longest) ?? { cell: placed(plan, longest.outputs[0]!), parts: 0 };
  known.set(longest, place);
  const { strides } = stepsOf(order, place.cell.shape);
  let blocks = 0;
  parts.forEach((part, index) => {
    if (index === place.parts) {
      const cell = plan.ordered(part, order);
      const from = stepsOf(order, cell.shape);
      copy(plan, from.shape, [cell, from.strides], [place.cell, strides, blocks * strides[1]!]);
      place.parts += 1;
    }
    blocks += (part.shape[1] as number) / blockLength;
  });
  plan.later(y, () => {
    const whole = placed(plan, y);
    const to = stepsOf(order, whole.shape);
    copy(plan, to.shape, [place.cell, strides], [whole, to.strides]);
    return whole;
  });
  const images = grown.get(plan) ?? new Map<Value, readonly Cell[]>();
  grown.set(plan, images.set(y, imagesOf(place.cell, y.shape[1] as number)));
  return true;
}

/** The images of a concatenation that has grown, one by one. */
export const grownImages = (plan: Plan, value: Value): readonly Cell[] | undefined => grown.get(plan)?.get(value);

/** The first channels of each image of maps in blocks. */
export const imagesOf = (cell: Cell, channels = cell.shape[1]!): readonly Cell[] =>
  partsOf(cell, 0, cell.shape[0]!).map((image) => ({ ...image, shape: [1, channels, ...image.shape.slice(2)] }));
