/** PyTorch's optimisers by their names there, and the errors of ours in recorded runs. */
import type { Engine } from "../../src/engine/engine.ts";
import { makeGraph } from "../../src/graph/graph.ts";
import { inputValue, parameterValue } from "../../src/graph/value.ts";
import { adagrad, adam, adamW, type Optimiser, rmsProp, sgd } from "../../src/nn/optimisers.ts";
import { learningRateInput, step } from "../../src/nn/step.ts";
import { mul } from "../../src/ops/core/elementwise.ts";
import { reduceSum } from "../../src/ops/core/reduce.ts";
import { scalar, type Tensor } from "../../src/tensor/tensor.ts";
import { largestDifference, largestMagnitude } from "../check/compare.ts";
import type { GoldenCase } from "../check/golden.ts";
import { usingAll } from "../check/golden-graph.ts";

interface Options {
  readonly lr: number;
  readonly momentum?: number;
  readonly nesterov?: boolean;
  readonly weight_decay?: number;
  readonly betas?: readonly [number, number];
  readonly alpha?: number;
  readonly eps?: number;
  readonly centered?: boolean;
  readonly lr_decay?: number;
}

const optimisers: Readonly<Record<string, (options: Options) => Optimiser>> = {
  "optimizer.sgd": ({ momentum, nesterov, weight_decay }) => sgd({ momentum, nesterov, weightDecay: weight_decay }),
  "optimizer.adam": ({ betas, eps, weight_decay }) =>
    adam({ beta1: betas?.[0], beta2: betas?.[1], epsilon: eps, weightDecay: weight_decay }),
  "optimizer.adamw": ({ betas, eps, weight_decay }) =>
    adamW({ beta1: betas?.[0], beta2: betas?.[1], epsilon: eps, weightDecay: weight_decay }),
  "optimizer.rmsprop": ({ alpha, momentum, eps, weight_decay, centered }) =>
    rmsProp({ smoothing: alpha, momentum, epsilon: eps, weightDecay: weight_decay, centred: centered }),
  "optimizer.adagrad": ({ eps, weight_decay, lr_decay }) =>
    adagrad({ epsilon: eps, weightDecay: weight_decay, rateDecay: lr_decay }),
};

/**
 * The largest error after any step, as a part of the largest magnitude then.
 * @throws Error for an optimiser that there is not, or a tensor that is missing
 */
export async function optimiserError(
  { name, op, options }: Pick<GoldenCase, "name" | "op" | "options">,
  tensors: ReadonlyMap<string, Tensor>,
  engine: Engine,
): Promise<number> {
  if (!Object.hasOwn(optimisers, op)) throw new Error(`there is no optimiser ${op}`);
  const { optimiser, rate } = usingAll(options, (all) => {
    return { optimiser: optimisers[op]!(all as Options), rate: (all as Options).lr };
  });
  const recorded = (label: string): Tensor => {
    const tensor = tensors.get(`${name}.${label}`);
    if (!tensor) throw new Error(`there is no tensor ${name}.${label}`);
    return tensor;
  };
  const [start, gradients, after] = [recorded("p0"), recorded("g"), recorded("p")];
  const g = inputValue("g", { dtype: "float32", shape: start.shape });
  const p = parameterValue("p", start);
  const { graph, state } = step(makeGraph([g], { loss: reduceSum(mul(p, g)) }), optimiser);
  const program = await engine.compile(graph, new Map([["p", start], ...state]), { threads: 1 });
  let worst = 0;
  try {
    for (let count = 0; count < gradients.shape[0]!; count++) {
      const given = gradients.slice(count, count + 1).reshape(start.shape);
      await program.run({ g: given, [learningRateInput]: scalar(rate) });
      const expected = after.slice(count, count + 1).reshape(start.shape);
      const found = (await program.read(["p"])).get("p")!;
      worst = Math.max(worst, largestDifference(found, expected) / largestMagnitude([expected]));
    }
  } finally {
    await program.dispose();
  }
  return worst;
}
