/** Every table of operator cases. */
import type { OpCase } from "../case.ts";
import { convCases, convGradientCases, convTransposeCases } from "./conv.ts";
import { arrangeCases, broadcastCases, reduceCases, shapeCases } from "./core.ts";
import { dropoutCases, matmulCases, softmaxCases } from "./dense.ts";
import { elementwiseCases } from "./elementwise.ts";
import { indexCases, resizeCases } from "./index.ts";
import { poolCases } from "./pool.ts";

export const tables: Readonly<Record<string, readonly OpCase[]>> = {
  "core/arrange": arrangeCases,
  "core/broadcast": broadcastCases,
  "core/elementwise": elementwiseCases,
  "core/index": indexCases,
  "core/reduce": reduceCases,
  "core/shape": shapeCases,
  conv: [...convCases, ...convGradientCases, ...convTransposeCases],
  dropout: dropoutCases,
  matmul: matmulCases,
  pool: poolCases,
  resize: resizeCases,
  softmax: softmaxCases,
};
