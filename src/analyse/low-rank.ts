/** Filters replaced by the best sums of separable ones. Chapter, section 1.1.4. */
import { Matrix as Numbers, SingularValueDecomposition } from "ml-matrix";
import { StriateError } from "../errors.ts";
import { nodesOf, variablesOf } from "../graph/graph.ts";
import { attributesOf } from "../graph/op.ts";
import { rewrite } from "../graph/rewrite.ts";
import { withinScope } from "../graph/scope.ts";
import { type Node, parameterValue, type Value, type Variable } from "../graph/value.ts";
import type { Model } from "../models/model.ts";
import { Conv, conv } from "../ops/conv.ts";
import { reshape, reshapeLike, transpose } from "../ops/core/shape.ts";
import { formatShape } from "../tensor/shape.ts";
import { type Tensor, zeros } from "../tensor/tensor.ts";

export interface LowRankOptions {
  /** The weights of the convolution, by name: `conv1.weight`. */
  readonly parameter: string;
  /** How many separable filters each sum has. */
  readonly rank: number;
  /**
   * Whether all filters are sums of the same `rank` column filters, with rows of their own: two plain convolutions in a
   * row (M. Jaderberg et al., BMVC 2014). By default every filter has, for each of its channels, `rank` of both to itself.
   */
  readonly shared?: boolean;
}

export interface LowRank {
  /** The model with two convolutions, K x 1 and 1 x K, in place of the one. */
  readonly model: Model;
  /** ||w - w'|| / ||w|| (Frobenius) as the singular values left out say. */
  readonly predicted: number;
  /** The same measured: w' composed of the new weights. */
  readonly measured: number;
}

/** The sizes of a convolution's weights. */
interface Sizes {
  readonly groups: number;
  /** Of one group. */
  readonly filters: number;
  readonly channels: number;
  readonly height: number;
  readonly width: number;
}

/** Filters and channels, counted within a group, whose kernels are decomposed together as one matrix. */
interface Block {
  readonly group: number;
  readonly filters: readonly number[];
  readonly channels: readonly number[];
}

const range = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

const blocksOf = ({ groups, filters, channels }: Sizes, shared: boolean): readonly Block[] =>
  range(groups).flatMap((group): readonly Block[] =>
    shared
      ? [{ group, filters: range(filters), channels: range(channels) }]
      : range(filters).flatMap((filter) =>
          range(channels).map((channel) => ({ group, filters: [filter], channels: [channel] })),
        ),
  );

/** The place in both new weights of a block's r-th separable filters: the K x 1 of a channel, the 1 x K of a filter. */
function places({ groups, filters, channels, height, width }: Sizes, rank: number, shared: boolean) {
  if (shared)
    return {
      heightShape: [groups * rank, channels, height, 1],
      widthShape: [groups * filters, rank, 1, width],
      heightAt: (group: number, _: number, channel: number, r: number) =>
        ((group * rank + r) * channels + channel) * height,
      widthAt: (group: number, filter: number, _: number, r: number) => ((group * filters + filter) * rank + r) * width,
    };
  return {
    heightShape: [groups * channels * filters * rank, 1, height, 1],
    widthShape: [groups * filters, channels * rank, 1, width],
    heightAt: (group: number, filter: number, channel: number, r: number) =>
      (((group * channels + channel) * filters + filter) * rank + r) * height,
    widthAt: (group: number, filter: number, channel: number, r: number) =>
      (((group * filters + filter) * channels + channel) * rank + r) * width,
  };
}

/** The kernels of a block as one matrix: [channels * height, filters * width]. */
function matrixOf(weight: Tensor, sizes: Sizes, { group, filters, channels }: Block): Numbers {
  const { height, width } = sizes;
  const matrix = new Numbers(channels.length * height, filters.length * width);
  for (const [c, channel] of channels.entries())
    for (const [f, filter] of filters.entries()) {
      const start = ((group * sizes.filters + filter) * sizes.channels + channel) * height * width;
      for (let i = 0; i < height; i++)
        for (let j = 0; j < width; j++)
          matrix.set(c * height + i, f * width + j, weight.numbers[start + i * width + j]!);
    }
  return matrix;
}

