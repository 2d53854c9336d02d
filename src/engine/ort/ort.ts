/** The embedded engine: ONNX Runtime, in a thread of its own, in Node (native) and in the browser (WebAssembly). */
import { encode } from "../../onnx/encode.ts";
import type { Peer } from "../../platform/calls.ts";
import { type Engine, single } from "../engine.ts";
import type { OpenRequest, PlainTensor, RunAnswer, RunRequest } from "../protocol.ts";
import { ThreadEngine } from "../thread.ts";
import { lower } from "./lower.ts";
import { probe } from "./runtime-ops.ts";
import { startEngine } from "./start.ts";

/** Channels in a block of the runtime's own layout; before the first program it is not known, and not used. */
let block = 0;

/** The number of a program that no other has. */
const probing = -1;

/** The runtime's own layout depends on the processor: it is seen from how the runtime arranges numbers. */
async function ask(worker: Peer): Promise<void> {
  const { graph, input, blockIn } = probe();
  const x: PlainTensor = { dtype: "float32", shape: [1, 16, 1, 2], data: input };
  const shared = {
    program: probing,
    threads: 1,
    variables: [],
    updates: [],
    outputs: ["y"],
    finite: [],
    irreversible: [],
    profile: false,
  };
  try {
    await worker.call("open", { ...shared, model: encode(graph), precision: "float32" } satisfies OpenRequest);
    const request: RunRequest = { program: probing, feeds: { x }, lent: [] };
    const { outputs } = (await worker.call("run", request)) as RunAnswer;
    await worker.call("dispose", { program: probing });
    block = blockIn(Array.from(outputs.y!.data, Number));
  } catch {
    block = 0;
  }
}

/** ONNX Runtime. Its thread starts with the first program and does not keep a process alive. */
export const ort: Engine = new ThreadEngine({
  name: "ort",
  title: "ONNX Runtime",
  start: startEngine,
  ask,
  lower: (graph) => lower(graph, block),
  takesConstants: true,
  precisions: single,
});
