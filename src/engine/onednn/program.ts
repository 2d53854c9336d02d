/** A graph with its variables, ready to run on oneDNN: in the thread that runs it. */
import type { Graph } from "../../graph/graph.ts";
import { Tensor } from "../../tensor/tensor.ts";
import type { Tensors } from "../engine.ts";
import type { Dnnl } from "./dnnl.ts";
import { rules } from "./kernels.ts";
import { type Cell, copied, Memory } from "./memory.ts";
import { Plan } from "./plan.ts";
import type { Stored } from "./precision.ts";

/** What is computed when: everything is made once, so that a run allocates nothing but what it gives back. */
export class NativeProgram {
  readonly plan: Plan;
  readonly #memory: Memory;
  readonly #prepare: readonly (() => void)[];
  readonly #steps: readonly (() => void)[];
  readonly #finite: readonly string[];
  readonly #views = new Map<Cell, ReturnType<Memory["view"]>>();
  readonly #unused = new Map<string, Tensor>();
  #prepared = false;
  /** Whether there is a generation before this one to go back to. */
  #canRevert = false;
  #halted = false;

  constructor(dnnl: Dnnl, graph: Graph, variables: Tensors, finite: readonly string[], precision: Stored = "float32") {
    this.plan = new Plan(dnnl, graph, rules, precision);
    this.#finite = finite;
    this.#memory = new Memory(dnnl, this.plan.regions, this.plan.prepared.length + this.plan.untilOutputs);
    this.#prepare = this.plan.prepared.map((step) => step.make(this.#memory));
    this.#steps = this.plan.steps.map((step) => step.make(this.#memory));
    for (const { cell, tensor } of this.plan.constants) this.#set(cell, tensor);
    this.write(variables);
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
    if (!this.#prepared) for (const step of this.#prepare) step();
    this.#prepared = true;
    for (const [name, cell] of this.plan.inputs) this.#set(cell, feeds.get(name)!);
    const { untilOutputs, outputs } = this.plan;
    for (let index = 0; index < untilOutputs; index++) this.#steps[index]!();
    const results = new Map([...outputs].map(([name, cell]) => [name, this.#get(cell)]));
    if (this.#halted) return results;
    this.#halted = !this.#finite.every((name) => (results.get(name)!.data as Float32Array).every(Number.isFinite));
    if (this.#halted) this.revert();
    else {
      for (let index = untilOutputs; index < this.#steps.length; index++) this.#steps[index]!();
      this.#memory.turn();
      this.#canRevert = true;
    }
    return results;
  }

  /** Milliseconds of every step of a run, by name. */
  profile(): { name: string; milliseconds: number }[] {
    return this.#steps.map((step, index) => {
      const start = performance.now();
      step();
      return { name: this.plan.steps[index]!.name, milliseconds: performance.now() - start };
    });
  }

  /** The variables as they are now: those that nothing uses, as they came. */
  read(): Map<string, Tensor> {
    return new Map([
      ...this.#unused,
      ...[...this.plan.variables].map(([name, cell]) => [name, this.#get(cell)] as const),
    ]);
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
