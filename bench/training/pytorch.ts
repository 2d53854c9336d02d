/** PyTorch on the CPU: a Python process that makes steps on command, in both of its memory layouts. */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { Tensor } from "../../src/index.ts";
import { coreCount } from "../../src/platform/worker.ts";
import { batch, images, labels, learningRate, momentum, weights } from "../network.ts";
import type { Trainer } from "./trainer.ts";

interface Hello {
  readonly missing?: string;
  readonly version: string;
  readonly threads: number;
  readonly blas: readonly string[];
}

interface Answer {
  readonly seconds: readonly number[];
  readonly loss: number;
}

const bytesOf = ({ data }: Tensor): string =>
  Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("base64");

/** @returns PyTorch's trainers, or why there are none */
export async function pytorch(): Promise<{ trainers: readonly Trainer[]; note: string }> {
  const python = process.env.PYTHON ?? "/usr/bin/python3";
  const script = fileURLToPath(new URL("pytorch.py", import.meta.url));
  const child = spawn(python, [script], { stdio: ["pipe", "pipe", "inherit"] });
  const failed = new Promise<undefined>((resolve) => child.once("error", () => resolve(undefined)));
  child.stdin.on("error", () => {});
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const read = async <T>(): Promise<T | undefined> => {
    const line = await Promise.race([lines.next(), failed]);
    return line && !line.done ? (JSON.parse(line.value) as T) : undefined;
  };
  const setting = {
    threads: coreCount(),
    batch,
    learningRate,
    momentum,
    images: bytesOf(images),
    labels: bytesOf(labels),
    weights: weights.map(([, tensor]) => bytesOf(tensor)),
  };
  child.stdin.write(`${JSON.stringify(setting)}\n`);
  const hello = await read<Hello>();
  if (!hello || hello.missing)
    return {
      trainers: [],
      note: `PyTorch: left out, as ${python} has none (${hello?.missing ?? "it did not start"}).`,
    };
  let open = 2;
  const trainer = (layout: string): Trainer => {
    let loss = Number.NaN;
    return {
      name: `PyTorch, ${layout}`,
      run: async (steps) => {
        child.stdin.write(`${layout} ${steps}\n`);
        const answer = await read<Answer>();
        if (!answer) throw new Error("PyTorch's process ended");
        loss = answer.loss;
        return answer.seconds;
      },
      loss: () => loss,
      close: async () => {
        if (--open === 0) child.stdin.end();
      },
    };
  };
  const note = `PyTorch ${hello.version}, ${hello.threads} threads, BLAS: ${hello.blas.join(", ")}.`;
  return { trainers: [trainer("contiguous"), trainer("channels_last")], note };
}
