/** Pooling that the library does not do as ONNX does: loops of our own over windows of maps that lie channels-last. */
import type { Node, Value } from "../../graph/value.ts";
import {
  AveragePool,
  type AveragePoolAttributes,
  AveragePoolGradient,
  divisors,
  MaxPool,
  MaxPoolGradient,
  MaxPoolSelect,
  poolAxes,
} from "../../ops/pool.ts";
import { StochasticPool } from "../../ops/stochastic-pool.ts";
import { tapsOf } from "../../ops/window.ts";
import { type Shape, sizeOf } from "../../tensor/shape.ts";
import { bytesOf, type Cell, isCountable, type Memory } from "./memory.ts";
import type { View } from "./moving.ts";
import { isFloat32, type Plan, type Rule, type Rules } from "./plan.ts";
import type { Step } from "./step.ts";

/** The windows of a node over maps of a shape: for each position the first and the last of its `taps`, places in a map. */
function windowsOf({ attributes }: Node, shape: Shape) {
  const axes = poolAxes(shape, { auto_pad: "NOTSET", ...attributes } as unknown as AveragePoolAttributes);
  const { starts, input: taps } = tapsOf(axes);
  return {
    starts,
    taps,
    batch: shape[0]!,
    channels: shape[1]!,
    map: sizeOf(shape.slice(2)),
    positions: starts.length - 1,
    counts: divisors(axes, attributes.count_include_pad === 1),
  };
}

const views = (memory: Memory, cells: readonly Cell[]): View[] => cells.map((cell) => memory.view(cell) as View);

/** For each window, where in memory its largest element is: of equal ones, the first. */
function largest(node: Node, plan: Plan, x: Cell, pooled: Shape): Cell {
  const { starts, taps, batch, channels, map, positions } = windowsOf(node, x.shape);
  const at: Cell = { dtype: "int32", shape: pooled, order: x.order, region: plan.region(bytesOf("int32", pooled)) };
  const run: Step["make"] = (memory) => {
    const [from, to] = [memory.view(x) as View, memory.view(at) as unknown as () => Int32Array];
    return () => {
      const [data, into] = [from(), to()];
      for (let image = 0, out = 0; image < batch; image++)
        for (let position = 0; position < positions; position++, out += channels) {
          const [first, end] = [starts[position]!, starts[position + 1]!];
          const start = (image * map + taps[first]!) * channels;
          for (let channel = 0; channel < channels; channel++) into[out + channel] = start + channel;
          for (let tap = first + 1; tap < end; tap++) {
            const other = (image * map + taps[tap]!) * channels;
            for (let channel = 0; channel < channels; channel++)
              if (data[other + channel]! > data[into[out + channel]!]!) into[out + channel] = other + channel;
          }
        }
    };
  };
  plan.step([x, at], run, { writes: [at] });
  return at;
}

/** The places of the largest elements: those that the pooling of the same input found, if it did. */
function places(node: Node, plan: Plan, x: Value, source: Cell, pooled: Shape): Cell {
  const isAlike = (other: Node) => JSON.stringify(other.attributes) === JSON.stringify(node.attributes);
  const pair = plan.consumers(x).find((other) => other.op === (MaxPool as object) && isAlike(other));
  const known = pair && plan.workspaces.get(pair.outputs[1]!);
  return known?.cell ?? largest(node, plan, source, pooled);
}

/** result[i] = values[at[i]] */
function choose(plan: Plan, values: Cell, at: Cell, result: Cell): void {
  const run: Step["make"] = (memory) => {
    const [from, where, to] = views(memory, [values, at, result]) as [View, View, View];
    return () => {
      const [data, place, into] = [from(), where(), to()];
      for (let index = 0; index < into.length; index++) into[index] = data[place[index]!]!;
    };
  };
  plan.step([values, at, result], run, { writes: [result] });
}

/** Places in memory as ONNX counts them, row-major, in 64 bits. */
function count(plan: Plan, at: Cell, [batch, channels, ...spatial]: Shape, result: Cell): void {
  const [map, positions] = [sizeOf(spatial), sizeOf(at.shape.slice(2))];
  const words: Cell = { ...result, dtype: "int32", shape: [2 * sizeOf(at.shape)] };
  const run: Step["make"] = (memory) => {
    const [where, to] = views(memory, [at, words]) as [View, View];
    return () => {
      const [place, into] = [where(), to()];
      let word = 0;
      for (let image = 0; image < batch!; image++)
        for (let channel = 0; channel < channels!; channel++)
          for (let position = 0; position < positions; position++) {
            const found = place[(image * positions + position) * channels! + channel]!;
            into[word++] = (image * channels! + channel) * map + (found - channel) / channels! - image * map;
            into[word++] = 0;
          }
    };
  };
  plan.step([at, result], run, { writes: [result] });
}

const maximum: Rule = (node, plan) => {
  const [x] = node.inputs as [Value];
  const [y, indices] = node.outputs as [Value, Value];
  if (!isFloat32(x, y) || !isCountable(x.shape) || node.attributes.storage_order === 1) return false;
  const source = plan.ordered(x, "channelsLast");
  const at = largest(node, plan, source, y.shape as Shape);
  plan.workspaces.set(indices, { cell: at, node, precision: "float32" });
  choose(plan, source, at, plan.output(node, 0, "channelsLast"));
  if (plan.isUsed(indices)) count(plan, at, source.shape, plan.output(node, 1, "plain"));
  return true;
};

