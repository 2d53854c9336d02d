/** Every table of operator cases. */
import type { OpCase } from "../case.ts";
import { activationCases } from "./activation.ts";
import { convCases, convGradientCases, convTransposeCases } from "./conv.ts";
import { arrangeCases, broadcastCases, reduceCases, shapeCases } from "./core.ts";
import { dropoutCases, matmulCases, softmaxCases } from "./dense.ts";
import { depthSpaceCases } from "./depth-space.ts";
import { elementwiseCases } from "./elementwise.ts";
import { indexCases, resizeCases } from "./index.ts";
import { batchNormalisationCases, localNormalisationCases, normalisationCases } from "./normalisation.ts";
import { poolCases, stochasticPoolCases } from "./pool.ts";
import { functionCases, gatherCases, logicCases, orderCases } from "./standard.ts";

export const tables: Readonly<Record<string, readonly OpCase[]>> = {
  "core/arrange": arrangeCases,
  "core/broadcast": broadcastCases,
  "core/elementwise": elementwiseCases,
  "core/functions": functionCases,
  "core/gather": gatherCases,
  "core/index": indexCases,
  "core/logic": logicCases,
  "core/order": orderCases,
  "core/reduce": reduceCases,
  "core/shape": shapeCases,
  activation: activationCases,
  "batch-normalisation": batchNormalisationCases,
  conv: [...convCases, ...convGradientCases, ...convTransposeCases],
  "depth-space": depthSpaceCases,
  dropout: dropoutCases,
  "local-normalisation": localNormalisationCases,
  matmul: matmulCases,
  normalisation: normalisationCases,
  pool: poolCases,
  resize: resizeCases,
  softmax: softmaxCases,
  "stochastic-pool": stochasticPoolCases,
};
