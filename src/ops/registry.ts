/** The operators that files may name, by domain and name. */
import type { Op } from "../graph/op.ts";
import * as activation from "./activation.ts";
import * as batchNormalisation from "./batch-normalisation.ts";
import * as conv from "./conv.ts";
import * as arrange from "./core/arrange.ts";
import * as broadcast from "./core/broadcast.ts";
import * as elementwise from "./core/elementwise.ts";
import * as functions from "./core/functions.ts";
import * as gather from "./core/gather.ts";
import * as index from "./core/index.ts";
import * as logic from "./core/logic.ts";
import * as order from "./core/order.ts";
import * as reduce from "./core/reduce.ts";
import * as shape from "./core/shape.ts";
import * as depthSpace from "./depth-space.ts";
import * as dropout from "./dropout.ts";
import * as localNormalisation from "./local-normalisation.ts";
import * as matmul from "./matmul.ts";
import * as normalisation from "./normalisation.ts";
import * as pool from "./pool.ts";
import * as resize from "./resize.ts";
import * as softmax from "./softmax.ts";
import * as stochasticPool from "./stochastic-pool.ts";

const families = [
  activation,
  arrange,
  batchNormalisation,
  broadcast,
  conv,
  depthSpace,
  dropout,
  elementwise,
  functions,
  gather,
  index,
  localNormalisation,
  logic,
  matmul,
  normalisation,
  order,
  pool,
  reduce,
  resize,
  shape,
  softmax,
  stochasticPool,
];

const isOp = (candidate: unknown): candidate is Op =>
  typeof candidate === "object" && candidate !== null && "infer" in candidate && "evaluate" in candidate;

/** Every operator, by `domain:name` (the standard domain is empty). */
export const operators: ReadonlyMap<string, Op> = new Map(
  families.flatMap((family) => Object.values(family).filter(isOp)).map((op) => [`${op.domain}:${op.name}`, op]),
);
