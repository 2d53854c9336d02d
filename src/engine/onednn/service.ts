/** What a thread with oneDNN can be asked: it holds programs and runs them one after the other. */
import { StriateError } from "../../errors.ts";
import { type Graph, leavesOf, makeGraph } from "../../graph/graph.ts";
import { bind, rewrite } from "../../graph/rewrite.ts";
import { constant, stateValue, type Value, type Variable } from "../../graph/value.ts";
import { decode } from "../../onnx/decode.ts";
import { nextName } from "../../onnx/names.ts";
import { Moved } from "../../platform/calls.ts";
import { Tensor } from "../../tensor/tensor.ts";
import { givenLengths } from "../engine.ts";
import { Clock, type RunTime } from "../profile.ts";
import type { AboutAnswer, OpenRequest, PlainTensors, ReportAnswer, RunAnswer, RunRequest } from "../protocol.ts";
import { dnnl, endTeam, libraryFacts, useThreads } from "./library.ts";
import { chosenPrecision, type Stored } from "./precision.ts";
import { NativeProgram, type State } from "./program.ts";

/** A graph that may have dimensions by name, and a program for the lengths that it ran with last. */
interface Held {
  readonly graph: Graph;
  readonly finite: readonly string[];
  readonly irreversible: readonly string[];
  readonly precision: Stored;
  readonly threads: number;
  readonly clock: Clock | undefined;
  /** Until a program holds it, or for the next one. */
  state: State;
  native?: { readonly key: string; readonly program: NativeProgram } | undefined;
}

const tensors = (given: PlainTensors): Map<string, Tensor> =>
  new Map(Object.entries(given).map(([name, { dtype, shape, data }]) => [name, new Tensor(dtype, shape, data)]));

const plain = (given: ReadonlyMap<string, Tensor>): PlainTensors =>
  Object.fromEntries([...given].map(([name, { dtype, shape, data }]) => [name, { dtype, shape, data }]));

/** The graph as it was before it crossed: constants are constants again, and variables change as they did. */
function received(model: Uint8Array, variables: ReadonlySet<string>, updates: readonly string[]): Graph {
  const { graph, variables: constants } = decode(model, "graph");
  const leaves = new Map<Value, Value>();
  const known = new Map<string, Variable>();
  for (const leaf of leavesOf(graph)) {
    const name = "name" in leaf.source ? leaf.source.name : "";
    if (variables.has(name)) {
      known.set(name, stateValue(name, leaf));
      leaves.set(leaf, known.get(name)!);
    } else if (constants.has(name)) leaves.set(leaf, constant(constants.get(name)!));
  }
  const inputs = graph.inputs.filter(({ source }) => !variables.has(source.name));
  const { outputs } = rewrite({ ...graph, inputs }, () => undefined, leaves).graph;
  const nexts = new Map(updates.map((name) => [nextName(name), name]));
  return makeGraph(
    inputs,
    new Map([...outputs].filter(([name]) => !nexts.has(name))),
    [...nexts].map(([next, name]) => ({ variable: known.get(name)!, next: outputs.get(next)! })),
  );
}

/** The program for feeds of these shapes; another than the last takes over its variables. */
async function programFor(held: Held, feeds: PlainTensors): Promise<NativeProgram> {
  const dimensions = givenLengths(held.graph, feeds);
  const key = JSON.stringify(dimensions);
  if (held.native?.key === key) return held.native.program;
  const changes = held.graph.updates.length > 0;
  if (held.native && changes) held.state = held.native.program.state();
  await discard(held);
  const { variables, previous, halted } = held.state;
  useThreads(held.threads);
  const program = new NativeProgram(dnnl(), bind(held.graph, dimensions), variables, { ...held, previous, halted });
  await program.open(held.threads);
  held.native = { key, program };
  // A program that changes its variables has them; of one that does not, another for other lengths may need them.
  if (changes || Object.keys(dimensions).length === 0) held.state = { variables: new Map() };
  return program;
}

async function discard(held: Held): Promise<void> {
  const { native } = held;
  held.native = undefined;
  await native?.program.dispose();
}

/** What answers for a thread, or for an engine's programs in the calling one: with a table of programs of its own. */
export function makeService() {
  const programs = new Map<number, Held>();
  let isShared = false;
  const heldOf = (program: number): Held => {
    const held = programs.get(program);
    if (!held) throw new StriateError({ subject: "program", found: "a program that was disposed of" });
    return held;
  };
  return {
    about: (): AboutAnswer => ({ auto: chosenPrecision(dnnl(), "auto"), ...libraryFacts() }),

    async open(request: OpenRequest): Promise<void> {
      const { program, threads, finite, irreversible } = request;
      const precision = chosenPrecision(dnnl(), request.precision);
      const clock = request.profile ? new Clock() : undefined;
      const before = programs.get(program);
      if (before) await discard(before);
      const graph = received(request.model, new Set(request.variables), request.updates);
      const held: Held = { clock, threads, graph, finite, irreversible, precision, state: { variables: new Map() } };
      programs.set(program, held);
      // Where every length is known, variables are written to their places.
      const isKnown = graph.inputs.every(({ shape }) => shape.every((length) => typeof length === "number"));
      try {
        if (isKnown) await programFor(held, {});
      } catch (error) {
        if (!before) programs.delete(program);
        throw error;
      }
    },

    async run({ program, feeds, lent }: RunRequest): Promise<Moved> {
      const held = heldOf(program);
      const outputs = await (await programFor(held, feeds)).ran(tensors(feeds), held.threads);
      if (isShared && held.threads > 1) endTeam();
      return new Moved({ outputs: plain(outputs), lent } satisfies RunAnswer, lent);
    },

    read({ program, names }: { program: number; names: readonly string[] }): PlainTensors {
      const held = heldOf(program);
      const all = held.native?.program.read() ?? held.state.variables;
      return plain(new Map(names.map((name) => [name, all.get(name)!])));
    },

    revert({ program }: { program: number }): void {
      const held = heldOf(program);
      if (held.native) held.native.program.revert();
      else held.state = { ...held.state, variables: held.state.previous ?? held.state.variables, previous: undefined };
    },

    write({ program, variables }: { program: number; variables: PlainTensors }): void {
      const held = heldOf(program);
      const given = tensors(variables);
      if (held.native) held.native.program.write(given);
      else held.state = { variables: new Map([...held.state.variables, ...given]) };
    },

    /** From now on another thread has a team of threads: those of this one do not stay between runs. */
    share(): void {
      isShared = true;
      endTeam();
    },

    report({ program }: { program: number }): ReportAnswer {
      const { precision, native } = heldOf(program);
      return { precision, elsewhere: native?.program.elsewhere ?? {} };
    },

    profile: ({ program }: { program: number }): readonly RunTime[] => heldOf(program).clock?.runs ?? [],

    async dispose({ program }: { program: number }): Promise<void> {
      const held = programs.get(program);
      programs.delete(program);
      if (held) await discard(held);
    },

    async close(): Promise<void> {
      const all = [...programs.values()];
      programs.clear();
      for (const held of all) await discard(held);
      if (all.length > 0) endTeam();
    },
  };
}
