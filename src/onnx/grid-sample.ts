/** Sampling at the places that a grid names, by taps: as graph, so that x and the grid have their gradients. */
import { StriateError } from "../errors.ts";
import { apply } from "../graph/op.ts";
import { constant, type Value } from "../graph/value.ts";
import { isMatrixOfSize } from "../ops/along.ts";
import { slice } from "../ops/core/arrange.ts";
import { add, cast, div, equal, greater, less, mul, sub, where } from "../ops/core/elementwise.ts";
import { Floor, Mod, maximum, minimum, Round } from "../ops/core/functions.ts";
import { GatherND } from "../ops/core/gather.ts";
import { reshape, shapeFrom, squeeze, transpose, unsqueeze } from "../ops/core/shape.ts";
import { matmul } from "../ops/matmul.ts";
import { formatShape, type Shape, sizeOf, stridesOf } from "../tensor/shape.ts";
import { scalar, tensor } from "../tensor/tensor.ts";
import type { Composition } from "./form.ts";

/** An element that counts along one axis: its index, still a float, and its weight. */
export interface Tap {
  readonly index: Value;
  readonly weight: Value | undefined;
}

export type Border = "zeros" | "border" | "reflection";

const floor = (x: Value): Value => apply(Floor, [x])[0]!;
const numberLike = (x: Value, number: number): Value => constant(scalar(number, x.dtype));
const clamped = (x: Value, low: number, high: number): Value =>
  minimum(maximum(x, numberLike(x, low)), numberLike(x, high));

/** x mirrored at `low` and `high` until it lies between them. */
function reflected(x: Value, low: number, high: number): Value {
  const range = high - low;
  const isBelow = less(x, low);
  const beyond = where(isBelow, sub(low, x), sub(x, high));
  const times = range === 0 ? mul(beyond, 0) : floor(div(beyond, range));
  const rest = sub(beyond, mul(times, range));
  const isEven = equal(apply(Mod, [times, numberLike(x, 2)], { fmod: 1 })[0]!, 0);
  const [fromLow, fromHigh] = [add(rest, low), sub(high, rest)];
  const mirrored = where(isBelow, where(isEven, fromLow, fromHigh), where(isEven, fromHigh, fromLow));
  return where(isBelow, mirrored, where(greater(x, high), mirrored, x));
}

/** The cubic kernel of R. Keys (1981), a = -0.75, of a distance of at most 1, and of one from 1 to 2. */
const sharpness = -0.75;
const near = (t: Value): Value => add(mul(mul(sub(mul(t, sharpness + 2), sharpness + 3), t), t), 1);
const far = (t: Value): Value =>
  sub(mul(add(mul(sub(mul(t, sharpness), 5 * sharpness), t), 8 * sharpness), t), 4 * sharpness);

/** The taps along an axis for places x. */
export function tapsOf(mode: string, x: Value): Tap[] {
  if (mode === "nearest") return [{ index: x, weight: undefined }];
  const start = floor(x);
  const part = sub(x, start);
  const left = sub(1, part);
  if (mode === "linear")
    return [
      { index: start, weight: left },
      { index: add(start, 1), weight: part },
    ];
  return [
    { index: sub(start, 1), weight: far(add(part, 1)) },
    { index: start, weight: near(part) },
    { index: add(start, 1), weight: near(left) },
    { index: add(start, 2), weight: far(add(left, 1)) },
  ];
}

/** A tap whose index lies within the axis; one that counts as zero has a weight of zero. */
export function within({ index, weight }: Tap, border: Border, length: number, low: number, high: number): Tap {
  const mirrored = border === "reflection" ? reflected(index, low, high) : index;
  const inside = clamped(mirrored, 0, length - 1);
  if (border !== "zeros") return { index: inside, weight };
  const isInside = cast(equal(inside, index), index.dtype);
  return { index: inside, weight: weight ? mul(weight, isInside) : isInside };
}

const modes: Readonly<Record<string, string>> = { bilinear: "linear", bicubic: "cubic" };

/**
 * y[n, c, ...] = x[n, c] at grid[n, ...], whose coordinates go from -1 to 1, the last axis first.
 * ONNX: https://onnx.ai/onnx/operators/onnx__GridSample.html
 */
