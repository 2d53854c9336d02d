/** Which primitives compute which operators: docs/engine.md says what was measured. */
import { activationRules } from "./activations.ts";
import { arrangementRules } from "./arrangement.ts";
import { convolutionRules } from "./convolution.ts";
import { deconvolutionRules } from "./deconvolution.ts";
import { elementwiseRules } from "./elementwise.ts";
import { foldRules } from "./folds.ts";
import { functionRules, leavingRules } from "./functions.ts";
import { indexRules } from "./indices.ts";
import { joiningRules } from "./joining.ts";
import { normalisationRules } from "./normalisation.ts";
import { byRule, type Rule, type Rules } from "./plan.ts";
import { poolingRules } from "./pooling.ts";
import { productRules } from "./products.ts";
import { reductionRules } from "./reductions.ts";
import { resamplingRules } from "./resampling.ts";
import { standardisingRules } from "./standardising.ts";
import { windowRules } from "./windows.ts";

const all: Rules = [
  ...leavingRules,
  ...activationRules,
  ...arrangementRules,
  ...convolutionRules,
  ...deconvolutionRules,
  ...elementwiseRules,
  ...joiningRules,
  ...normalisationRules,
  ...poolingRules,
  ...productRules,
  ...reductionRules,
  ...resamplingRules,
  ...functionRules,
  ...foldRules,
  ...indexRules,
  ...standardisingRules,
  ...windowRules,
];

/**
 * A rule that does not apply gives false: the next one for the operator is asked, once the first was in float32 too, and at
 * last its own loops compute the node.
 */
export const rules: ReadonlyMap<object, Rule> = all.reduce((known, [op, rule]) => {
  const earlier = known.get(op);
  const either: Rule = (node, plan) =>
    byRule(earlier, node, plan) || (plan.precision === "float32" && rule(node, plan));
  return known.set(op, earlier ? either : rule);
}, new Map<object, Rule>());
