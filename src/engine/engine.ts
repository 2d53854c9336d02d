/** What an engine is: something that lowers a graph to one it can run, and runs it. */
import { type Complaint, StriateError } from "../errors.ts";
import type { Graph } from "../graph/graph.ts";
import { variablesOf } from "../graph/graph.ts";
import { checkMemory } from "../graph/memory.ts";
import { bind } from "../graph/rewrite.ts";
import type { NamedSource, Value } from "../graph/value.ts";
import { machineMemory } from "../platform/worker.ts";
import { formatShape } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { RunTime } from "./profile.ts";

export type Tensors = ReadonlyMap<string, Tensor>;

/** How numbers are stored and multiplied between a program's inputs and outputs. */
export type Precision = "float32" | "bfloat16" | "auto";

export interface CompileOptions {
  /** Lengths for named dimensions. Those left out stay open where the engine can run them so. */
  readonly dimensions?: Readonly<Record<string, number>>;
  /**
   * Outputs that must be finite numbers for a run to count. A run in which one is not leaves the variables as they were
   * before the run before it (a loss that is NaN condemns the update that led to it), and no later run changes them.
   */
  readonly finite?: readonly string[];
  /**
   * Variables that are never taken back, so that their earlier values need not be kept: an optimiser's moments, which
   * nothing asks for once its run does not count.
   */
  readonly irreversible?: readonly string[];
  /** Threads for the arithmetic; as many as there are cores by default. */
  readonly threads?: number;
  /**
   * The most bytes of memory that the values of a run may take, known before it begins: half the machine's, and 8 GiB at
   * most, by default. A graph from an untrusted file can ask for any amount.
   */
  readonly memory?: number;
  /**
   * `float32` by default. With `bfloat16` (8 bits of fraction) maps, features and their gradients are stored in half the
   * bytes and convolved and multiplied so; variables, statistics, losses, sums and updates stay float32. `auto` is bfloat16
   * where the processor has matrix units for it (AMX) and the engine uses them, float32 otherwise.
   */
  readonly precision?: Precision;
  /** Whether the time of every step of a run is taken, for the program's `profile`; `profiled` asks for it. */
  readonly profile?: boolean;
}

const defaultMemory = 2 ** 33;

/** The limit for the memory of a run. */
export const memoryLimit = ({ memory }: CompileOptions): number =>
  memory ?? Math.min(defaultMemory, machineMemory() / 2);

/** Checks that the memory of each run stays within its limit, also where inputs decide the lengths of named dimensions. */
export class MemoryGuard {
  readonly #graph: Graph;
  readonly #limit: number;
  /** The lengths that were checked already. */
  readonly #checked = new Set<string>();

  /** @throws StriateError when a run takes more than the limit whatever its inputs are */
  constructor(graph: Graph, limit: number) {
    this.#graph = graph;
    this.#limit = limit;
    checkMemory(graph, limit);
  }