/** The nearest product of two matrices with `rank` columns and rows between them, in float32, and what was left out. */
function nearest(matrix: Numbers, rank: number) {
  const { diagonal, leftSingularVectors, rightSingularVectors } = new SingularValueDecomposition(matrix, {
    autoTranspose: true,
  });
  const share = (vectors: Numbers, row: number, r: number) =>
    Math.fround(vectors.get(row, r) * Math.sqrt(diagonal[r]!));
  const columns = new Numbers(matrix.rows, rank);
  const rows = new Numbers(rank, matrix.columns);
  for (let r = 0; r < rank; r++) {
    for (let row = 0; row < matrix.rows; row++) columns.set(row, r, share(leftSingularVectors, row, r));
    for (let column = 0; column < matrix.columns; column++) rows.set(r, column, share(rightSingularVectors, column, r));
  }
  return { columns, rows, leftOut: diagonal.slice(rank).reduce((sum, value) => sum + value ** 2, 0) };
}

function factorise(weight: Tensor, sizes: Sizes, rank: number, shared: boolean) {
  const { height, width } = sizes;
  const { heightShape, widthShape, heightAt, widthAt } = places(sizes, rank, shared);
  const heightWeight = zeros(heightShape);
  const widthWeight = zeros(widthShape);
  let [whole, predicted, measured] = [0, 0, 0];
  for (const block of blocksOf(sizes, shared)) {
    const { group, filters, channels } = block;
    const matrix = matrixOf(weight, sizes, block);
    const { columns, rows, leftOut } = nearest(matrix, rank);
    whole += matrix.norm() ** 2;
    predicted += leftOut;
    measured += Numbers.sub(matrix, columns.mmul(rows)).norm() ** 2;
    for (let r = 0; r < rank; r++) {
      for (const [c, channel] of channels.entries())
        for (let i = 0; i < height; i++)
          heightWeight.numbers[heightAt(group, filters[0]!, channel, r) + i] = columns.get(c * height + i, r);
      for (const [f, filter] of filters.entries())
        for (let j = 0; j < width; j++)
          widthWeight.numbers[widthAt(group, filter, channels[0]!, r) + j] = rows.get(r, f * width + j);
    }
  }
  const relative = (squares: number) => (whole === 0 ? 0 : Math.sqrt(squares / whole));
  return { heightWeight, widthWeight, predicted: relative(predicted), measured: relative(measured) };
}

/** The convolutions whose weights are a parameter, or an error that lists the parameters that are such weights. */
function convolutionsOf(
  model: Model,
  parameter: string,
): { readonly variable: Variable; readonly nodes: readonly Node[] } {
  const all = nodesOf(model.graph);
  const uses = (variable: Value) => all.filter(({ inputs }) => inputs.includes(variable));
  const isWeights = (variable: Variable) => {
    const nodes = uses(variable);
    return (
      variable.shape.length === 4 &&
      nodes.length > 0 &&
      nodes.every(
        ({ op, inputs }) => op.name === Conv.name && op.domain === Conv.domain && inputs.indexOf(variable) === 1,
      )
    );
  };
  const variables = variablesOf(model.graph);
  const variable = variables.find(({ source }) => source.name === parameter);
  if (variable && isWeights(variable)) return { variable, nodes: uses(variable) };
  throw new StriateError({
    subject: "lowRank",
    found: variable
      ? `"${parameter}", which is not the weights of convolutions over two axes alone`
      : `no parameter "${parameter}"`,
    expected: `one of ${
      variables
        .filter(isWeights)
        .map(({ source }) => source.name)
        .join(", ") || "some: the model has none"
    }`,
  });
}

