/** An engine in a thread of its own: the near end, whatever runs at the far one. */
import { StriateError } from "../errors.ts";
import { type Graph, nodesOf } from "../graph/graph.ts";
import { checkMemory } from "../graph/memory.ts";
import { bind } from "../graph/rewrite.ts";
import { encode } from "../onnx/encode.ts";
import type { Peer } from "../platform/calls.ts";
import { coreCount } from "../platform/worker.ts";
import { Tensor } from "../tensor/tensor.ts";
import {
  type CompileOptions,
  checkPrecision,
  checkRead,
  checkTensor,
  checkVariables,
  checkWritten,
  type Engine,
  type EngineFacts,
  MemoryGuard,
  memoryLimit,
  type Precision,
  type Program,
  type ProgramReport,
  type Tensors,
} from "./engine.ts";
import { Ferry } from "./ferry.ts";
import type { RunTime } from "./profile.ts";
import type {
  AboutAnswer,
  OpenRequest,
  PlainTensor,
  PlainTensors,
  ReportAnswer,
  RunAnswer,
  RunRequest,
} from "./protocol.ts";

const plain = (tensors: Iterable<readonly [string, Tensor]>): PlainTensors =>
  Object.fromEntries([...tensors].map(([name, { dtype, shape, data }]) => [name, { dtype, shape, data }]));

const tensors = (given: unknown): Map<string, Tensor> =>
  new Map(
    Object.entries(given as Record<string, PlainTensor>).map(([name, { dtype, shape, data }]) => [
      name,
      new Tensor(dtype, shape, data),
    ]),
  );

/** Bytes that cross at once, unless one tensor has more. */
const mostAtOnce = 2 ** 24;

/** Tensors in groups that cross together. */
function* piecesOf(tensors: Tensors): Generator<Map<string, Tensor>> {
  let piece = new Map<string, Tensor>();
  let bytes = 0;
  for (const [name, tensor] of tensors) {
    bytes += tensor.data.byteLength;
    if (bytes > mostAtOnce && piece.size > 0) {
      yield piece;
      piece = new Map();
      bytes = tensor.data.byteLength;
    }
    piece.set(name, tensor);
  }
  if (piece.size > 0) yield piece;
}

class ThreadProgram implements Program {
  readonly #far: FarEnd;
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

  constructor(far: FarEnd, worker: Peer, program: number, graph: Graph, options: CompileOptions) {
    this.#far = far;
    this.#worker = worker;
    this.#program = program;
    this.#graph = graph;
    const limit = memoryLimit(options);
    checkMemory(graph, limit);
    this.#lowered = far.lower(graph);
    this.#memory = new MemoryGuard(this.#lowered, limit);
    this.#options = options;
  }

