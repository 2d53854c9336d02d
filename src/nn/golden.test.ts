import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { ort } from "../engine/ort/ort.ts";
import { reference } from "../engine/reference.ts";
import { makeGraph } from "../graph/graph.ts";
import { inputValue, parameterValue } from "../graph/value.ts";
import { mul } from "../ops/core/elementwise.ts";
import { reduceSum } from "../ops/core/reduce.ts";
import { decodeSafetensors } from "../tensor/safetensors.ts";
import { scalar, type Tensor } from "../tensor/tensor.ts";
import { adagrad, adam, adamW, type Optimiser, rmsProp, sgd } from "./optimisers.ts";
import { step } from "./step.ts";

const folder = join(import.meta.dirname, "..", "..", "..", "shared", "golden");
const here = existsSync(join(folder, "ops.safetensors"));

const cases: [string, Optimiser, number][] = [
  ["optimizer.sgd.0", sgd(), 0.1],
  ["optimizer.sgd.1", sgd({ momentum: 0.9, weightDecay: 0.01 }), 0.1],
  ["optimizer.sgd.2", sgd({ momentum: 0.9, nesterov: true }), 0.1],
  ["optimizer.adam.0", adam({ weightDecay: 0.01 }), 0.01],
  ["optimizer.adamw.0", adamW({ weightDecay: 0.1 }), 0.01],
  ["optimizer.rmsprop.0", rmsProp({ momentum: 0.5 }), 0.01],
  ["optimizer.adagrad.0", adagrad(), 0.1],
];

describe("optimisers agree with PyTorch", () => {
  for (const engine of [reference, ort])
    test.for(cases)(`%s on ${engine.name}`, async ([name, optimiser, rate], { annotate }) => {
      if (!here) return void (await annotate("the folder of recorded numbers is not here: nothing was compared"));
      const tensors = decodeSafetensors(readFileSync(join(folder, "ops.safetensors")), "ops.safetensors");
      const [start, gradients, after] = ["p0", "g", "p"].map((each) => tensors.get(`${name}.${each}`)!) as Tensor[];
      const g = inputValue("g", { dtype: "float32", shape: start!.shape });
      const p = parameterValue("p", start!);
      const { graph, state } = step(makeGraph([g], { loss: reduceSum(mul(p, g)) }), optimiser);
      const program = await engine.compile(graph, new Map([["p", start!], ...state]));
      let worst = 0;
      for (let count = 0; count < 10; count++) {
        const given = gradients!.slice(count, count + 1).reshape(start!.shape);
        await program.run({ g: given, learningRate: scalar(rate) });
        const ours = (await program.read(["p"])).get("p")!.toArray();
        const theirs = after!.slice(count, count + 1).toArray();
        const largest = Math.max(...theirs.map(Math.abs));
        for (const [index, value] of theirs.entries())
          worst = Math.max(worst, Math.abs(ours[index]! - value) / largest);
      }
      await program.dispose();
      expect(worst).toBeLessThan(engine === reference ? 1e-6 : 1e-5);
    });
});
