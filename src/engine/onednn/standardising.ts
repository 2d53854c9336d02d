/** Normalisations of each sample by itself: by the library's layer and batch normalisation, a few samples one at a time, or our own. */
import type { Value } from "../../graph/value.ts";
import { BatchNormalization } from "../../ops/batch-normalisation.ts";
import { LpNormalization, LRN, reach } from "../../ops/local-normalisation.ts";
import { GroupNormalization, InstanceNormalization, LayerNormalization } from "../../ops/normalisation.ts";
import { normaliseAxis, type Shape, sizeOf } from "../../tensor/shape.ts";
import { zeros } from "../../tensor/tensor.ts";
import { argument } from "./dnnl.ts";
import { type Cell, formOf } from "./memory.ts";
import { between, blocksAlong, type View } from "./moving.ts";
import { isFloat32, type Plan, type Rule, type Rules } from "./plan.ts";
import type { Step } from "./step.ts";

const views = (cells: readonly Cell[], memory: Parameters<Step["make"]>[0]): View[] =>
  cells.map((cell) => memory.view(cell) as View);

/** One sample of maps, or one row of a matrix. */
function sample(cell: Cell, index: number): Cell {
  const shape = cell.shape.with(0, 1);
  return { ...cell, shape, start: (cell.start ?? 0) + 4 * index * sizeOf(shape) };
}

/** Batch normalisation of each sample by itself: by statistics [batch, channels] that it writes or that are given. */
function bySample(
  plan: Plan,
  cells: Readonly<Record<"source" | "result" | "scale" | "shift" | "mean" | "variance", Cell>>,
  epsilon: number,
  given: boolean,
): void {
  const { source, result, scale, shift, mean, variance } = cells;
  const primitive = plan.dnnl.normalisation({ source: formOf(sample(source, 0)), epsilon, relu: false, given });
  for (let index = 0; index < source.shape[0]!; index++) {
    const one = sample(source, index);
    const vector = (cell: Cell): Cell => ({ ...sample(cell, index), shape: [source.shape[1]!] });
    plan.run(primitive, [
      [argument.source, one],
      [argument.scale, scale],
      [argument.shift, shift],
      [argument.mean, vector(mean)],
      [argument.variance, vector(variance)],
      [argument.result, sample(result, index)],
    ]);
  }
}

/** Statistics of each map become those of its group of channels. */
function group(plan: Plan, mean: Cell, variance: Cell, groups: number): void {
  const [batch, channels] = mean.shape as [number, number];
  const size = channels / groups;
  const run: Step["make"] = (memory) => {
    const [ofMean, ofVariance] = views([mean, variance], memory) as [View, View];
    return () => {
      const [means, variances] = [ofMean(), ofVariance()];
      for (let first = 0; first < batch * channels; first += size) {
        let [sum, squares] = [0, 0];
        for (let index = first; index < first + size; index++) sum += means[index]!;
        for (let index = first; index < first + size; index++)
          squares += variances[index]! + (means[index]! - sum / size) ** 2;
        means.fill(sum / size, first, first + size);
        variances.fill(squares / size, first, first + size);
      }
    };
  };
  plan.step([mean, variance], run);
}

/** More samples than this are normalised in one loop of ours, not each with a step and memories of the library's. */
const mostSamples = 64;

/** Each group of channels of each sample by its own statistics. */
function inLoop(
  plan: Plan,
  [source, scale, shift, result]: readonly [Cell, Cell, Cell, Cell],
  epsilon: number,
  groups: number,
): void {
  const [batch, channels, ...spatial] = source.shape as [number, number, ...number[]];
  const [map, size] = [sizeOf(spatial), channels / groups];
  const [groupOf, share] = [
    Int32Array.from({ length: channels }, (_, channel) => Math.floor(channel / size)),
    1 / (map * size),
  ];
  const run: Step["make"] = (memory) => {
    const [from, factors, terms, to] = views([source, scale, shift, result], memory) as [View, View, View, View];
    const [means, inverses] = [new Float64Array(groups), new Float64Array(groups)];
    return () => {
      const [data, factor, term, into] = [from(), factors(), terms(), to()];
      for (let start = 0; start < batch * map * channels; start += map * channels) {
        const end = start + map * channels;
        means.fill(0);
        inverses.fill(0);
        for (let at = start; at < end; at += channels)
          for (let channel = 0; channel < channels; channel++) means[groupOf[channel]!]! += data[at + channel]! * share;
        for (let at = start; at < end; at += channels)
          for (let channel = 0; channel < channels; channel++) {
            const group = groupOf[channel]!;
            inverses[group]! += (data[at + channel]! - means[group]!) ** 2 * share;
          }
        for (let group = 0; group < groups; group++) inverses[group] = 1 / Math.sqrt(inverses[group]! + epsilon);
        for (let at = start; at < end; at += channels)
          for (let channel = 0; channel < channels; channel++) {
            const group = groupOf[channel]!;
            const centred = (data[at + channel]! - means[group]!) * inverses[group]!;
            into[at + channel] = centred * factor[channel]! + term[channel]!;
          }
      }
    };
  };
  plan.step([source, scale, shift, result], run, { writes: [result], over: [source] });
}

