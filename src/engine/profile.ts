/** Where the time of runs goes: taken by every engine step by step, summed by operator or layer, or as a trace. */
import { type CostContext, costOf } from "../graph/op.ts";
import type { Node } from "../graph/value.ts";
import type { Engine, Program } from "./engine.ts";

/** What a step of a run is; an engine computes several operators in one step where it can. */
export interface StepKind {
  /** The operator, or those that were computed together, joined by "+". */
  readonly operator: string;
  /** The path of the layer that it belongs to, such as `layer1.0.conv1`; empty where it belongs to none. */
  readonly scope: string;
  /** Multiply-accumulates that are known of it. */
  readonly macs: number;
}

/** What a step of a run took, in milliseconds, by a clock that all programs of an engine share. */
export interface StepTime extends StepKind {
  readonly start: number;
  readonly milliseconds: number;
}

/** What a run took, and every step of it. */
export interface RunTime {
  readonly start: number;
  readonly milliseconds: number;
  readonly steps: readonly StepTime[];
}

/** What a node of these shapes is as a step. */
export const kindOf = (node: Node, shapes: CostContext): StepKind => ({
  operator: node.op.name,
  scope: node.scope,
  macs: costOf(node, shapes).macs,
});

/** How many of a program's runs are kept, after the first, which prepares what others find. */
export const mostRuns = 10;

/** Takes the time of a program's runs, until there are enough of them. */
export class Clock {
  readonly #runs: RunTime[] = [];
  #start = 0;
  #last = 0;
  /** Of the run that is being timed. */
  #steps: StepTime[] | undefined;

  /** The first run is among them only while it is alone. */
  get runs(): readonly RunTime[] {
    return this.#runs.slice(this.#runs.length > 1 ? 1 : 0);
  }

