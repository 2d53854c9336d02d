/** The embedded engine: ONNX Runtime, in a thread of its own, in Node (native) and in the browser (WebAssembly). */
import { StriateError } from "../../errors.ts";
import { type Graph, nodesOf } from "../../graph/graph.ts";
import { bind } from "../../graph/rewrite.ts";
import { encode } from "../../onnx/encode.ts";
import type { Peer } from "../../platform/calls.ts";
import { coreCount } from "../../platform/worker.ts";
import { Tensor } from "../../tensor/tensor.ts";
import {
  type CompileOptions,
  checkTensor,
  checkVariables,
  type Engine,
  type Program,
  type Tensors,
} from "../engine.ts";
import { lower } from "./lower.ts";
import { startEngine } from "./start.ts";
import type { OpenRequest, PlainTensor, PlainTensors } from "./worker.ts";

const plain = (tensors: Iterable<readonly [string, Tensor]>): PlainTensors =>
  Object.fromEntries([...tensors].map(([name, { dtype, shape, data }]) => [name, { dtype, shape, data }]));

const tensors = (given: unknown): Map<string, Tensor> =>
  new Map(
    Object.entries(given as Record<string, PlainTensor>).map(([name, { dtype, shape, data }]) => [
      name,
      new Tensor(dtype, shape, data),
    ]),
  );

class OrtProgram implements Program {
  readonly #worker: Peer;
  readonly #program: number;
  readonly #graph: Graph;

  constructor(worker: Peer, program: number, graph: Graph) {
    this.#worker = worker;
    this.#program = program;
    this.#graph = graph;
  }

  async run(feeds: Readonly<Record<string, Tensor>>): Promise<Tensors> {
    const checked = this.#graph.inputs.map(
      (input) => [input.source.name, checkTensor("run", feeds[input.source.name], input)] as const,
    );
    return tensors(await this.#worker.call("run", { program: this.#program, feeds: plain(checked) }));
  }

  async read(names?: readonly string[]): Promise<Map<string, Tensor>> {
    return tensors(await this.#worker.call("read", { program: this.#program, names }));
  }

  async write(variables: Tensors): Promise<void> {
    await this.#worker.call("write", { program: this.#program, variables: plain(variables) });
  }

  async dispose(): Promise<void> {
    await this.#worker.call("dispose", { program: this.#program });
  }
}

class Ort implements Engine {
  readonly name = "ort";
  readonly lower = lower;
  #worker: Peer | undefined;
  #programs = 0;

  async compile(graph: Graph, variables: Tensors, options: CompileOptions = {}): Promise<Program> {
    const bound = bind(graph, options.dimensions ?? {});
    const held = checkVariables(bound, variables);
    const lowered = lower(bound);
    this.#worker ??= startEngine();
    const program = this.#programs++;
    const request: OpenRequest = {
      program,
      model: encode(lowered),
      threads: options.threads ?? coreCount(),
      variables: plain(held),
      updates: graph.updates.map(({ variable }) => variable.source.name),
      outputs: [...graph.outputs.keys()],
      finite: options.finite ?? [],
    };
    try {
      await this.#worker.call("open", request);
    } catch (cause) {
      if (cause instanceof StriateError) throw cause;
      const operators = [...new Set(nodesOf(lowered).map((node) => node.op.name))].join(", ");
      throw new StriateError({
        subject: "ONNX Runtime",
        found: `a graph that it refuses (${(cause as Error).message}); its operators are ${operators}`,
        cause,
      });
    }
    return new OrtProgram(this.#worker, program, bound);
  }

  async close(): Promise<void> {
    await this.#worker?.stop();
    this.#worker = undefined;
  }
}

/** ONNX Runtime. Its thread starts with the first program and does not keep a process alive. */
export const ort: Engine = new Ort();