const byGroup =
  (groupsOf: (channels: number, attributes: { num_groups: number }) => number): Rule =>
  (node, plan) => {
    if (!isFloat32(...node.inputs) || node.inputs[0]!.shape.length > 5) return false;
    const [x, scales, shifts] = node.inputs as [Value, Value, Value];
    const epsilon = node.attributes.epsilon as number;
    const source = plan.ordered(x, "channelsLast");
    const [batch, channels] = source.shape as [number, number];
    const [scale, shift] = [plan.ordered(scales, "plain"), plan.ordered(shifts, "plain")];
    const result = plan.output(node, 0, "channelsLast");
    const groups = groupsOf(channels, node.attributes as { num_groups: number });
    if (batch > mostSamples) {
      inLoop(plan, [source, scale, shift, result], epsilon, groups);
      return true;
    }
    const [mean, variance] = [0, 1].map(() => between(plan, scale, [batch, channels])) as [Cell, Cell];
    const cells = { source, result, scale, shift, mean, variance };
    bySample(plan, cells, epsilon, false);
    if (groups === channels) return true;
    group(plan, mean, variance, groups);
    bySample(plan, cells, epsilon, true);
    return true;
  };

/** Over rows, where each has as many numbers as there are scales. */
const byLayer: Rule = (node, plan) => {
  const [x, scales, shifts] = node.inputs as [Value, Value, Value?];
  if (!isFloat32(x, scales, shifts)) return false;
  const from = normaliseAxis(node.attributes.axis as number, x.shape.length, node.op.name);
  const row = sizeOf(x.shape.slice(from) as Shape);
  if ([scales, shifts].some((vector) => vector && sizeOf(vector.shape as Shape) !== row)) return false;
  const epsilon = node.attributes.epsilon as number;
  const source = plan.ordered(x, "plain");
  const rows = sizeOf(source.shape) / row;
  const shaped = (cell: Cell, shape: Shape): Cell => ({ ...cell, shape, order: "plain" });
  const vector = (cell: Cell) => shaped(cell, [row]);
  const [mean, inverse] = [1, 2].map((index) => shaped(plan.output(node, index, "plain"), [rows])) as [Cell, Cell];
  const matrix = shaped(source, [rows, row]);
  const primitive = plan.dnnl.layerNormalisation(formOf(matrix), formOf(mean), epsilon);
  plan.run(primitive, [
    [argument.source, matrix],
    [argument.scale, vector(plan.ordered(scales, "plain"))],
    [argument.shift, vector(shifts ? plan.ordered(shifts, "plain") : plan.constant(zeros([row])))],
    [argument.mean, mean],
    [argument.variance, inverse],
    [argument.result, shaped(plan.output(node, 0, "plain"), [rows, row])],
  ]);
  if (!plan.isUsed(node.outputs[2])) return true;
  const run: Step["make"] = (memory) => {
    const [view] = views([inverse], memory) as [View];
    return () => {
      const data = view();
      for (let index = 0; index < data.length; index++) data[index] = 1 / Math.sqrt(data[index]! + epsilon);
    };
  };
  plan.step([inverse], run);
  return true;
};