const maximumGradient: Rule = (node, plan) => {
  const [x, g] = node.inputs as [Value, Value];
  if (!isFloat32(x, g) || !isCountable(x.shape)) return false;
  const [source, gradient] = [plan.ordered(x, "channelsLast"), plan.ordered(g, "channelsLast")];
  const at = places(node, plan, x, source, g.shape as Shape);
  const result = plan.output(node, 0, "channelsLast");
  const run: Step["make"] = (memory) => {
    const [from, where, to] = views(memory, [gradient, at, result]) as [View, View, View];
    return () => {
      const [data, place, into] = [from(), where(), to()];
      into.fill(0);
      for (let index = 0; index < data.length; index++) into[place[index]!]! += data[index]!;
    };
  };
  plan.step([gradient, at, result], run, { writes: [result] });
  return true;
};

const select: Rule = (node, plan) => {
  const [x, values] = node.inputs as [Value, Value];
  if (!isFloat32(x, values, node.outputs[0]) || !isCountable(x.shape)) return false;
  const [source, taken] = [plan.ordered(x, "channelsLast"), plan.ordered(values, "channelsLast")];
  const at = places(node, plan, x, source, node.outputs[0]!.shape as Shape);
  choose(plan, taken, at, plan.output(node, 0, "channelsLast"));
  return true;
};

const average: Rule = (node, plan) => {
  const [x] = node.inputs as [Value];
  if (!isFloat32(x, node.outputs[0])) return false;
  const source = plan.ordered(x, "channelsLast");
  const { starts, taps, batch, channels, map, positions, counts } = windowsOf(node, source.shape);
  const result = plan.output(node, 0, "channelsLast");
  const run: Step["make"] = (memory) => {
    const [from, to] = views(memory, [source, result]) as [View, View];
    const sums = new Float64Array(channels);
    return () => {
      const [data, into] = [from(), to()];
      for (let image = 0, out = 0; image < batch; image++)
        for (let position = 0; position < positions; position++) {
          sums.fill(0);
          for (let tap = starts[position]!; tap < starts[position + 1]!; tap++) {
            const start = (image * map + taps[tap]!) * channels;
            for (let channel = 0; channel < channels; channel++) sums[channel]! += data[start + channel]!;
          }
          for (let channel = 0; channel < channels; channel++) into[out++] = sums[channel]! / counts[position]!;
        }
    };
  };
  plan.step([source, result], run, { writes: [result] });
  return true;
};

const averageGradient: Rule = (node, plan) => {
  const [g] = node.inputs as [Value];
  if (!isFloat32(g, node.outputs[0])) return false;
  const gradient = plan.ordered(g, "channelsLast");
  const result = plan.output(node, 0, "channelsLast");
  const { starts, taps, batch, channels, map, positions, counts } = windowsOf(node, result.shape);
  const run: Step["make"] = (memory) => {
    const [from, to] = views(memory, [gradient, result]) as [View, View];
    return () => {
      const [data, into] = [from(), to()];
      into.fill(0);
      for (let image = 0, out = 0; image < batch; image++)
        for (let position = 0; position < positions; position++, out += channels)
          for (let tap = starts[position]!; tap < starts[position + 1]!; tap++) {
            const start = (image * map + taps[tap]!) * channels;
            for (let channel = 0; channel < channels; channel++)
              into[start + channel]! += data[out + channel]! / counts[position]!;
          }
    };
  };
  plan.step([gradient, result], run, { writes: [result] });
  return true;
};

/** sum a^2 / sum a over the elements a of each window that are above 0. */
const stochastic: Rule = (node, plan) => {
  const [x] = node.inputs as [Value];
  if (!isFloat32(x, node.outputs[0])) return false;
  const source = plan.ordered(x, "channelsLast");
  const { starts, taps, batch, channels, map, positions } = windowsOf(node, source.shape);
  const result = plan.output(node, 0, "channelsLast");
  const run: Step["make"] = (memory) => {
    const [from, to] = views(memory, [source, result]) as [View, View];
    const [sums, squares] = [new Float64Array(channels), new Float64Array(channels)];
    return () => {
      const [data, into] = [from(), to()];
      for (let image = 0, out = 0; image < batch; image++)
        for (let position = 0; position < positions; position++) {
          sums.fill(0);
          squares.fill(0);
          for (let tap = starts[position]!; tap < starts[position + 1]!; tap++) {
            const start = (image * map + taps[tap]!) * channels;
            for (let channel = 0; channel < channels; channel++) {
              const element = Math.max(0, data[start + channel]!);
              sums[channel]! += element;
              squares[channel]! += element * element;
            }
          }
          for (let channel = 0; channel < channels; channel++) into[out++] = squares[channel]! / (sums[channel]! || 1);
        }
    };
  };
  plan.step([source, result], run, { writes: [result] });
  return true;
};

export const windowRules: Rules = [
  [MaxPool, maximum],
  [MaxPoolGradient, maximumGradient],
  [MaxPoolSelect, select],
  [AveragePool, average],
  [AveragePoolGradient, averageGradient],
  [StochasticPool, stochastic],
];
