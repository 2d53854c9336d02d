/** PyTorch on the CPU, making steps on command in both of its memory layouts. */
import { fileURLToPath } from "node:url";
import type { Tensor } from "../../src/index.ts";
import { coreCount } from "../../src/platform/worker.ts";
import { batch, images, labels, learningRate, momentum, weights } from "../network.ts";
import { startPython } from "../python.ts";
import type { Trainer } from "./trainer.ts";

interface Answer {
  readonly seconds: readonly number[];
  readonly loss: number;
}

const bytesOf = ({ data }: Tensor): string =>
  Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("base64");

/** @returns PyTorch's trainers, or why there are none */
export async function pytorch(): Promise<{ trainers: readonly Trainer[]; note: string }> {
  const python = await startPython(fileURLToPath(new URL("pytorch.py", import.meta.url)), {
    threads: coreCount(),
    batch,
    learningRate,
    momentum,
    images: bytesOf(images),
    labels: bytesOf(labels),
    weights: weights.map(([, tensor]) => bytesOf(tensor)),
  });
  if (typeof python === "string") return { trainers: [], note: python };
  let open = 2;
  const trainer = (layout: string): Trainer => {
    let loss = Number.NaN;
    return {
      name: `PyTorch, ${layout}`,
      run: async (steps) => {
        const answer = await python.ask<Answer>(`${layout} ${steps}`);
        loss = answer.loss;
        return answer.seconds;
      },
      loss: () => loss,
      close: async () => {
        if (--open === 0) await python.close();
      },
    };
  };
  return { trainers: [trainer("contiguous"), trainer("channels_last")], note: python.note };
}
