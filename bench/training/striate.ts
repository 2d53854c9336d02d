/** Our training step: the program that `fit` runs, fed as `fit` feeds it, and `fit` itself. */

import type { Engine } from "../../src/engine/engine.ts";
import {
  crossEntropy,
  Dataset,
  fit,
  lenet5,
  Model,
  Random,
  scalar,
  sgd,
  step,
  Tensor,
  training,
  withLoss,
} from "../../src/index.ts";
import { coreCount } from "../../src/platform/worker.ts";
import { timedAhead } from "../measure.ts";
import { batch, classes, images, labels, learningRate, model, momentum } from "../network.ts";
import type { Trainer } from "./trainer.ts";

/** The step's program, a batch fed every step and the next one sent while it runs. */
export async function striateStep(engine: Engine, network: Model = model, name = "Striate, step"): Promise<Trainer> {
  const { graph, state } = step(withLoss(training(network.graph), crossEntropy), sgd({ momentum }));
  const program = await engine.compile(graph, new Map([...network.variables, ...state]), {
    dimensions: { batch },
    finite: ["loss"],
    threads: coreCount(),
  });
  const send = () => program.run({ image: images, target: labels, learningRate: scalar(learningRate) });
  let loss = Number.NaN;
  return {
    name,
    run: (steps) =>
      timedAhead(steps, send, (outputs) => {
        loss = outputs.get("loss")!.item();
      }),
    loss: () => loss,
    close: () => program.dispose(),
  };
}

/** LeNet-5 with ReLU and max pooling instead. */
export const striateReluStep = (engine: Engine): Promise<Trainer> => {
  const layer = lenet5({ classes, activation: "relu", pooling: "max" });
  const network = Model.build(layer, { name: "lenet5-relu", input: [1, 32, 32], seed: 1 });
  return striateStep(engine, network, "Striate, step (ReLU, max pooling)");
};

/** Training by `fit`: pictures of bytes made into batches, shuffled, and every step's loss and accuracy reported. */
export function striateFit(engine: Engine): Trainer {
  const [random, stepsPerEpoch] = [new Random(2, "bench"), 100];
  const count = batch * stepsPerEpoch;
  const pixels = Uint8Array.from({ length: count * 28 * 28 }, () => random.uniform() * 256);
  const data = new Dataset({
    name: "noise",
    classes: Array.from({ length: classes }, (_, label) => String(label)),
    images: new Tensor("uint8", [count, 1, 28, 28], pixels),
    labels: Array.from({ length: count }, (_, index) => index % classes),
    preprocessing: { channels: 1, height: 28, width: 28, padding: 2, mean: [0.1307], std: [0.3081] },
  });
  let loss = Number.NaN;
  return {
    name: "Striate, fit",
    run: async (steps) => {
      const epochs = Math.max(1, Math.round(steps / stepsPerEpoch));
      const options = { engine, epochs, batchSize: batch, optimiser: sgd({ momentum }), learningRate, seed: 1 };
      const run = fit(model, data, options);
      const ends: number[] = [];
      for await (const event of run) {
        if (event.kind !== "step") continue;
        ends.push(performance.now() / 1000);
        loss = event.loss;
      }
      return ends.slice(1).map((end, index) => end - ends[index]!);
    },
    loss: () => loss,
    close: async () => {},
  };
}