  /** @throws StriateError when a run with these inputs takes more than the limit, or when they give a name two lengths */
  check(feeds: Readonly<Record<string, Tensor>>): void {
    const lengths = givenLengths(this.#graph, feeds);
    const key = Object.values(lengths).join();
    if (key === "" || this.#checked.has(key)) return;
    checkMemory(bind(this.#graph, lengths), this.#limit);
    if (this.#checked.size < mostChecked) this.#checked.add(key);
  }
}

const mostChecked = 1000;

/**
 * The lengths that inputs give to named dimensions.
 * @throws StriateError when two of them give one name different lengths
 */
export function givenLengths(
  { inputs }: Graph,
  feeds: Readonly<Record<string, Pick<Tensor, "shape">>>,
): Record<string, number> {
  const known = new Map<string, { readonly name: string; readonly length: number }>();
  for (const { shape, source } of inputs)
    for (const [axis, dimension] of shape.entries()) {
      if (typeof dimension === "number") continue;
      const given = { name: source.name, length: feeds[source.name]!.shape[axis]! };
      const first = known.get(dimension) ?? given;
      if (given.length !== first.length)
        throw new StriateError({
          subject: "run",
          found: `a ${dimension} of ${first.length} in "${first.name}" and of ${given.length} in "${given.name}"`,
          expected: "one length for each named dimension",
        });
      known.set(dimension, given);
    }
  return Object.fromEntries([...known].map(([dimension, { length }]) => [dimension, length]));
}

/** What a program ran on. */
export interface ProgramReport {
  /** The engine's name. */
  readonly engine: string;
  /** In which numbers it computed. */
  readonly precision: "float64" | Exclude<Precision, "auto">;
  /**
   * The operators of the last run that ran elsewhere than in the engine's own kernels and loops: by the engine that computed
   * them (`ort`; `reference` by the operator's own `evaluate`), with how many of each. Of what is the same in every run, too.
   */
  readonly elsewhere: Readonly<Record<string, Readonly<Record<string, number>>>>;
}

/** What several programs ran on together: of each operator, the most that one of them ran elsewhere. */
export function reportTogether([first, ...others]: readonly [ProgramReport, ...ProgramReport[]]): ProgramReport {
  const elsewhere: Record<string, Record<string, number>> = {};
  for (const each of [first, ...others])
    for (const [engine, counts] of Object.entries(each.elsewhere)) {
      elsewhere[engine] ??= {};
      for (const [name, count] of Object.entries(counts))
        elsewhere[engine][name] = Math.max(elsewhere[engine][name] ?? 0, count);
    }
  return { ...first, elsewhere };
}

/** A compiled graph with its variables, which each run updates. */
export interface Program {
  /** Runs the graph on these inputs; the outputs, after the updates have been made. */
  run(feeds: Readonly<Record<string, Tensor>>): Promise<Tensors>;
  /** The variables as they are now, or those of the names given. */
  read(names?: readonly string[]): Promise<Map<string, Tensor>>;
  /**
   * Makes the variables, but those that are irreversible, what they were before the last run that changed them. It takes
   * back one run: another time, or after a run that did not count or variables that were written, it changes nothing.
   */
  revert(): Promise<void>;
  /** Replaces variables: those before the last run are forgotten. */
  write(variables: Tensors): Promise<void>;
  /** What it ran on, as of its last run. */
  report(): Promise<ProgramReport>;
  /** What its first runs took, step by step: none unless it was compiled with `profile`. */
  profile(): Promise<readonly RunTime[]>;
  /** Frees what the program holds; it cannot run again. */
  dispose(): Promise<void>;
}

/** An engine as it is on this machine. */
export interface EngineFacts {
  readonly name: string;
  /** What people call it. */
  readonly title: string;
  readonly precisions: readonly Precision[];
  /** What keeps it from running here, and what to do about it; nothing where it runs. */
  readonly missing?: Pick<Complaint, "found" | "mend">;
  readonly version?: string;
  /** The file of its library, where that is the system's. */
  readonly library?: string;
  /** The instruction set that it computes with, by its own name for it. */
  readonly instructions?: string;
  /** What the precision `auto` stands for. */
  readonly auto?: Precision;
}

export interface Engine {
  readonly name: string;
  /** What it is on this machine, or what it lacks: found out once. */
  about(): Promise<EngineFacts>;
  /** The graph that is run in place of this one: the same values in operators that the engine has. */
  lower(graph: Graph): Graph;
  /** What of a graph keeps this engine from running it, where others can: `auto` then takes one of those. */
  refusal?(graph: Graph): Pick<Complaint, "found" | "expected"> | undefined;
  /**
   * @param variables first values of the graph's parameters and states
   * @throws StriateError when one is missing or has another shape
   */
  compile(graph: Graph, variables: Tensors, options?: CompileOptions): Promise<Program>;
  /** Stops the engine's threads; its programs cannot run again. */
  close(): Promise<void>;
}

/** @throws StriateError when an engine of these precisions does not have the one asked for */
export function checkPrecision(
  engine: string,
  known: readonly Precision[],
  { precision = "float32" }: CompileOptions,
): void {
  if (known.includes(precision)) return;
  const mend = precision === "bfloat16" ? { mend: 'Use the engine "onednn", which has it' } : {};
  throw new StriateError({
    subject: `engine "${engine}"`,
    found: `a precision of ${precision}`,
    expected: `one of ${known.join(", ")}`,
    ...mend,
  });
}

/** The precisions of an engine that has no bfloat16. */
export const single: readonly Precision[] = ["float32", "auto"];

/** Checks a tensor against the value it is for; named dimensions take any length. */
export function checkTensor(subject: string, tensor: Tensor | undefined, value: Value): Tensor {
  const { name } = value.source as NamedSource;
  const expected = `${value.dtype} ${formatShape(value.shape)}`;
  if (tensor === undefined) throw new StriateError({ subject, found: `nothing for "${name}"`, expected });
  const fits =
    tensor.shape.length === value.shape.length &&
    value.shape.every((dimension, axis) => typeof dimension === "string" || dimension === tensor.shape[axis]);
  if (!fits || tensor.dtype !== value.dtype)
    throw new StriateError({ subject, found: `${tensor.dtype} ${formatShape(tensor.shape)} for "${name}"`, expected });
  return tensor;
}

/** Checks tensors that are to replace some of a graph's variables. */
export function checkWritten(graph: Graph, variables: Tensors): Tensors {
  const known = new Map(variablesOf(graph).map((variable) => [variable.source.name, variable]));
  for (const [name, tensor] of variables) {
    const variable = known.get(name);
    if (!variable)
      throw new StriateError({
        subject: "write",
        found: `a variable "${name}"`,
        expected: `one of ${[...known.keys()].join(", ")}`,
      });
    checkTensor("write", tensor, variable);
  }
  return variables;
}

/** The names asked for, or all, each of which must be a variable's. */
export function checkRead(graph: Graph, names: readonly string[] | undefined): readonly string[] {
  const known = variablesOf(graph).map(({ source }) => source.name);
  const missing = names?.find((name) => !known.includes(name));
  if (missing !== undefined)
    throw new StriateError({
      subject: "read",
      found: `a variable "${missing}"`,
      expected: `one of ${known.join(", ")}`,
    });
  return names ?? known;
}

/** The tensors for a graph's variables, each checked. */
export function checkVariables(graph: Graph, variables: Tensors): Map<string, Tensor> {
  return new Map(
    variablesOf(graph).map((variable) => {
      const { name } = variable.source;
      return [name, checkTensor("variables", variables.get(name), variable)];
    }),
  );
}