export const gridSample: Composition = ({ inputs, attributes }) => {
  const [x, grid] = inputs;
  const lengths = x?.shape.slice(2) ?? [];
  const places = grid?.shape.slice(1, -1) ?? [];
  const given = String(attributes.mode ?? "linear");
  const mode = modes[given] ?? given;
  const border = String(attributes.padding_mode ?? "zeros") as Border;
  const known = ["nearest", "linear", "cubic"].includes(mode) && ["zeros", "border", "reflection"].includes(border);
  const fixed = [...lengths, ...places].every((each) => typeof each === "number");
  if (!x || !grid || !known || !fixed || lengths.length < 1 || grid.shape.at(-1) !== lengths.length)
    throw new StriateError({
      subject: "GridSample",
      found: `x [${x?.shape}], a grid [${grid?.shape}], mode ${mode}, padding ${border}`,
      expected: "maps and places of fixed size, a coordinate for each axis, and modes of the standard",
    });
  const count = sizeOf(places as Shape);
  const align = attributes.align_corners === 1;
  const perAxis = (lengths as Shape).map((length, axis) => {
    const at = lengths.length - 1 - axis;
    const coordinate = squeeze(slice(grid, { axis: grid.shape.length - 1, start: at, end: at + 1 }), [-1]);
    const normal = reshape(coordinate, [0, count]);
    const [low, high] = align ? [0, length - 1] : [-0.5, length - 0.5];
    const exact = align ? mul(div(add(normal, 1), 2), length - 1) : div(sub(mul(add(normal, 1), length), 1), 2);
    const place = mode === "nearest" ? apply(Round, [exact])[0]! : exact;
    const moved =
      border === "border"
        ? clamped(place, 0, length - 1)
        : border === "reflection"
          ? reflected(place, low, high)
          : place;
    return tapsOf(mode, moved).map((tap) => within(tap, border, length, low, high));
  });
  const flat = reshape(x, [0, 0, sizeOf(lengths as Shape)]);
  return [reshape(weighted(flat, perAxis, stridesOf(lengths as Shape)), [0, 0, ...(places as Shape)])];
};

/**
 * Maps [batch, channels, elements] at places, each by the taps along every axis [batch, places], whose indices these
 * strides add up: [batch, channels, places]. Channels lie side by side meanwhile, to be read as one.
 */
export function weighted(maps: Value, perAxis: readonly (readonly Tap[])[], strides: Shape): Value {
  const none: readonly Tap[] = [{ index: numberLike(perAxis[0]![0]!.index, 0), weight: undefined }];
  const combinations = perAxis.reduce(
    (before, taps, axis) =>
      before.flatMap((outer) =>
        taps.map((inner) => ({
          index: add(outer.index, mul(inner.index, strides[axis]!)),
          weight: outer.weight && inner.weight ? mul(outer.weight, inner.weight) : (outer.weight ?? inner.weight),
        })),
      ),
    none,
  );
  const elements = transpose(maps, [0, 2, 1]);
  const sum = combinations
    .map(({ index, weight }) => {
      const values = apply(GatherND, [elements, unsqueeze(cast(index, "int64"), [2])], { batch_dims: 1 })[0]!;
      return weight ? mul(values, unsqueeze(weight, [2])) : values;
    })
    .reduce((a, b) => add(a, b));
  return transpose(sum, [0, 2, 1]);
}

/**
 * Where a map of a size takes its elements from, moved, turned and stretched by theta [batch, axes, axes + 1]: the grid
 * [batch, ...size, axes] that `GridSample` takes (M. Jaderberg et al., "Spatial transformer networks", 2015).
 * ONNX: https://onnx.ai/onnx/operators/onnx__AffineGrid.html
 */
export const affineGrid: Composition = ({ inputs, attributes }) => {
  const [theta, size] = inputs;
  const lengths = size ? shapeFrom(size, "AffineGrid").slice(2) : [];
  const rank = lengths.length;
  const fits = rank > 0 && formatShape(theta?.shape.slice(1) ?? []) === formatShape([rank, rank + 1]);
  const counted = lengths.every((length) => typeof length === "number" && length >= 1);
  if (!theta || !fits || !counted || !isMatrixOfSize(sizeOf(lengths as Shape), rank + 1))
    throw new StriateError({
      subject: "AffineGrid",
      found: `theta ${formatShape(theta?.shape ?? [])} for a map of ${formatShape(lengths)}`,
      expected: "[batch, axes, axes + 1], and a number above 0 for each axis, not too large",
    });
  const sizes = lengths as Shape;
  const strides = stridesOf(sizes);
  const along = (index: number, length: number): number =>
    attributes.align_corners === 1
      ? (2 * index) / Math.max(1, length - 1) - Math.sign(length - 1)
      : (2 * index + 1) / length - 1;
  const places = Array.from({ length: sizeOf(sizes) }, (_, place) => {
    const coordinates = sizes.map((length, axis) => along(Math.floor(place / strides[axis]!) % length, length));
    return [...coordinates.reverse(), 1];
  });
  const base = constant(tensor(places.flat(), [places.length, rank + 1], theta.dtype));
  return [reshape(matmul(base, transpose(theta, [0, 2, 1])), [0, ...sizes, rank])];
};
