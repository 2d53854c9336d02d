/** A graph with its variables, ready to run on oneDNN: in the thread that runs it. */

import { StriateError } from "../../errors.ts";
import type { Graph } from "../../graph/graph.ts";
import { Tensor } from "../../tensor/tensor.ts";
import type { ProgramReport, Tensors } from "../engine.ts";
import { type Clock, inputsStep, outputsStep } from "../profile.ts";
import type { Dnnl } from "./dnnl.ts";
import { rules } from "./kernels.ts";
import { useThreads } from "./library.ts";
import { meansFirst } from "./means.ts";
import { type Cell, copied, Memory } from "./memory.ts";
import { padWithin } from "./padding.ts";
import { type Piece, piecesOf } from "./pieces.ts";
import { Plan } from "./plan.ts";
import type { Stored } from "./precision.ts";
import { withActivations } from "./recognise.ts";
import { shortcutsByConvolution } from "./shortcuts.ts";
import { subPixels } from "./sub-pixels.ts";
import { tiled } from "./tiles.ts";

export interface ProgramOptions {
  /** Outputs that must be finite numbers for a run to count. */
  readonly finite?: readonly string[];
  /** Variables that are never taken back. */
  readonly irreversible?: readonly string[];
  readonly precision?: Stored;
  /** Takes the time of every step. */
  readonly clock?: Clock;
  /** The variables before the last run of a program that this one takes over from, where there is a way back to them. */
  readonly previous?: Tensors;
  /** Whether a run did not count, so that none after it changes the variables. */
  readonly halted?: boolean;
}

/** What a program that changes its variables hands to another for other lengths. */
export interface State extends Pick<ProgramOptions, "previous" | "halted"> {
  readonly variables: Tensors;
}

/** A run that gives what is to be awaited on its way: nothing, where all of it is computed at once. */
type Running<Result> = Generator<Promise<unknown>, Result>;

/** What is computed when: everything is made once, so that a run allocates nothing but what it gives back. */
export class NativeProgram {
  readonly plan: Plan;
  readonly #free: () => void;
  /** What runs elsewhere than in the engine's own kernels and loops. */
  readonly #pieces: readonly Piece[];
  readonly #memory: Memory;
  readonly #prepare: readonly (() => unknown)[];
  readonly #steps: readonly (() => unknown)[];
  readonly #finite: readonly string[];
  readonly #views = new Map<Cell, ReturnType<Memory["view"]>>();
  readonly #unused = new Map<string, Tensor>();
  #prepared = false;
  /** Whether there is a generation before this one to go back to. */
  #canRevert = false;
  readonly #clock: Clock | undefined;
  #halted = false;

  constructor(
    dnnl: Dnnl,
    graph: Graph,
    variables: Tensors,
    { finite = [], irreversible, precision = "float32", clock, previous, halted = false }: ProgramOptions = {},
  ) {
    this.#finite = finite;
    this.#clock = clock;
    const { value, free } = dnnl.owned(() => {
      const plain = withActivations(subPixels(meansFirst(padWithin(graph))));
      // In bfloat16 a convolution rounds what it takes.
      const arranged = precision === "float32" ? shortcutsByConvolution(tiled(plain)) : plain;
      const plan = new Plan(dnnl, arranged, rules, precision, new Set(irreversible));
      const memory = new Memory(dnnl, plan.regions, plan.prepared.length + plan.untilOutputs, plan.inputs.values());
      const [prepare, steps] = [plan.prepared, plan.steps].map((each) => each.map((step) => step.make(memory)));
      return { plan, memory, prepare: prepare!, steps: steps! };
    });
    this.plan = value.plan;
    this.#memory = value.memory;
    this.#prepare = value.prepare;
    this.#steps = value.steps;
    this.#free = free;
    this.#pieces = piecesOf(this.plan);
    for (const { cell, tensor } of this.plan.constants) this.#set(cell, tensor);
    // What a run gives back is looked at, even where it is one of its inputs.
    for (const cell of this.plan.outputs.values()) this.#view(cell);
    if (previous) {
      this.write(previous);
      this.#memory.turn();
    }
    this.write(variables);
    this.#canRevert = previous !== undefined;
    this.#halted = halted;
  }

  get bytes(): number {
    return this.#memory.bytes;
  }