/**
 * A model in which one convolution over two axes has become two, K x 1 and 1 x K: each of its kernels the sum of `rank`
 * separable filters that is nearest to it, by its singular value decomposition w = U S V^T. Their weights are trainable
 * where the old were, and named after them: `conv1.height.weight` and `conv1.width.weight` for `conv1.weight`.
 * @throws StriateError for what are not a convolution's weights, and a rank beyond the kernels'
 *
 * @example
 * import { lenet5, lowRank, Model } from "striate";
 *
 * const model = Model.build(lenet5(), { name: "lenet5", input: [1, 32, 32], seed: 1 });
 * const { model: smaller, measured } = lowRank(model, { parameter: "c1.weight", rank: 2 });
 * console.assert(measured < 0.6 && smaller.variables.has("c1.height.weight"));
 */
export function lowRank(model: Model, { parameter, rank, shared = false }: LowRankOptions): LowRank {
  const { variable, nodes } = convolutionsOf(model, parameter);
  const weight = model.variables.get(parameter)!;
  const [all, channels, height, width] = weight.shape as [number, number, number, number];
  const groups = new Set(nodes.map((node) => attributesOf(node, Conv).group));
  const [group, ...others] = groups;
  if (others.length > 0)
    throw new StriateError({
      subject: "lowRank",
      found: `"${parameter}" used in ${[...groups].join(" and ")} groups`,
      expected: "one number of them",
    });
  const sizes = { groups: group!, filters: all / group!, channels, height, width };
  const most = shared ? Math.min(channels * height, sizes.filters * width) : Math.min(height, width);
  if (!Number.isInteger(rank) || rank < 1 || rank > most)
    throw new StriateError({
      subject: "lowRank",
      found: `rank ${rank} for kernels of ${formatShape(weight.shape)}`,
      expected: `a whole number from 1 to ${most}`,
    });
  const { heightWeight, widthWeight, ...errors } = factorise(weight, sizes, rank, shared);
  const prefix = parameter.replace(/(^|\.)weight$/, "");
  const name = (part: string) => [...(prefix === "" ? [] : [prefix]), part, "weight"].join(".");
  const { source } = variable;
  const parameterOf = (part: string, value: Tensor) =>
    parameterValue(name(part), value, source.kind === "parameter" && source.trainable);
  const weights = { height: parameterOf("height", heightWeight), width: parameterOf("width", widthWeight) };
  const { graph } = rewrite(model.graph, (node, inputs) =>
    nodes.includes(node) ? [apart(node, inputs, weights, sizes, shared)] : undefined,
  );
  const variables = new Map(model.variables);
  variables.delete(parameter);
  variables.set(name("height"), heightWeight).set(name("width"), widthWeight);
  return { model: model.with({ graph, variables }), ...errors };
}

/** Two convolutions in place of one: along the height, then along the width, where the bias is added. */
function apart(
  node: Node,
  [x, , bias]: readonly (Value | undefined)[],
  weights: { readonly height: Value; readonly width: Value },
  { groups, filters, channels }: Sizes,
  shared: boolean,
): Value {
  const { strides, dilations, pads, auto_pad } = attributesOf(node, Conv);
  const along = (axis: number) => {
    const only = (given: readonly number[] | undefined, other: number) =>
      given?.map((each, index) => (index % 2 === axis ? each : other));
    return { auto_pad, strides: only(strides, 1), dilations: only(dilations, 1), pads: only(pads, 0) };
  };
  const columns = withinScope("height", () => {
    const y = conv(x!, weights.height, undefined, { ...along(0), group: shared ? groups : groups * channels });
    if (shared || channels === 1 || filters === 1) return y;
    // From channels, each with a column for every filter, to filters, each with a column for every channel.
    const split = reshape(y, [0, groups, channels, filters, (weights.width.shape[1] as number) / channels, -1]);
    return reshapeLike(transpose(split, [0, 1, 3, 2, 4, 5]), y);
  });
  return withinScope("width", () =>
    conv(columns, weights.width, bias, { ...along(1), group: shared ? groups : groups * filters }),
  );
}
