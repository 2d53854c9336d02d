/** What a process of the tests beside this does with oneDNN, and how it ends; the way is its argument. */
import { onednn } from "../../src/engine/onednn/onednn.ts";
import { makeGraph } from "../../src/graph/graph.ts";
import { inputValue, parameterValue, type Value } from "../../src/graph/value.ts";
import { conv } from "../../src/ops/conv.ts";
import { cast, relu } from "../../src/ops/core/elementwise.ts";
import { matmul } from "../../src/ops/matmul.ts";
import { zeros } from "../../src/tensor/tensor.ts";

/** Runs of a chain of convolutions. */
async function runs(layers: number, shape: readonly [number, number, number, number]): Promise<() => Promise<unknown>> {
  const channels = shape[1];
  const x = inputValue("x", { dtype: "float32", shape });
  const w = parameterValue("w", { dtype: "float32", shape: [channels, channels, 3, 3] });
  let y: Value = x;
  for (let layer = 0; layer < layers; layer++)
    y = relu(conv(y, w, undefined, { kernel_shape: [3, 3], pads: [1, 1, 1, 1] }));
  const graph = makeGraph([x], { y });
  const program = await onednn.compile(graph, new Map([["w", zeros([channels, channels, 3, 3])]]));
  return () => program.run({ x: zeros(shape) });
}

/** Runs of products of float64, which oneDNN lacks. */
async function pieces(length: number): Promise<() => Promise<unknown>> {
  const x = inputValue("x", { dtype: "float32", shape: [length, length] });
  const wide = cast(x, "float64");
  const program = await onednn.compile(makeGraph([x], { y: cast(matmul(wide, wide), "float32") }), new Map());
  return () => program.run({ x: zeros([length, length]) });
}

/** Of some milliseconds. */
const short = () => runs(4, [8, 16, 64, 64]);
/** Of seconds. */
const long = () => runs(200, [8, 64, 112, 112]);

/** After as many milliseconds as the second argument says. */
const exitLater = () => setTimeout(() => process.exit(0), Number(process.argv[3]));

const ways: Readonly<Record<string, () => Promise<void>>> = {
  "after its runs": async () => {
    const run = await short();
    for (let count = 0; count < 3; count++) await run();
  },
  "by exit": async () => {
    const run = await short();
    await run();
    process.exit(0);
  },
  "by exit during a run": async () => {
    const run = await short();
    run().catch(() => {});
    setTimeout(() => process.exit(0), 3);
  },
  "by exit as oneDNN starts": async () => {
    exitLater();
    const run = await short();
    for (;;) await run();
  },
  "by exit as ONNX Runtime starts": async () => {
    exitLater();
    const run = await pieces(64);
    for (;;) await run();
  },
  "after pieces in ONNX Runtime": async () => {
    const run = await pieces(256);
    for (let count = 0; count < 3; count++) await run();
  },
  "by exit during a piece": async () => {
    const run = await pieces(768);
    await run();
    run().catch(() => {});
    setTimeout(() => process.exit(0), 10);
  },
  "by Ctrl-C during pieces": async () => {
    const run = await pieces(768);
    await run();
    process.stdout.write("running\n");
    for (;;) await run();
  },
  "by an error": async () => {
    const run = await short();
    await run();
    throw new Error("as it should");
  },
  "by Ctrl-C during runs": async () => {
    const run = await short();
    await run();
    process.stdout.write("running\n");
    for (;;) await run();
  },
  "by Ctrl-C during a long run": async () => {
    const run = await long();
    setTimeout(() => process.stdout.write("running\n"), 200);
    await run();
  },
  "by its own word after Ctrl-C during a long run": async () => {
    const run = await long();
    process.on("SIGINT", () => process.exit(130));
    setTimeout(() => process.stdout.write("running\n"), 200);
    await run();
  },
};

await ways[process.argv[2]!]!();