/** By the batch's own statistics, which become part of the running ones as ONNX has it. */
const byBatch: Rule = (node, plan) => {
  const [x, scale, shift, ...running] = node.inputs as [Value, Value, Value, Value, Value];
  if (!isFloat32(...node.inputs) || x.shape.length > 5 || node.attributes.training_mode !== 1) return false;
  const { epsilon, momentum } = node.attributes as { epsilon: number; momentum: number };
  const source = plan.ordered(x, x.shape.length > 2 ? "channelsLast" : "plain");
  const [scales, shifts, ...before] = [scale, shift, ...running].map((value) => plan.ordered(value, "plain")) as Cell[];
  const after = [1, 2].map((index) => plan.output(node, index, "plain")) as [Cell, Cell];
  plan.run(plan.dnnl.normalisation({ source: formOf(source), epsilon, relu: false }), [
    [argument.source, source],
    [argument.scale, scales!],
    [argument.shift, shifts!],
    [argument.mean, after[0]],
    [argument.variance, after[1]],
    [argument.result, plan.output(node, 0, source.order)],
  ]);
  after.forEach((cell, index) => {
    const run: Step["make"] = (memory) => {
      const [old, now] = views([before[index]!, cell], memory) as [View, View];
      return () => {
        const [was, is] = [old(), now()];
        for (let channel = 0; channel < is.length; channel++)
          is[channel] = momentum * was[channel]! + (1 - momentum) * is[channel]!;
      };
    };
    plan.step([before[index]!, cell], run, { writes: [cell] });
  });
  return true;
};

/** By neighbours among the channels; the library's window is odd, and the same before and after. */
const byResponse: Rule = (node, plan) => {
  const [x] = node.inputs as [Value];
  const { size, alpha, beta, bias } = node.attributes as Record<"size" | "alpha" | "beta" | "bias", number>;
  if (!isFloat32(x)) return false;
  const source = plan.ordered(x, x.shape.length > 2 ? "channelsLast" : "plain");
  const result = plan.output(node, 0, source.order);
  const channels = source.shape[1]!;
  if (size % 2 === 1 && x.shape.length === 4) {
    plan.run(plan.dnnl.responseNormalisation(formOf(source), size, alpha, beta, bias), [
      [argument.source, source],
      [argument.result, result],
    ]);
    return true;
  }
  const [before, after] = reach(size);
  const run: Step["make"] = (memory) => {
    const [from, to] = views([source, result], memory) as [View, View];
    return () => {
      const [data, into] = [from(), to()];
      for (let start = 0; start < data.length; start += channels)
        for (let channel = 0; channel < channels; channel++) {
          let squares = 0;
          const end = Math.min(channels - 1, channel + after);
          for (let other = Math.max(0, channel - before); other <= end; other++) squares += data[start + other]! ** 2;
          into[start + channel] = data[start + channel]! / (bias + (alpha / size) * squares) ** beta;
        }
    };
  };
  plan.step([source, result], run, { writes: [result] });
  return true;
};

/** By a norm along an axis, in whichever order the elements lie. */
const byNorm: Rule = (node, plan) => {
  const [x] = node.inputs as [Value];
  if (!isFloat32(x)) return false;
  const source = plan.cell(x);
  const result = plan.output(node, 0, source.order);
  const axis = normaliseAxis(node.attributes.axis as number, x.shape.length, node.op.name);
  const { outer, inner } = blocksAlong(source, axis);
  const length = source.shape[axis]!;
  const isSquare = node.attributes.p === 2;
  const run: Step["make"] = (memory) => {
    const [from, to] = views([source, result], memory) as [View, View];
    const norms = new Float64Array(inner);
    return () => {
      const [data, into] = [from(), to()];
      for (let block = 0; block < outer; block++) {
        const start = block * length * inner;
        norms.fill(0);
        for (let index = 0, at = start; index < length; index++)
          for (let place = 0; place < inner; place++, at++)
            norms[place]! += isSquare ? data[at]! * data[at]! : Math.abs(data[at]!);
        for (let place = 0; place < inner; place++)
          norms[place] = 1 / ((isSquare ? Math.sqrt(norms[place]!) : norms[place]!) || 1);
        for (let index = 0, at = start; index < length; index++)
          for (let place = 0; place < inner; place++, at++) into[at] = data[at]! * norms[place]!;
      }
    };
  };
  plan.step([source, result], run, { writes: [result], over: [source] });
  return true;
};

export const standardisingRules: Rules = [
  [InstanceNormalization, byGroup((channels) => channels)],
  [GroupNormalization, byGroup((_, { num_groups }) => num_groups)],
  [LayerNormalization, byLayer],
  [BatchNormalization, byBatch],
  [LRN, byResponse],
  [LpNormalization, byNorm],
];
