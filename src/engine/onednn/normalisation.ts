/** Batch normalisation, by given statistics and by the batch's own. */
import { producerOf, type Value } from "../../graph/value.ts";
import {
  BatchNormalization,
  BatchNormalizationGradient,
  BatchNormalizationTraining,
} from "../../ops/batch-normalisation.ts";
import { ReluGradient } from "../../ops/core/elementwise.ts";
import { argument } from "./dnnl.ts";
import { reluGradient } from "./elementwise.ts";
import { grownImages, imagesOf } from "./growing.ts";
import { type Cell, formOf } from "./memory.ts";
import { isFloat32, type Plan, type Rule, type Rules } from "./plan.ts";
import type { Stored } from "./precision.ts";
import { statistics } from "./statistics.ts";

/** Maps channels-last; rows of features as they are. */
const arranged = (plan: Plan, x: Value, precision: Stored): Cell =>
  plan.ordered(x, x.shape.length > 2 ? plan.orderOf(x.shape, precision) : "plain", precision);
const vectors = (plan: Plan, values: readonly Value[]): Cell[] => values.map((value) => plan.ordered(value, "plain"));
const fits = (values: readonly (Value | undefined)[]): boolean =>
  isFloat32(...values) && values[0]!.shape.length >= 2 && values[0]!.shape.length <= 5;

const byGiven: Rule = (node, plan) => {
  if (!fits(node.inputs) || node.attributes.training_mode === 1) return false;
  const [x, ...rest] = node.inputs as Value[];
  const parts = grownImages(plan, x!);
  const sources = parts ?? [arranged(plan, x!, plan.precision)];
  const [{ order, precision }] = sources as [Cell];
  const result = plan.output(node, 0, order, precision);
  const results = parts ? imagesOf(result) : [result];
  const [scale, shift, mean, variance] = vectors(plan, rest) as [Cell, Cell, Cell, Cell];
  const primitive = plan.dnnl.normalisation({
    source: formOf(sources[0]!),
    epsilon: node.attributes.epsilon as number,
    relu: plan.isFollowed(node),
    given: true,
  });
  sources.forEach((source, index) => {
    plan.run(
      primitive,
      [
        [argument.source, source],
        [argument.scale, scale],
        [argument.shift, shift],
        [argument.mean, mean],
        [argument.variance, variance],
        [argument.result, results[index]!],
      ],
      parts ? {} : { over: [argument.source] },
    );
  });
  return true;
};

const byBatch: Rule = (node, plan) => {
  if (!fits(node.inputs)) return false;
  const [x, ...rest] = node.inputs as Value[];
  const source = arranged(plan, x!, plan.precision);
  const [scale, shift] = vectors(plan, rest) as [Cell, Cell];
  const result = plan.output(node, 0, source.order, source.precision);
  const [mean, variance] = [1, 2].map((index) => plan.output(node, index, "plain")) as [Cell, Cell];
  const primitive = plan.dnnl.normalisation({
    source: formOf(source),
    epsilon: node.attributes.epsilon as number,
    relu: plan.isFollowed(node),
    given: statistics(plan, source, result, mean, variance),
    forGradient: true,
  });
  const workspace = primitive.workspace && plan.temporary(primitive.workspace);
  if (workspace) plan.workspaces.set(x!, { cell: workspace, node, precision: plan.precision });
  plan.run(primitive, [
    ...(workspace ? [[argument.workspace, workspace] as const] : []),
    [argument.source, source],
    [argument.scale, scale],
    [argument.shift, shift],
    [argument.mean, mean],
    [argument.variance, variance],
    [argument.result, result],
  ]);
  return true;
};

/** Where batch normalisation and ReLU were one pass, so are their gradients. */
const ofRelu: Rule = (node, plan) => {
  const [next, ...others] = plan.consumers(node.outputs[0]!);
  const forward = next && others.length === 0 && plan.workspaces.get(next.inputs[0]!);
  const isPair = next?.op.name === BatchNormalizationGradient.name && !plan.isResult(node.outputs[0]!);
  const relu = producerOf(node.inputs[0]!);
  if (!isPair || !forward || relu?.inputs[0] !== forward.node.outputs[0]) return reluGradient(node, plan);
  return true;
};

const gradient: Rule = (node, plan) => {
  if (!fits(node.inputs)) return false;
  const [x, scale, mean, variance, given] = node.inputs as [Value, Value, Value, Value, Value];
  const relu = !plan.isKnown(given);
  const g = relu ? producerOf(given)!.inputs[1]! : given;
  const forward = relu ? plan.workspaces.get(x)! : undefined;
  const { cell: workspace, precision } = forward ?? { cell: undefined, precision: plan.precision };
  const source = arranged(plan, x, precision);
  const ofResult = plan.ordered(g, source.order, precision);
  const [scales, means, variances] = vectors(plan, [scale, mean, variance]) as [Cell, Cell, Cell];
  const primitive = plan.dnnl.normalisationGradient({
    source: formOf(source),
    epsilon: node.attributes.epsilon as number,
    relu,
  });
  plan.run(
    primitive,
    [
      ...(workspace ? [[argument.workspace, workspace] as const] : []),
      [argument.source, source],
      [argument.scale, scales],
      ...(plan.dnnl.asksForShift ? [[argument.shift, scales] as const] : []),
      [argument.mean, means],
      [argument.variance, variances],
      [argument.resultGradient, ofResult],
      [argument.sourceGradient, plan.output(node, 0, source.order, precision)],
      [argument.scaleGradient, plan.output(node, 1, "plain")],
      [argument.shiftGradient, plan.output(node, 2, "plain")],
    ],
    { over: [argument.resultGradient] },
  );
  return true;
};

export const normalisationRules: Rules = [
  [BatchNormalization, byGiven],
  [BatchNormalizationTraining, byBatch],
  [BatchNormalizationGradient, gradient],
  [ReluGradient, ofRelu],
];
