/**
 * The mean and the variance of each channel of a batch from those of pieces of it: the library adds up a channel in single precision,
 * which loses the more digits the longer the channel is.
 */
import { sizeOf } from "../../tensor/shape.ts";
import { argument } from "./dnnl.ts";
import { blockLength, bytesOf, type Cell, formOf } from "./memory.ts";
import type { View } from "./moving.ts";
import type { Plan } from "./plan.ts";
import type { Step } from "./step.ts";

/** Channels of no more numbers than this are left to the library. */
const short = 64;

/** The divisor of a length that is nearest to a number, by their quotient. */
function divisorNear(length: number, wanted: number): number {
  let nearest = 1;
  const distance = (divisor: number) => Math.abs(Math.log(divisor / wanted));
  for (let divisor = 2; divisor <= length; divisor++)
    if (length % divisor === 0 && distance(divisor) < distance(nearest)) nearest = divisor;
  return nearest;
}

/**
 * Lays out the steps that write the mean and the biased variance of each channel; false where the library's own are as good. Its
 * statistics come with normalised maps, which are written where the real ones will be.
 */
export function statistics(plan: Plan, source: Cell, result: Cell, mean: Cell, variance: Cell): boolean {
  const [batch, channels, ...spatial] = source.shape as [number, number, ...number[]];
  const map = sizeOf(spatial);
  if (batch * map <= short) return false;
  const inBlocks = source.order === "blocked";
  // As many pieces as numbers in each: what either loses grows with the root of its length.
  const length = divisorNear(inBlocks ? map : batch * map, Math.sqrt(batch * map));
  // The pieces of a block follow one another, as do blocks and images; those of other orders are interlaced. Both are channels to the library.
  const width = inBlocks ? blockLength : channels;
  const groups = inBlocks ? Math.ceil(channels / blockLength) : 1;
  const pieces = inBlocks ? map / length : (batch * map) / length;
  const count = (batch * map) / length;
  const vector = count * groups * width;
  const [means, variances] = [0, 1].map(
    (): Cell => ({ ...mean, shape: [vector], region: plan.region(bytesOf("float32", [vector])) }),
  ) as [Cell, Cell];
  const order = inBlocks ? "blocked" : "channelsLast";
  const [from, to] = [source, result].map((cell): Cell => ({ ...cell, order, shape: [1, vector, length, 1] }));
  plan.run(plan.dnnl.normalisation({ source: formOf(from!), epsilon: 1, relu: false, scaled: false }), [
    [argument.source, from!],
    [argument.mean, means],
    [argument.variance, variances],
    [argument.result, to!],
  ]);
  const run: Step["make"] = (memory) => {
    const [ofMeans, ofVariances, toMean, toVariance] = [means, variances, mean, variance].map(
      (cell) => memory.view(cell) as View,
    ) as [View, View, View, View];
    const [sums, squares] = [new Float64Array(groups * width), new Float64Array(groups * width)];
    return () => {
      const [some, deviations, whole, deviation] = [ofMeans(), ofVariances(), toMean(), toVariance()];
      sums.fill(0);
      squares.fill(0);
      for (let at = 0; at < vector; )
        for (let first = 0; first < groups * width; first += width)
          for (let piece = 0; piece < pieces; piece++)
            for (let channel = first; channel < first + width; channel++, at++) {
              const one = some[at]!;
              sums[channel]! += one;
              squares[channel]! += deviations[at]! + one * one;
            }
      for (let channel = 0; channel < channels; channel++) {
        const middle = sums[channel]! / count;
        whole[channel] = middle;
        deviation[channel] = Math.max(0, squares[channel]! / count - middle * middle);
      }
    };
  };
  plan.step([means, variances, mean, variance], run, { writes: [mean, variance] });
  return true;
}