  #view(cell: Cell) {
    const view = this.#views.get(cell) ?? this.#memory.view(cell);
    this.#views.set(cell, view);
    return view();
  }

  #set(cell: Cell, { data }: Tensor): void {
    (this.#view(cell) as Float32Array).set(data as Float32Array);
  }

  #get(cell: Cell): Tensor {
    return new Tensor(cell.dtype, cell.shape, copied(cell.dtype, this.#view(cell)));
  }

  /** Has pieces run in ONNX Runtime where they can: the program is then `ran`, not `run`. */
  async open(threads: number): Promise<void> {
    for (const piece of this.#pieces) await piece.open(threads);
  }

  /** Frees what was made for it; it cannot run again. */
  async dispose(): Promise<void> {
    this.#free();
    for (const piece of this.#pieces) await piece.close();
  }

  /** How many of each operator run elsewhere, by the engine that they run in. */
  get elsewhere(): ProgramReport["elsewhere"] {
    const counts: Record<string, Record<string, number>> = {};
    for (const { engine, operator } of this.#pieces) {
      counts[engine] ??= {};
      counts[engine][operator] = (counts[engine][operator] ?? 0) + 1;
    }
    return counts;
  }

  run(feeds: Tensors): Map<string, Tensor> {
    const { done, value } = this.#timed(feeds).next();
    if (done) return value;
    throw new StriateError({ subject: "oneDNN", found: "a piece in ONNX Runtime", mend: "Wait for it, with `ran`" });
  }

  /** The same, where pieces may run in ONNX Runtime. */
  async ran(feeds: Tensors, threads: number): Promise<Map<string, Tensor>> {
    const running = this.#timed(feeds);
    for (;;) {
      useThreads(threads);
      const { done, value } = running.next();
      if (done) return value;
      await value;
    }
  }

  *#timed(feeds: Tensors): Running<Map<string, Tensor>> {
    this.#clock?.begin();
    const results = yield* this.#computed(feeds);
    this.#clock?.end();
    return results;
  }

  *#make(from: number, to: number): Running<void> {
    for (let index = from; index < to; index++) {
      const done = this.#steps[index]!();
      if (done instanceof Promise) yield done;
      this.#clock?.step(this.plan.steps[index]!.kind);
    }
  }

  *#computed(feeds: Tensors): Running<Map<string, Tensor>> {
    if (!this.#prepared)
      for (const step of this.#prepare) {
        const done = step();
        if (done instanceof Promise) yield done;
      }
    this.#prepared = true;
    for (const [name, cell] of this.plan.inputs) {
      const fed = feeds.get(name)!;
      // While a piece is awaited, the caller may do with the feed what he likes.
      const isAtOnce = this.#pieces.length === 0;
      if (!isAtOnce || !this.#memory.lend(cell, fed.data)) this.#set(cell, fed);
    }
    this.#clock?.step(inputsStep);
    const { untilOutputs, outputs } = this.plan;
    yield* this.#make(0, untilOutputs);
    const results = new Map([...outputs].map(([name, cell]) => [name, this.#get(cell)]));
    this.#clock?.step(outputsStep);
    if (this.#halted) return results;
    this.#halted = !this.#finite.every((name) => (results.get(name)!.data as Float32Array).every(Number.isFinite));
    if (this.#halted) this.revert();
    else {
      // From here on the generation before this one is written over.
      this.#canRevert = false;
      yield* this.#make(untilOutputs, this.#steps.length);
      this.#memory.turn();
      this.#canRevert = true;
    }
    return results;
  }

  /** The variables as they are now: those that nothing uses, as they came. Only of a program that changes some. */
  read(): Map<string, Tensor> {
    return new Map([
      ...this.#unused,
      ...[...this.plan.variables].map(([name, cell]) => [name, this.#get(cell)] as const),
    ]);
  }

  /** What another program goes on from. Only of one that changes variables. */
  state(): State {
    const [variables, halted] = [this.read(), this.#halted];
    if (!this.#canRevert) return { variables, halted };
    this.#memory.turn();
    const previous = this.read();
    this.#memory.turn();
    return { variables, previous, halted };
  }

  revert(): void {
    if (this.#canRevert) this.#memory.turn();
    this.#canRevert = false;
  }

  write(variables: Tensors): void {
    for (const [name, tensor] of variables) {
      const cell = this.plan.variables.get(name);
      if (cell) this.#set(cell, tensor);
      else this.#unused.set(name, tensor);
    }
    this.#prepared = false;
    this.#canRevert = false;
    this.#halted = false;
  }
}
