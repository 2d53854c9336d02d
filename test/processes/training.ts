/** What a process of the tests beside this trains with oneDNN, and what it says of it as JSON; which is its argument. */
import { createHash } from "node:crypto";
import { dnnl, useThreads } from "../../src/engine/onednn/library.ts";
import { lower } from "../../src/engine/onednn/lower.ts";
import { NativeProgram } from "../../src/engine/onednn/program.ts";
import { bind } from "../../src/graph/rewrite.ts";
import { inputValue, parameterValue, type Value } from "../../src/graph/value.ts";
import {
  batchNorm,
  conv2d,
  crossEntropy,
  Dataset,
  dropout,
  fit,
  flatten,
  type Layer,
  lenet5,
  linear,
  Model,
  makeGraph,
  maxPool2d,
  onednn,
  Random,
  relu,
  scalar,
  sequential,
  sgd,
  step,
  Tensor,
  tensor,
  training,
  withLoss,
} from "../../src/index.ts";
import { conv } from "../../src/ops/conv.ts";
import { cast } from "../../src/ops/core/elementwise.ts";
import { matmul } from "../../src/ops/matmul.ts";
import { zeros } from "../../src/tensor/tensor.ts";

const noise = (shape: readonly number[]): Tensor => {
  const random = new Random(1, "noise");
  const count = shape.reduce((product, length) => product * length);
  return new Tensor(
    "float32",
    shape,
    Float32Array.from({ length: count }, () => random.normal()),
  );
};

/** A training step of a network of layers, with a batch of noise. */
function steps(layer: Layer, input: readonly number[], batch: number) {
  const model = Model.build(layer, { name: "network", input, seed: 1 });
  const { graph, state } = step(withLoss(training(model.graph), crossEntropy), sgd({ momentum: 0.9 }));
  const labels = Array.from({ length: batch }, (_, index) => index % 10);
  const feeds = {
    image: noise([batch, ...input]),
    target: tensor(labels, [batch], "int64"),
    learningRate: scalar(0.01),
  };
  return { graph, variables: new Map([...model.variables, ...state]), feeds };
}

const digits = (): Layer => lenet5({ classes: 10, activation: "relu", pooling: "max" });

/** Batch normalisation, a depthwise convolution, pooling and dropout. */
const varied = (): Layer =>
  sequential({
    conv1: conv2d({ channels: 16, kernel: 3, padding: 1, bias: false }),
    bn1: batchNorm(),
    relu1: relu(),
    pool: maxPool2d({ kernel: 3, stride: 2, padding: 1 }),
    depthwise: conv2d({ channels: 16, kernel: 3, padding: 1, groups: 16, bias: false }),
    bn2: batchNorm(),
    relu2: relu(),
    dropout: dropout({ ratio: 0.3 }),
    flatten: flatten(),
    linear: linear({ features: 10 }),
  });

/** All bits of a model's weights and running statistics after some epochs. */
async function weights(layer: Layer, side: number, epochs: number): Promise<string> {
  const count = 40;
  const pixels = Uint8Array.from(noise([count, side, side]).toArray(), (value) => 128 + 40 * value);
  const data = new Dataset({
    name: "noise",
    classes: Array.from({ length: 10 }, (_, label) => String(label)),
    images: new Tensor("uint8", [count, 1, side, side], pixels),
    labels: Array.from({ length: count }, (_, index) => index % 10),
    preprocessing: { channels: 1, height: side, width: side, padding: 0, mean: [0.5], std: [0.25] },
  });
  const options = { engine: onednn, epochs, batchSize: 8, seed: 3, learningRate: 0.01 };
  const { model } = await fit(layer, data, options).result;
  const hash = createHash("sha256");
  for (const [name, { data }] of model.variables) hash.update(name).update(new Uint8Array(data.buffer));
  return hash.digest("hex");
}

/** Megabytes by which JavaScript's objects, its buffers and the process have grown. */
async function growth(few: number, many: number, make: (index: number) => unknown): Promise<Record<string, number>> {
  const taken = async (): Promise<NodeJS.MemoryUsage> => {
    const { gc } = globalThis as { gc?: () => void };
    gc!();
    // What native code lent is given back after the collection.
    await new Promise(setImmediate);
    gc!();
    return process.memoryUsage();
  };
  for (let index = 0; index < few; index++) await make(index);
  const before = await taken();
  for (let index = few; index < few + many; index++) await make(index);
  const after = await taken();
  const more = (key: keyof NodeJS.MemoryUsage) => (after[key] - before[key]) / 2 ** 20;
  return { objects: more("heapUsed"), buffers: more("arrayBuffers"), process: more("rss") };
}

const works: Readonly<Record<string, () => Promise<unknown>>> = {
  weights: async () => [await weights(digits(), 32, 60), await weights(varied(), 16, 4)],

  "growth by runs": async () => {
    useThreads(1);
    const { graph, variables, feeds } = steps(digits(), [1, 32, 32], 2);
    const program = new NativeProgram(dnnl(), lower(bind(graph, { batch: 2 })), variables, { finite: ["loss"] });
    const given = new Map(Object.entries(feeds));
    return growth(500, 4000, () => program.run(given));
  },

  "growth by pieces": async () => {
    const x = inputValue("x", { dtype: "float32", shape: [64, 64] });
    const wide = cast(x, "float64");
    const given = zeros([64, 64]);
    const program = await onednn.compile(makeGraph([x], { y: cast(matmul(wide, wide), "float32") }), new Map());
    return growth(2000, 4000, () => program.run({ x: given }));
  },

  "growth by programs": async () => {
    useThreads(1);
    return growth(2000, 2000, (index) => {
      const shape = [1 + (index % 8), 8, 16, 16];
      const x = inputValue("x", { dtype: "float32", shape });
      const w = parameterValue("w", { dtype: "float32", shape: [8, 8, 3, 3] });
      let y: Value = x;
      for (let layer = 0; layer < 4; layer++) y = conv(y, w, undefined, { kernel_shape: [3, 3] });
      const graph = makeGraph([x], { y });
      const program = new NativeProgram(dnnl(), graph, new Map([["w", zeros([8, 8, 3, 3])]]));
      program.run(new Map([["x", zeros(shape)]]));
      program.dispose();
    });
  },

  /** The longest that the event loop was kept from turning while training steps were made, in milliseconds. */
  gaps: async () => {
    const block = (channels: number) => ({
      conv: conv2d({ channels, kernel: 3, padding: 1, bias: false }),
      bn: batchNorm(),
      relu: relu(),
    });
    const layers = Array.from({ length: 9 }, (_, index) => [`block${index}`, sequential(block(16))] as const);
    const layer = sequential({
      ...Object.fromEntries(layers),
      pool: maxPool2d({ kernel: 4, stride: 4 }),
      flatten: flatten(),
      linear: linear({ features: 10 }),
    });
    const { graph, variables, feeds } = steps(layer, [3, 32, 32], 128);
    const program = await onednn.compile(graph, variables, { dimensions: { batch: 128 }, finite: ["loss"] });
    for (let count = 0; count < 3; count++) await program.run(feeds);
    const gaps: number[] = [];
    let last = performance.now();
    const timer = setInterval(() => {
      const now = performance.now();
      gaps.push(now - last);
      last = now;
    }, 1);
    const start = performance.now();
    let count = 0;
    while (performance.now() - start < 2000) {
      await program.run(feeds);
      count++;
    }
    clearInterval(timer);
    return { longest: Math.max(...gaps), steps: count };
  },
};

process.stdout.write(`${JSON.stringify(await works[process.argv[2]!]!())}\n`);
process.exit(0);
