/** Resizing of maps and its gradient: the library's where it means the same, else products with matrices, axis by axis. */
import { attributesOf } from "../../graph/op.ts";
import type { Node, Value } from "../../graph/value.ts";
import { type AxisMatrix, isMatrixOfSize, transposed } from "../../ops/along.ts";
import { Resize, ResizeGradient, resizedAxes } from "../../ops/resize.ts";
import { type AxisResize, isOutside, placeOf, resizeMatrix } from "../../ops/resize-matrix.ts";
import type { Shape } from "../../tensor/shape.ts";
import { tensor } from "../../tensor/tensor.ts";
import { argument, type Form } from "./dnnl.ts";
import type { resamplingKinds } from "./kinds.ts";
import { type Cell, formOf } from "./memory.ts";
import { between, blocksAlong, byPlaces, take, type View } from "./moving.ts";
import { isFloat32, type Plan, type Rule, type Rules } from "./plan.ts";

type Change = ReturnType<typeof resizedAxes>[number];
type Kind = keyof typeof resamplingKinds;

const isLike = (one: AxisMatrix, other: AxisMatrix): boolean =>
  one.data.every((weight, index) => Math.abs(weight - other.data[index]!) < 1e-6);

/** The library's resampling that has the weights of these changes, where it has: nearest ones must not be ties. */
function kindOf(changes: readonly Change[], rank: number): Kind | undefined {
  const [first] = changes;
  if (!first || rank > 5 || changes.some(({ axis }) => axis < 2)) return undefined;
  const { mode } = first.change;
  if (mode !== "nearest" && mode !== "linear") return undefined;
  const own = (change: AxisResize, rounding: string) =>
    resizeMatrix({
      ...change,
      rounding,
      scale: change.output / change.input,
      coordinates: "half_pixel",
      antialias: false,
      excludeOutside: false,
    });
  const isSame = ({ change }: Change) => {
    const matrix = resizeMatrix(change);
    return ["round_prefer_floor", "round_prefer_ceil"].every((rounding) => isLike(matrix, own(change, rounding)));
  };
  return changes.every(isSame) ? mode : undefined;
}

/** result[outer, r, inner] = sum over c of matrix[r, c] source[outer, c, inner], in whichever order the two lie. */
function multiply(plan: Plan, source: Cell, result: Cell, axis: number, { rows, columns, data }: AxisMatrix): void {
  const { outer, inner } = blocksAlong(source, axis);
  const weights = plan.constant(tensor(Float32Array.from(data), [rows, columns]));
  const shaped = (cell: Cell, shape: Shape): Cell => ({ ...cell, shape, order: "plain" });
  const turned: Form = { shape: [columns, rows], strides: [1, columns] };
  const [left, right, to] =
    inner === 1
      ? [shaped(source, [outer, columns]), weights, shaped(result, [outer, rows])]
      : [
          shaped(weights, [1, rows, columns]),
          shaped(source, [outer, columns, inner]),
          shaped(result, [outer, rows, inner]),
        ];
  const second = inner === 1 ? turned : formOf(right);
  plan.run(plan.dnnl.product(formOf(left), second, undefined, formOf(to)), [
    [argument.source, left],
    [argument.weights, { ...right, description: plan.dnnl.describe(second) }],
    [argument.result, to],
  ]);
}

/** For each row of a matrix of zeros and a one, where the one is. */
const placesOf = ({ rows, columns, data }: AxisMatrix): Int32Array =>
  Int32Array.from({ length: rows }, (_, row) => data.subarray(row * columns, (row + 1) * columns).indexOf(1));

