/** The embedded engine: ONNX Runtime, in a thread of its own, in Node (native) and in the browser (WebAssembly). */
import { StriateError } from "../../errors.ts";
import { type Graph, nodesOf } from "../../graph/graph.ts";
import { checkMemory } from "../../graph/memory.ts";
import { bind } from "../../graph/rewrite.ts";
import { encode } from "../../onnx/encode.ts";
import type { Peer } from "../../platform/calls.ts";
import { coreCount } from "../../platform/worker.ts";
import { Tensor } from "../../tensor/tensor.ts";
import {
  type CompileOptions,
  checkRead,
  checkTensor,
  checkVariables,
  checkWritten,
  type Engine,
  MemoryGuard,
  memoryLimit,
  type Program,
  type Tensors,
} from "../engine.ts";
import { Ferry } from "./ferry.ts";
import { lower } from "./lower.ts";
import { probe } from "./runtime-ops.ts";
import { startEngine } from "./start.ts";
import type { OpenRequest, PlainTensor, PlainTensors, RunAnswer, RunRequest } from "./worker.ts";

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
  readonly #lowered: Graph;
  readonly #options: CompileOptions;
  readonly #memory: MemoryGuard;
  readonly #ferry = new Ferry();
  #disposed = false;
  /** The variables of a program that does not change them: the session has them as constants. */
  #fixed: Tensors | undefined;

  constructor(worker: Peer, program: number, block: number, graph: Graph, options: CompileOptions) {
    this.#worker = worker;
    this.#program = program;
    this.#graph = graph;
    const limit = memoryLimit(options);
    checkMemory(graph, limit);
    this.#lowered = lower(graph, block);
    this.#memory = new MemoryGuard(this.#lowered, limit);
    this.#options = options;
  }

  /**
   * Makes the session. Weights that no run changes are constants to it: it arranges them once, for speed. Others cross
   * with every run.
   */
  async open(variables: Tensors): Promise<void> {
    const changes = this.#graph.updates.length > 0;
    if (!changes) this.#fixed = variables;
    const request: OpenRequest = {
      program: this.#program,
      model: encode(this.#lowered, { variables: this.#fixed }),
      threads: this.#options.threads ?? coreCount(),
      variables: changes ? plain(variables) : {},
      updates: this.#graph.updates.map(({ variable }) => variable.source.name),
      outputs: [...this.#graph.outputs.keys()],
      finite: this.#options.finite ?? [],
    };
    try {
      await this.#worker.call("open", request);
    } catch (cause) {
      if (cause instanceof StriateError) throw cause;
      const operators = [...new Set(nodesOf(this.#lowered).map((node) => node.op.name))].join(", ");
      throw new StriateError({
        subject: "ONNX Runtime",
        found: `a graph that it refuses (${(cause as Error).message}); its operators are ${operators}`,
        cause,
      });
    }
  }

  async run(feeds: Readonly<Record<string, Tensor>>): Promise<Tensors> {
    const lent: ArrayBuffer[] = [];
    const checked = this.#graph.inputs.map((input) => {
      const { name } = input.source;
      return [name, checkTensor("run", feeds[name], input)] as const;
    });
    this.#memory.check(feeds);
    const loaded = Object.fromEntries(checked.map(([name, tensor]) => [name, this.#ferry.load(tensor, lent)]));
    const request: RunRequest = { program: this.#program, feeds: loaded, lent };
    const answer = (await this.#worker.call("run", request, lent).catch((cause) => {
      if (cause instanceof StriateError) throw cause;
      const found = `a run that it gives up (${(cause as Error).message})`;
      throw new StriateError({ subject: "ONNX Runtime", found, cause });
    })) as RunAnswer;
    this.#ferry.unload(answer.lent);
    return tensors(answer.outputs);
  }

  async read(names?: readonly string[]): Promise<Map<string, Tensor>> {
    const fixed = this.#fixed;
    const asked = checkRead(this.#graph, names);
    if (fixed) return new Map(asked.map((name) => [name, fixed.get(name)!]));
    return tensors(await this.#worker.call("read", { program: this.#program, names: asked }));
  }

  async revert(): Promise<void> {
    if (!this.#fixed) await this.#worker.call("revert", { program: this.#program });
  }

  async write(variables: Tensors): Promise<void> {
    checkWritten(this.#graph, variables);
    if (this.#disposed) throw new StriateError({ subject: "write", found: "a program that was disposed of" });
    if (!this.#fixed) {
      await this.#worker.call("write", { program: this.#program, variables: plain(variables) });
      return;
    }
    const held = this.#fixed;
    const next = new Map([...held, ...variables]);
    if ([...next].some(([name, tensor]) => tensor !== held.get(name))) await this.open(next);
  }

  async dispose(): Promise<void> {
    this.#disposed = true;
    await this.#worker.call("dispose", { program: this.#program });
  }
}

class Ort implements Engine {
  readonly name = "ort";
  #worker: Peer | undefined;
  #block: Promise<number> | undefined;
  #known = 0;
  #programs = 0;

  /** Before its first program the engine does not know the runtime's own layout, and lowers without it. */
  lower(graph: Graph): Graph {
    return lower(graph, this.#known);
  }

  async compile(graph: Graph, variables: Tensors, options: CompileOptions = {}): Promise<Program> {
    const bound = bind(graph, options.dimensions ?? {});
    const held = checkVariables(bound, variables);
    this.#worker ??= startEngine();
    const worker = this.#worker;
    this.#block ??= this.#findBlock(worker);
    this.#known = await this.#block;
    const program = new OrtProgram(worker, this.#programs++, this.#known, bound, options);
    await program.open(held);
    return program;
  }

  /** Channels in a block of the runtime's own layout, which depends on the processor: seen from how it arranges numbers. */
  async #findBlock(worker: Peer): Promise<number> {
    const { graph, input, blockIn } = probe();
    const program = this.#programs++;
    const x: PlainTensor = { dtype: "float32", shape: [1, 16, 1, 2], data: input };
    const shared = { program, threads: 1, variables: {}, updates: [], outputs: ["y"], finite: [] };
    try {
      await worker.call("open", { ...shared, model: encode(graph) } satisfies OpenRequest);
      const request: RunRequest = { program, feeds: { x }, lent: [] };
      const { outputs } = (await worker.call("run", request)) as RunAnswer;
      await worker.call("dispose", { program });
      return blockIn(Array.from(outputs.y!.data, Number));
    } catch {
      return 0;
    }
  }

  async close(): Promise<void> {
    const worker = this.#worker;
    this.#worker = undefined;
    this.#block = undefined;
    await worker?.call("close", undefined).catch(() => {});
    await worker?.stop();
  }
}

/** ONNX Runtime. Its thread starts with the first program and does not keep a process alive. */
export const ort: Engine = new Ort();
