/** Elements put together, taken apart and put around: copies between parts of tensors, in whichever order those lie. */
import { constantOf, type Value } from "../../graph/value.ts";
import { borderPlaces, Concat, Pad, padAmounts, Slice, sliceRanges } from "../../ops/core/arrange.ts";
import { DepthToSpace, SpaceToDepth } from "../../ops/depth-space.ts";
import { normaliseAxis, type Shape, sameShape } from "../../tensor/shape.ts";
import { copy } from "./arrangement.ts";
import { grows } from "./growing.ts";
import { blockLength, type Cell, fillsBlocks, stepsOf, stridesIn } from "./memory.ts";
import { byPlaces, type View } from "./moving.ts";
import { isFloat32, type Plan, type Rule, type Rules } from "./plan.ts";

type Strides = readonly number[];
type Steps = ReturnType<typeof stepsOf>;

/** How far a place, one number for each axis, is from the first. */
const offsetOf = (strides: Strides, place: readonly number[]): number =>
  strides.reduce((sum, stride, axis) => sum + stride * place[axis]!, 0);

const isOfWholeBlocks = ({ shape }: Value): boolean => fillsBlocks(shape as Shape);

const sliced: Rule = (node, plan) => {
  const [x, ...settings] = node.inputs as [Value, ...(Value | undefined)[]];
  if (settings.some((setting) => setting && !constantOf(setting))) return false;
  const ranges = sliceRanges(x.shape, settings.map(constantOf));
  if (
    isFloat32(x) &&
    ranges.every(({ start, step }) => start === 0 && step === 1) &&
    sameShape(x.shape, node.outputs[0]!.shape)
  ) {
    plan.alias(node.outputs[0]!, plan.anywhere(x, plan.precision));
    return true;
  }
  if (!isFloat32(x, node.outputs[0]) || x.shape.length === 0 || ranges.some(({ step }) => step < 0))
    return byPlaces(node, plan);
  const areWhole = ranges.every(({ axis, start, step }) => axis !== 1 || (start % blockLength === 0 && step === 1));
  const inBlocks = areWhole && [x, node.outputs[0]!].every(isOfWholeBlocks);
  const source = inBlocks ? plan.anywhere(x, plan.precision) : plan.cell(x, plan.precision);
  const strides = [...stepsOf(source.order, source.shape).strides];
  let first = 0;
  for (const { axis, start, step } of ranges) {
    first += (source.order === "blocked" && axis === 1 ? start / blockLength : start) * strides[axis]!;
    strides[axis]! *= step;
  }
  const result = plan.output(node, 0, source.order, source.precision);
  const to = stepsOf(result.order, result.shape);
  copy(plan, to.shape, [source, strides, first], [result, to.strides]);
  return true;
};

const concatenated: Rule = (node, plan) => {
  const parts = node.inputs as readonly Value[];
  if (!isFloat32(...parts)) return false;
  if (grows(node, plan)) return true;
  const [first] = parts as readonly [Value];
  const stored = plan.storedAs(first);
  const { order } = parts.every(isOfWholeBlocks) ? plan.anywhere(first, stored) : plan.cell(first, stored);
  const cells = parts.map((part) => plan.ordered(part, order, plan.storedAs(part)));
  const result = plan.output(node, 0, order, plan.precision);
  const { strides } = stepsOf(order, result.shape);
  const axis = normaliseAxis(node.attributes.axis as number, result.shape.length, "Concat");
  let offset = 0;
  for (const cell of cells) {
    const from = stepsOf(order, cell.shape);
    copy(plan, from.shape, [cell, from.strides], [result, strides, offset]);
    offset += from.shape[axis]! * strides[axis]!;
  }
  return true;
};

/** More places around an axis than this are copied one by one by us, not each with a primitive. */
const mostBorders = 32;