  /** @throws StriateError where the thread is no more, with what to do about it */
  #call(method: string, argument: unknown, transfer?: ArrayBuffer[]): Promise<unknown> {
    return this.#worker.call(method, argument, transfer).catch((cause) => {
      const { failure } = this.#worker;
      if (!failure) throw cause;
      const found = `a program whose thread is no more (${failure.message})`;
      throw new StriateError({ subject: this.#far.title, found, mend: "Compile it again", cause });
    });
  }

  /**
   * Makes the far end's program. Weights that no run changes are constants to it: it arranges them once, for speed.
   * @param isFirst whether no run can come in between: the variables then follow piece by piece, so that not all are there twice
   */
  async open(variables: Tensors, isFirst: boolean): Promise<void> {
    const changes = this.#graph.updates.length > 0;
    if (!changes) this.#fixed = variables;
    const apart = changes || !this.#far.takesConstants ? variables : new Map<string, Tensor>();
    const request: OpenRequest = {
      program: this.#program,
      model: encode(this.#lowered, this.#far.takesConstants ? { variables: this.#fixed } : {}),
      threads: this.#options.threads ?? coreCount(),
      variables: [...apart.keys()],
      updates: this.#graph.updates.map(({ variable }) => variable.source.name),
      outputs: [...this.#graph.outputs.keys()],
      finite: this.#options.finite ?? [],
      irreversible: this.#options.irreversible ?? [],
      profile: this.#options.profile ?? false,
      precision: this.#options.precision ?? "float32",
    };
    try {
      const calls = [this.#call("open", request)];
      for (const piece of piecesOf(apart)) {
        if (isFirst) await calls.at(-1);
        calls.push(this.#call("write", { program: this.#program, variables: plain(piece) }));
      }
      await Promise.all(calls);
    } catch (cause) {
      if (cause instanceof StriateError) throw cause;
      const operators = [...new Set(nodesOf(this.#lowered).map((node) => node.op.name))].join(", ");
      throw new StriateError({
        subject: this.#far.title,
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
    const answer = (await this.#call("run", request, lent).catch((cause) => {
      if (cause instanceof StriateError) throw cause;
      const found = `a run that it gives up (${(cause as Error).message})`;
      throw new StriateError({ subject: this.#far.title, found, cause });
    })) as RunAnswer;
    this.#ferry.unload(answer.lent);
    return tensors(answer.outputs);
  }

  async read(names?: readonly string[]): Promise<Map<string, Tensor>> {
    const fixed = this.#fixed;
    const asked = checkRead(this.#graph, names);
    if (fixed) return new Map(asked.map((name) => [name, fixed.get(name)!]));
    return tensors(await this.#call("read", { program: this.#program, names: asked }));
  }

  async revert(): Promise<void> {
    if (!this.#fixed) await this.#call("revert", { program: this.#program });
  }

  async write(variables: Tensors): Promise<void> {
    checkWritten(this.#graph, variables);
    if (this.#disposed) throw new StriateError({ subject: "write", found: "a program that was disposed of" });
    if (!this.#fixed) {
      await this.#call("write", { program: this.#program, variables: plain(variables) });
      return;
    }
    const held = this.#fixed;
    const next = new Map([...held, ...variables]);
    if ([...next].some(([name, tensor]) => tensor !== held.get(name))) await this.open(next, false);
  }

  async profile(): Promise<readonly RunTime[]> {
    if (!this.#options.profile) return [];
    return (await this.#call("profile", { program: this.#program })) as RunTime[];
  }

  async report(): Promise<ProgramReport> {
    const answer = (await this.#call("report", { program: this.#program })) as ReportAnswer;
    return { engine: this.#far.name, ...answer };
  }

  async dispose(): Promise<void> {
    this.#disposed = true;
    await this.#worker.call("dispose", { program: this.#program }).catch((error) => {
      // With its thread it is gone.
      if (!this.#worker.failure) throw error;
    });
  }
}

/** What differs between engines that run in threads of their own. */
export interface FarEnd {
  readonly name: string;
  /** What people call it. */
  readonly title: string;
  /** Starts its thread. */
  start(): Peer;
  /** Asks the thread, once it has started, what lowering depends on. */
  ask?(worker: Peer): Promise<void>;
  lower(graph: Graph): Graph;
  refusal?: Engine["refusal"];
  /** Whether weights that no run changes are sent with the model, as constants. */
  readonly takesConstants: boolean;
  readonly precisions: readonly Precision[];
  /**
   * Graphs that are done sooner than a message to the thread arrives run in the calling one: tiny ones on one thread, small
   * ones on all, unless the engine's own has had a program.
   */
  readonly near?: {
    sizeOf(graph: Graph): "tiny" | "small" | "large";
    start(): Promise<Peer>;
  };
}

/** Its thread starts with the first program and does not keep a process alive. */
export class ThreadEngine implements Engine {
  readonly name: string;
  readonly #far: FarEnd;
  #worker: Peer | undefined;
  #near: Promise<Peer> | undefined;
  #asked: Promise<void> | undefined;
  /** Whether the engine's own thread has had a program. */
  #isShared = false;
  #facts: Promise<EngineFacts> | undefined;
  #programs = 0;

  constructor(far: FarEnd) {
    this.name = far.name;
    this.#far = far;
  }

  lower(graph: Graph): Graph {
    return this.#far.lower(graph);
  }

  refusal(graph: Graph): ReturnType<NonNullable<Engine["refusal"]>> {
    return this.#far.refusal?.(graph);
  }

  about(): Promise<EngineFacts> {
    this.#facts ??= this.#ask();
    return this.#facts;
  }

  async #ask(): Promise<EngineFacts> {
    const { name, title, precisions } = this.#far;
    try {
      const answer = (await this.#thread().call("about", undefined)) as AboutAnswer;
      return { name, title, precisions, ...answer };
    } catch (error) {
      await this.close();
      // What is missing stays so in this process; a thread that failed may start another time.
      if (!(error instanceof StriateError)) this.#facts = undefined;
      const { found, mend } = error instanceof StriateError ? error.complaint : { found: (error as Error).message };
      return { name, title, precisions, missing: { found, mend } };
    }
  }

  async #peer(isNear: boolean): Promise<Peer> {
    if (isNear) {
      this.#near ??= this.#far.near!.start();
      const near = this.#near;
      near.catch(() => {
        if (this.#near === near) this.#near = undefined;
      });
      return near;
    }
    const worker = this.#thread();
    this.#asked ??= this.#far.ask?.(worker);
    await this.#asked;
    return worker;
  }

  /** Before the first program in the engine's own thread: those in the calling one have had all cores. */
  async #share(): Promise<void> {
    if (this.#isShared) return;
    this.#isShared = true;
    await this.#near?.then(
      (near) => near.call("share", undefined),
      () => {},
    );
  }

  /** The thread, or another in place of one that failed. */
  #thread(): Peer {
    if (!this.#worker || this.#worker.failure) {
      this.#worker = this.#far.start();
      this.#asked = undefined;
    }
    return this.#worker;
  }

  async compile(graph: Graph, variables: Tensors, options: CompileOptions = {}): Promise<Program> {
    checkPrecision(this.name, this.#far.precisions, options);
    const bound = bind(graph, options.dimensions ?? {});
    const refused = this.refusal(bound);
    if (refused)
      throw new StriateError({ subject: `engine "${this.name}"`, ...refused, mend: 'Use the engine "auto" or "ort"' });
    const held = checkVariables(bound, variables);
    const size = this.#far.near?.sizeOf(bound) ?? "large";
    // A second team of threads, the calling thread's, would leave neither team a core to wait on.
    const isNear = size === "tiny" || (size === "small" && !this.#isShared);
    if (!isNear) await this.#share();
    const worker = await this.#peer(isNear);
    const settings = size === "tiny" ? { ...options, threads: 1 } : options;
    const program = new ThreadProgram(this.#far, worker, this.#programs++, bound, settings);
    try {
      await program.open(held, true);
    } catch (error) {
      await program.dispose().catch(() => {});
      throw error;
    }
    return program;
  }

  async close(): Promise<void> {
    const [worker, near] = [this.#worker, this.#near];
    this.#worker = undefined;
    this.#near = undefined;
    this.#asked = undefined;
    this.#isShared = false;
    await Promise.all([closed(worker), near?.then(closed, () => {})]);
  }
}

async function closed(peer: Peer | undefined): Promise<void> {
  await peer?.call("close", undefined).catch(() => {});
  await peer?.stop();
}
