/** The speed of a training step: LeNet-5, batch 128, SGD with momentum. */
import type { Engine } from "../src/engine/engine.ts";
import { fastest, interleaved, type PartResult, ratioOf, type Timing } from "./measure.ts";
import { batch } from "./network.ts";
import { jax, jaxNote } from "./training/jax.ts";
import { pytorch } from "./training/pytorch.ts";
import { striateFit, striateReluStep, striateStep } from "./training/striate.ts";
import { tfjs, tfjsNote } from "./training/tfjs.ts";
import type { Trainer } from "./training/trainer.ts";

const pytorchTarget = 0.65;
const peerTarget = 50;

/** All train the same network if they agree on its loss after the same steps from the same weights. */
async function agreement(trainers: readonly Trainer[]): Promise<string> {
  const steps = 3;
  const losses = [];
  for (const trainer of trainers) {
    await trainer.run(steps);
    losses.push(trainer.loss());
  }
  const spread = Math.max(...losses) - Math.min(...losses);
  return `After ${steps} steps from the same weights on the same batch their losses differ by ${spread.toExponential(1)}.`;
}

export async function trainingPart(engine: Engine): Promise<PartResult> {
  const ours = await striateStep(engine);
  const torch = await pytorch();
  const peers = [await tfjs(), await jax()];
  const same = [ours, ...torch.trainers, ...peers];
  const others = [striateFit(engine), await striateReluStep(engine)];
  try {
    const agreed = await agreement(same);
    const contenders = [ours, ...torch.trainers, ...others, ...peers];
    const timings = await interleaved(contenders);
    const of = (trainers: readonly Trainer[]): Timing[] =>
      trainers.map((trainer) => timings[contenders.indexOf(trainer)]!);
    const [own] = of([ours]) as [Timing];
    const [throughFit, relu] = of(others) as [Timing, Timing];
    const torchTimings = of(torch.trainers);
    const ratios = [
      ...torchTimings.map((each) => ratioOf(own, each, each === fastest(torchTimings) ? pytorchTarget : undefined)),
      ...of(peers).map((each) => ratioOf(own, each, each === fastest(of(peers)) ? peerTarget : undefined)),
      ratioOf(own, throughFit),
      ratioOf(own, relu),
    ];
    return {
      title: `LeNet-5, training step, batch ${batch}`,
      unit: "step",
      timings,
      ratios,
      notes: [agreed, torch.note, tfjsNote, jaxNote],
    };
  } finally {
    for (const trainer of [...same, ...others]) await trainer.close();
  }
}