/** What is inside is copied; around it stands a number, or what the borders repeat, axis after axis. */
const padded: Rule = (node, plan) => {
  const [x, pads, value, axes] = node.inputs as [Value, Value, Value?, Value?];
  const [given, chosen] = [constantOf(pads)?.toArray(), constantOf(axes)?.toArray()];
  if (!given || (axes && !chosen)) return false;
  const amounts = padAmounts(given, x.shape.length, chosen);
  const mode = node.attributes.mode as string;
  if (amounts.every(([before, after]) => before === 0 && after === 0)) {
    plan.alias(node.outputs[0]!, plan.anywhere(x, plan.storedAs(x)));
    return true;
  }
  const isConstant = mode === "constant";
  const isCut = amounts.some(([before, after]) => before < 0 || after < 0);
  const borders = isConstant ? 0 : amounts.reduce((sum, [before, after]) => sum + before + after, 0);
  const filler = value ? constantOf(value)?.item() : 0;
  if (!isFloat32(x, node.outputs[0]) || filler === undefined || borders > mostBorders || (isCut && !isConstant))
    return byPlaces(node, plan, value);
  const source = plan.cell(x, filler === 0 ? plan.precision : "float32");
  const inside = amounts.map(([before, after], axis) => source.shape[axis]! + Math.min(0, before) + Math.min(0, after));
  if (x.shape.length === 0 || inside.some((length) => length <= 0)) return byPlaces(node, plan, value);
  const result = plan.output(node, 0, source.order, source.precision);
  const [from, to] = [source, result].map(({ order, shape }) => stridesIn(order, shape)) as [Strides, Strides];
  const start = amounts.map(([before]) => Math.max(0, before));
  const cut = amounts.map(([before]) => Math.max(0, -before));
  if (isConstant && amounts.some(([before, after]) => before > 0 || after > 0))
    plan.step([result], (memory) => {
      const view = memory.view(result) as View;
      return () => view().fill(filler);
    });
  copy(plan, inside, [source, from, offsetOf(from, cut)], [result, to, offsetOf(to, start)]);
  if (!isConstant) repeatBorders(plan, result, amounts, mode, source.shape);
  return true;
};

/** Copies what is inside to the places around it: along an axis as far as those before it were filled already. */
function repeatBorders(
  plan: Plan,
  result: Cell,
  amounts: readonly (readonly [number, number])[],
  mode: string,
  inside: Shape,
): void {
  const strides = stridesIn(result.order, result.shape);
  amounts.forEach(([before, after], axis) => {
    const shape = inside.map((length, each) => (each < axis ? result.shape[each]! : each === axis ? 1 : length));
    const start = amounts.map(([first], each) => (each <= axis ? 0 : first));
    const at = (place: number) => offsetOf(strides, start) + place * strides[axis]!;
    borderPlaces(mode, inside[axis]!, before, after).forEach((place, index) => {
      if (index >= before && index < before + inside[axis]!) return;
      copy(plan, shape, [result, strides, at(before + place)], [result, strides, at(index)]);
    });
  });
}

/** The strides of maps of blocks: [batch, channels, height, down a block, width, across it], and what is innermost. */
function blocked(strides: Strides, block: number): Strides {
  const [image, channel, row, place, ...inner] = strides as [number, number, number, number];
  return [image, channel, row * block, row, place * block, place, ...inner];
}

/** The strides of the same elements where each place of a block is a channel. */
function stacked(channels: number, strides: Strides, block: number, mode: string): Strides {
  const [image, channel, row, place, ...inner] = strides as [number, number, number, number];
  const [each, down, across] = mode === "DCR" ? [1, block * channels, channels] : [block ** 2, block, 1];
  return [image, channel * each, row, channel * down, place, channel * across, ...inner];
}

const depthToSpace: Rule = (node, plan) => {
  const [x] = node.inputs as [Value];
  if (!isFloat32(x)) return byPlaces(node, plan);
  const { blocksize: block, mode } = node.attributes as { blocksize: number; mode: string };
  const areWhole = mode === "DCR" && isOfWholeBlocks(node.outputs[0]!);
  const source = areWhole ? plan.anywhere(x, plan.precision) : plan.cell(x, plan.precision);
  const result = plan.output(node, 0, source.order, source.precision);
  const [from, to] = [source, result].map(({ order, shape }) => stepsOf(order, shape)) as [Steps, Steps];
  const [batch, channels, ...inner] = to.shape as [number, number, ...number[]];
  const [height, width] = from.shape.slice(2) as [number, number];
  copy(
    plan,
    [batch, channels, height, block, width, block, ...inner.slice(2)],
    [source, stacked(channels, from.strides, block, mode)],
    [result, blocked(to.strides, block)],
  );
  return true;
};

const spaceToDepth: Rule = (node, plan) => {
  const [x] = node.inputs as [Value];
  if (!isFloat32(x)) return byPlaces(node, plan);
  const { blocksize: block } = node.attributes as { blocksize: number };
  const source = plan.cell(x);
  const [batch, channels] = source.shape as [number, number];
  const result = plan.output(node, 0, source.order);
  const [height, width] = result.shape.slice(2) as [number, number];
  const from = blocked(stridesIn(source.order, source.shape), block);
  const to = stacked(channels, stridesIn(result.order, result.shape), block, "DCR");
  copy(plan, [batch, channels, height, block, width, block], [source, from], [result, to]);
  return true;
};

export const joiningRules: Rules = [
  [Slice, sliced],
  [Concat, concatenated],
  [Pad, padded],
  [DepthToSpace, depthToSpace],
  [SpaceToDepth, spaceToDepth],
];