/** Puts a number where what is resized is off the axis. */
function extrapolate(plan: Plan, result: Cell, { axis, change }: Change, value: number): void {
  const outside = Array.from({ length: change.output }, (_, index) => isOutside(placeOf(index, change), change));
  const rows = outside.flatMap((each, row) => (each ? [row] : []));
  if (rows.length === 0) return;
  const { outer, inner } = blocksAlong(result, axis);
  plan.step([result], (memory) => {
    const view = memory.view(result) as View;
    return () => {
      for (let block = 0; block < outer; block++)
        for (const row of rows) {
          const start = (block * change.output + row) * inner;
          view().fill(value, start, start + inner);
        }
    };
  });
}

/** From tensor to tensor, one axis after the other, the last into the node's output. */
function alongAxes(
  plan: Plan,
  node: Node,
  source: Cell,
  changes: readonly Change[],
  lengthOf: (change: AxisResize) => number,
  step: (from: Cell, to: Cell, change: Change) => void,
): Cell {
  return changes.reduce((from, each, index) => {
    const shape = from.shape.with(each.axis, lengthOf(each.change));
    const isLast = index === changes.length - 1;
    const to = isLast ? plan.output(node, 0, source.order) : between(plan, source, shape);
    step(from, to, each);
    return to;
  }, source);
}

const resize: Rule = (node, plan) => {
  const [x, ...settings] = node.inputs as [Value, ...(Value | undefined)[]];
  const attributes = attributesOf(node, Resize);
  const changes = resizedAxes(x.shape, settings, attributes);
  if (!changes.every(({ change }) => isMatrixOfSize(change.output, change.input))) return false;
  const isCropped = attributes.coordinate_transformation_mode === "tf_crop_and_resize";
  if (!isFloat32(x, node.outputs[0])) return attributes.mode === "nearest" && !isCropped && byPlaces(node, plan);
  if (changes.length === 0) {
    plan.alias(node.outputs[0]!, plan.cell(x));
    return true;
  }
  const kind = isCropped ? undefined : kindOf(changes, x.shape.length);
  if (kind) {
    const source = plan.ordered(x, "channelsLast");
    const result = plan.output(node, 0, "channelsLast");
    plan.run(plan.dnnl.resampling(kind, formOf(source), formOf(result)), [
      [argument.source, source],
      [argument.result, result],
    ]);
    return true;
  }
  const isNearest = attributes.mode === "nearest" && !isCropped;
  const step = (from: Cell, to: Cell, { axis, change }: Change) => {
    const matrix = resizeMatrix(change);
    if (isNearest) take(plan, from, to, axis, placesOf(matrix));
    else multiply(plan, from, to, axis, matrix);
  };
  const result = alongAxes(plan, node, plan.cell(x), changes, ({ output }) => output, step);
  if (isCropped) for (const each of changes) extrapolate(plan, result, each, attributes.extrapolation_value);
  return true;
};

const resizeGradient: Rule = (node, plan) => {
  const [g, , ...settings] = node.inputs as [Value, Value, ...(Value | undefined)[]];
  const shape = node.outputs[0]!.shape;
  const changes = resizedAxes(shape, settings, attributesOf(node, ResizeGradient));
  if (!isFloat32(g, node.outputs[0])) return false;
  if (!changes.every(({ change }) => isMatrixOfSize(change.output, change.input))) return false;
  if (changes.length === 0) {
    plan.alias(node.outputs[0]!, plan.cell(g));
    return true;
  }
  const kind = kindOf(changes, shape.length);
  if (kind) {
    const gradient = plan.ordered(g, "channelsLast");
    const result = plan.output(node, 0, "channelsLast");
    plan.run(plan.dnnl.resamplingGradient(kind, formOf(result), formOf(gradient)), [
      [argument.resultGradient, gradient],
      [argument.sourceGradient, result],
    ]);
    return true;
  }
  alongAxes(
    plan,
    node,
    plan.cell(g),
    changes,
    ({ input }) => input,
    (from, to, { axis, change }) => multiply(plan, from, to, axis, transposed(resizeMatrix(change))),
  );
  return true;
};

export const resamplingRules: Rules = [
  [Resize, resize],
  [ResizeGradient, resizeGradient],
];