  begin(): void {
    if (this.#runs.length > mostRuns) return;
    this.#start = performance.now();
    this.#last = this.#start;
    this.#steps = [];
  }

  /** Ends a step: what passed since the one before it is its time. */
  step(kind: StepKind): void {
    if (!this.#steps) return;
    const now = performance.now();
    this.#steps.push({ ...kind, start: this.#last, milliseconds: now - this.#last });
    this.#last = now;
  }

  end(): void {
    if (!this.#steps) return;
    this.#runs.push({ start: this.#start, milliseconds: performance.now() - this.#start, steps: this.#steps });
    this.#steps = undefined;
  }
}

/** Bringing inputs in and outputs out: steps of every run. */
export const inputsStep: StepKind = { operator: "inputs", scope: "", macs: 0 };
export const outputsStep: StepKind = { operator: "outputs", scope: "", macs: 0 };

/** The runs of one program. */
export interface ProgramProfile {
  /** Whether its runs change variables, as training steps do. */
  readonly changes: boolean;
  readonly runs: readonly RunTime[];
}

/**
 * An engine that takes the time of every step of what it runs: give it to `fit`, `evaluate` or `predict`, and read it
 * when they are done.
 * @returns the engine, and what reads the times of the first runs of its programs, those that are disposed of included
 *
 * @example
 * import { lenet5, Model, predict, profiled, reference, timesBy, zeros } from "striate";
 *
 * const model = Model.build(lenet5(), { name: "lenet5", input: [1, 32, 32], seed: 1 });
 * const { engine, read } = profiled(reference);
 * await predict(model, zeros([1, 1, 32, 32]), { engine });
 * const [{ runs }] = await read();
 * console.assert(timesBy("operator", runs).some(({ name }) => name === "Conv"));
 */
export function profiled(engine: Engine): { engine: Engine; read: () => Promise<ProgramProfile[]> } {
  const readers: (() => Promise<ProgramProfile>)[] = [];
  const watched = (program: Program, changes: boolean): Program => {
    let last: readonly RunTime[] | undefined;
    readers.push(async () => ({ changes, runs: last ?? (await program.profile()) }));
    return {
      run: (feeds) => program.run(feeds),
      read: (names) => program.read(names),
      revert: () => program.revert(),
      write: (variables) => program.write(variables),
      report: () => program.report(),
      profile: () => program.profile(),
      dispose: async () => {
        last = await program.profile();
        await program.dispose();
      },
    };
  };
  return {
    engine: {
      name: engine.name,
      about: () => engine.about(),
      lower: (graph) => engine.lower(graph),
      compile: async (graph, variables, options) =>
        watched(await engine.compile(graph, variables, { ...options, profile: true }), graph.updates.length > 0),
      close: () => engine.close(),
    },
    read: () => Promise.all(readers.map((read) => read())),
  };
}

/** What all steps of one operator, or of one operator of one layer, took in a run on average. */
export interface Times {
  /** The operator, after the layer's path where it is of one: `conv1/Conv`. */
  readonly name: string;
  /** How many steps of a run are of it. */
  readonly count: number;
  readonly milliseconds: number;
  /** Its part of the run. */
  readonly share: number;
  /** Billions of operations a second, two for each multiply-accumulate; where any are known. */
  readonly gigaflops?: number;
}

/** What is left of a run beside its steps. */
const rest = "other";

/** The layer's path, where it is of one, and the operator: `conv1/Conv`. */
export const nameOf = ({ operator, scope }: StepKind): string => (scope === "" ? operator : `${scope}/${operator}`);

/** Where the time of runs goes, the most first: by operator, or by layer and operator. */
export function timesBy(key: "operator" | "layer", runs: readonly RunTime[]): Times[] {
  const whole = runs.reduce((sum, run) => sum + run.milliseconds, 0);
  const groups = new Map<string, { count: number; milliseconds: number; macs: number }>();
  for (const step of runs.flatMap(({ steps }) => steps)) {
    const name = key === "operator" ? step.operator : nameOf(step);
    const { count, milliseconds, macs } = groups.get(name) ?? { count: 0, milliseconds: 0, macs: 0 };
    const sum = { count: count + 1, milliseconds: milliseconds + step.milliseconds, macs: macs + step.macs };
    groups.set(name, sum);
  }
  const times = (name: string, count: number, milliseconds: number, macs = 0): Times => ({
    name,
    count: count / runs.length,
    milliseconds: milliseconds / runs.length,
    share: milliseconds / whole,
    gigaflops: macs > 0 ? (2 * macs) / (1e6 * milliseconds) : undefined,
  });
  const rows = [...groups].map(([name, { count, milliseconds, macs }]) => times(name, count, milliseconds, macs));
  const left = whole - [...groups.values()].reduce((sum, { milliseconds }) => sum + milliseconds, 0);
  if (left > 0) rows.push(times(rest, 0, left));
  return rows.sort((one, other) => other.milliseconds - one.milliseconds);
}

/** An event of the Trace Event Format, times in microseconds. */
export interface TraceEvent {
  readonly name: string;
  /** "X": an event with a duration; "M": the name of a row. */
  readonly ph: "X" | "M";
  readonly pid: number;
  readonly tid: number;
  readonly ts?: number;
  readonly dur?: number;
  readonly cat?: string;
  readonly args?: Readonly<Record<string, string | number>>;
}

/**
 * Runs as a trace for chrome://tracing or https://ui.perfetto.dev, to be written as JSON: a row for each program, in which
 * every run holds its steps.
 *
 * Trace Event Format, Google 2016: https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU
 */
export function chromeTrace(profiles: readonly ProgramProfile[]): { readonly traceEvents: readonly TraceEvent[] } {
  const events = profiles.flatMap(({ changes, runs }, row): TraceEvent[] => {
    const place = { pid: 1, tid: row + 1 };
    const name = changes ? "training" : "prediction";
    const event = (time: { readonly start: number; readonly milliseconds: number }) => ({
      ...place,
      ph: "X" as const,
      ts: time.start * 1000,
      dur: time.milliseconds * 1000,
    });
    return [
      { ...place, name: "thread_name", ph: "M", args: { name } },
      ...runs.flatMap((run, index) => [
        { ...event(run), name: `run ${index + 1}`, cat: "run" },
        ...run.steps.map((step) => ({
          ...event(step),
          name: nameOf(step),
          cat: step.operator,
          args: { layer: step.scope, ...(step.macs > 0 && { macs: step.macs }) },
        })),
      ]),
    ];
  });
  return { traceEvents: events };
}
