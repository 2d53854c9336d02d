/** A graph with its variables, ready to run on oneDNN: in the thread that runs it. */
import type { Graph } from "../../graph/graph.ts";
import { Tensor } from "../../tensor/tensor.ts";
import type { Tensors } from "../engine.ts";
import { type Clock, inputsStep, outputsStep } from "../profile.ts";
import type { Dnnl } from "./dnnl.ts";
import { rules } from "./kernels.ts";
import { type Cell, copied, Memory } from "./memory.ts";
import { padWithin } from "./padding.ts";
import { Plan } from "./plan.ts";
import type { Stored } from "./precision.ts";
import { withActivations } from "./recognise.ts";

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

/** What is computed when: everything is made once, so that a run allocates nothing but what it gives back. */
export class NativeProgram {
  readonly plan: Plan;
  /** Frees what the library made for it; it cannot run again. */
  readonly dispose: () => void;
  readonly #memory: Memory;
  readonly #prepare: readonly (() => void)[];
  readonly #steps: readonly (() => void)[];
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
      const plan = new Plan(dnnl, withActivations(padWithin(graph)), rules, precision, new Set(irreversible));
      const memory = new Memory(dnnl, plan.regions, plan.prepared.length + plan.untilOutputs);
      const [prepare, steps] = [plan.prepared, plan.steps].map((each) => each.map((step) => step.make(memory)));
      return { plan, memory, prepare: prepare!, steps: steps! };
    });
    this.plan = value.plan;
    this.#memory = value.memory;
    this.#prepare = value.prepare;
    this.#steps = value.steps;
    this.dispose = free;
    for (const { cell, tensor } of this.plan.constants) this.#set(cell, tensor);
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

  run(feeds: Tensors): Map<string, Tensor> {
    this.#clock?.begin();
    const results = this.#computed(feeds);
    this.#clock?.end();
    return results;
  }

  #make(from: number, to: number): void {
    for (let index = from; index < to; index++) {
      this.#steps[index]!();
      this.#clock?.step(this.plan.steps[index]!.kind);
    }
  }

  #computed(feeds: Tensors): Map<string, Tensor> {
    if (!this.#prepared) for (const step of this.#prepare) step();
    this.#prepared = true;
    for (const [name, cell] of this.plan.inputs) this.#set(cell, feeds.get(name)!);
    this.#clock?.step(inputsStep);
    const { untilOutputs, outputs } = this.plan;
    this.#make(0, untilOutputs);
    const results = new Map([...outputs].map(([name, cell]) => [name, this.#get(cell)]));
    this.#clock?.step(outputsStep);
    if (this.#halted) return results;
    this.#halted = !this.#finite.every((name) => (results.get(name)!.data as Float32Array).every(Number.isFinite));
    if (this.#halted) this.revert();
    else {
      // From here on the generation before this one is written over.
      this.#canRevert = false;
      this.#make(untilOutputs, this.#steps.length);
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
