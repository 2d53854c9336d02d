/** What the browser test runs in a page, and in Node to compare: the running example's first training steps. */
import type * as Striate from "../../src/index.ts";

export interface Findings {
  /** The loss of each of the first training steps. */
  readonly losses: number[];
  /** Random numbers as their bits in hexadecimal: uniform, normal. */
  readonly draws: string[];
  /** A sum over the bits of the first training images. */
  readonly images: number;
  /** The longest time between two ticks of a timer while training, in milliseconds. */
  readonly longestGap: number;
}

const steps = 20;

export async function trainLines(striate: typeof Striate): Promise<Findings> {
  const { adam, fit, linesData, linesNetwork, Random } = striate;
  const data = linesData({ seed: 1, split: "train", count: 32 * steps });
  const run = fit(linesNetwork(), data, {
    epochs: 1,
    batchSize: 32,
    seed: 1,
    optimiser: adam(),
    learningRate: 0.02,
    schedule: "one-cycle",
  });
  let longestGap = 0;
  let last = performance.now();
  const timer = setInterval(() => {
    longestGap = Math.max(longestGap, performance.now() - last);
    last = performance.now();
  }, 1);
  const losses: number[] = [];
  for await (const event of run) if (event.kind === "step") losses.push(event.loss);
  clearInterval(timer);
  return {
    losses,
    draws: draws(new Random(1, "draws")),
    images: checksum(data.images.data as Float32Array),
    longestGap,
  };
}

function draws(random: Striate.Random): string[] {
  const view = new DataView(new ArrayBuffer(8));
  const hex = (value: number): string => {
    view.setFloat64(0, value);
    return view.getBigUint64(0).toString(16);
  };
  return Array.from({ length: 2000 }, (_, index) => hex(index % 2 === 0 ? random.uniform() : random.normal()));
}

const checksum = (values: Float32Array): number =>
  new Uint32Array(values.buffer, values.byteOffset, values.length).reduce((sum, bits) => (sum * 31 + bits) >>> 0, 7);
