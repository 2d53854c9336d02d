/**
 * Key points as heatmaps, one for each, that peak where it is. A point is x, y in elements of the map: column, row, from 0 in
 * the middle of the first.
 */
import { StriateError } from "../errors.ts";
import { constant, type Value, type ValueType } from "../graph/value.ts";
import { slice } from "../ops/core/arrange.ts";
import { div, equal, exp, greater, mul, sub, where } from "../ops/core/elementwise.ts";
import { reduceMean, reduceSum } from "../ops/core/reduce.ts";
import { reshape, unsqueeze } from "../ops/core/shape.ts";
import { matmul } from "../ops/matmul.ts";
import { softmax } from "../ops/softmax.ts";
import { formatShape } from "../tensor/shape.ts";
import { Tensor, tensor } from "../tensor/tensor.ts";
import type { Loss } from "./losses.ts";
import { positive } from "./options.ts";
import type { Layer } from "./scope.ts";

/** The height and width of heatmaps, which must be known. */
function sizeOfMaps(subject: string, { shape }: ValueType): readonly [number, number] {
  const [height, width] = shape.slice(2);
  if (shape.length !== 4 || typeof height !== "number" || typeof width !== "number")
    throw new StriateError({
      subject,
      found: `maps of ${formatShape(shape)}`,
      expected: "[batch, points, height, width], height and width as numbers",
    });
  return [height, width];
}

export interface HeatmapOptions {
  /** The standard deviation of the Gaussian, in elements of the map; 2 by default. */
  readonly sigma?: number;
}

/**
 * Gaussians exp(-((column - x)^2 + (row - y)^2) / (2 sigma^2)) around key points: [batch, points, 2 or more], x and y first,
 * to [batch, points, height, width].
 *
 * @example
 * import { inputValue, keypointHeatmaps } from "striate";
 *
 * const points = inputValue("points", { dtype: "float32", shape: ["batch", 17, 2] });
 * console.assert(keypointHeatmaps(points, { size: [64, 48] }).shape.join() === "batch,17,64,48");
 */
export function keypointHeatmaps(
  points: Value,
  { size, sigma = 2 }: HeatmapOptions & { readonly size: readonly [number, number] },
): Value {
  positive("keypointHeatmaps", "sigma", sigma);
  const along = (coordinate: number, length: number): Value => {
    const places = constant(
      tensor(
        Array.from({ length }, (_, place) => place),
        [length],
        points.dtype,
      ),
    );
    const distance = sub(places, slice(points, { axis: 2, start: coordinate, end: coordinate + 1 }));
    return exp(mul(mul(distance, distance), -1 / (2 * sigma * sigma)));
  };
  const [height, width] = size;
  return mul(unsqueeze(along(1, height), [3]), unsqueeze(along(0, width), [2]));
}

/**
 * Heatmap regression: the mean squared difference of predicted maps [batch, points, height, width] and the Gaussians around
 * key points [batch, points, 3] of x, y and visibility, over the points whose visibility is above 0; 0 where none is.
 * J. Tompson et al., "Joint training of a convolutional network and a graphical model for human pose estimation", NeurIPS 2014.
 *
 * @example
 * import { adam, conv2d, heatmapRegression, Model, step, withLoss } from "striate";
 *
 * const model = Model.build(conv2d({ channels: 5, kernel: 3, padding: "same" }), { name: "points", input: [1, 32, 32] });
 * const { graph } = step(withLoss(model.graph, heatmapRegression({ sigma: 1.5 })), adam());
 * console.assert(graph.inputs.map(({ shape }) => shape.join("x")).join() === "batchx1x32x32,batchx5x3,");
 */
export function heatmapRegression({ sigma = 2 }: HeatmapOptions = {}): Loss {
  const subject = "heatmapRegression";
  positive(subject, "sigma", sigma);
  return {
    target: (maps) => {
      sizeOfMaps(subject, maps);
      return { dtype: "float32", shape: [...maps.shape.slice(0, 2), 3] };
    },
    of: (maps, points) => {
      const isVisible = greater(slice(points, { axis: 2, start: 2, end: 3 }), 0);
      // What is not visible may stand anywhere, or be no number.
      const expected = keypointHeatmaps(where(isVisible, points, 0), { size: sizeOfMaps(subject, maps), sigma });
      const difference = sub(maps, expected);
      const losses = reduceMean(mul(difference, difference), { axes: [2, 3] });
      const weights = reshape(where(isVisible, 1, 0, maps.dtype), [0, -1]);
      const count = reduceSum(weights);
      return div(reduceSum(mul(losses, weights)), where(equal(count, 0), 1, count));
    },
  };
}

/**
 * The mean of x and y under the softmax of beta times each map: [batch, points, height, width] to [batch, points, 2]. It is
 * differentiable, so that coordinates can be trained for directly. X. Sun et al., "Integral human pose regression", ECCV 2018.
 *
 * @example
 * import { conv2d, sequential, softArgmax } from "striate";
 *
 * const network = sequential({ maps: conv2d({ channels: 17, kernel: 1 }), points: softArgmax({ beta: 10 }) });
 */
export function softArgmax({ beta = 1 }: { readonly beta?: number } = {}): Layer {
  positive("softArgmax", "beta", beta);
  return (maps) => {
    const [height, width] = sizeOfMaps("softArgmax", maps);
    const shares = softmax(mul(reshape(maps, [0, 0, -1]), beta));
    const places = Array.from({ length: height * width }, (_, place) => [place % width, Math.floor(place / width)]);
    return matmul(shares, constant(tensor(places.flat(), [height * width, 2], maps.dtype)));
  };
}

/**
 * Where each map peaks: [batch, points, height, width] to [batch, points, 3] of x, y and the peak's height. Between the
 * elements the peak is that of the parabola through the logarithms of the largest and its neighbours, which is exact for a
 * Gaussian; at a border, or where the largest is not above 0, it is the element. After F. Zhang et al.,
 * "Distribution-aware coordinate representation for human pose estimation", CVPR 2020.
 *
 * @example
 * import { readKeypoints, tensor } from "striate";
 *
 * const maps = tensor([0, 0, 0, 0, 0.5, 1, 0.25, 0, 0, 0, 0, 0], [1, 1, 3, 4]);
 * const [x, y, height] = readKeypoints(maps).toArray();
 * console.assert(x! < 1 && x! > 0.5 && y === 1 && height === 1);
 */
export function readKeypoints(maps: Tensor): Tensor {
  const [height, width] = sizeOfMaps("readKeypoints", maps);
  const [batch, points] = maps.shape as readonly [number, number];
  const found = new Float32Array(batch * points * 3);
  for (let map = 0; map < batch * points; map++) {
    const values = maps.numbers.subarray(map * height * width, (map + 1) * height * width);
    let best = 0;
    for (let place = 1; place < values.length; place++) if (values[place]! > values[best]!) best = place;
    const [x, y] = [best % width, Math.floor(best / width)];
    const along = (place: number, length: number, step: number): number =>
      place === 0 || place === length - 1 ? 0 : summit(values[best - step]!, values[best]!, values[best + step]!);
    found.set([x + along(x, width, 1), y + along(y, height, width), values[best]!], 3 * map);
  }
  return new Tensor("float32", [batch, points, 3], found);
}

/** How far from the middle one of three the peak of the parabola through their logarithms is. */
function summit(before: number, middle: number, after: number): number {
  if (!(middle > 0)) return 0;
  const [left, right] = [before, after].map((value) => Math.log(Math.max(value / middle, 1e-10)));
  return left! + right! === 0 ? 0 : (0.5 * (left! - right!)) / (left! + right!);
}
