/** Which primitives compute which operators: docs/engine.md says what was measured. */
import { arrangementRules } from "./arrangement.ts";
import { convolutionRules } from "./convolution.ts";
import { elementwiseRules } from "./elementwise.ts";
import { normalisationRules } from "./normalisation.ts";
import type { Rule } from "./plan.ts";
import { poolingRules } from "./pooling.ts";
import { productRules } from "./products.ts";

/** A rule that does not apply gives false: the operator's own loops compute the node. */
export const rules: ReadonlyMap<object, Rule> = new Map([
  ...arrangementRules,
  ...convolutionRules,
  ...elementwiseRules,
  ...normalisationRules,
  ...poolingRules,
  ...productRules,
]);
