/** Which engine runs a graph: the one that is named, or the fastest that there is. */
import { StriateError } from "../errors.ts";
import type { Graph } from "../graph/graph.ts";
import type { CompileOptions, Engine, Program, Tensors } from "./engine.ts";
import { onednn } from "./onednn/onednn.ts";
import { ort } from "./ort/ort.ts";
import { reference } from "./reference.ts";

/** Every engine, the fastest first. */
export const engines: readonly Engine[] = [onednn, ort, reference];

export const engineNames = ["auto", "onednn", "ort", "reference"] as const;
export type EngineName = (typeof engineNames)[number];

/** An engine, or the name of one; `auto` is oneDNN in Node where its library loads, ONNX Runtime elsewhere and for graphs that oneDNN refuses. */
export type EngineChoice = Engine | EngineName;

/** What a function that runs models runs them on. */
export interface EngineOptions extends Pick<CompileOptions, "precision" | "memory"> {
  /** `auto` unless given. */
  readonly engine?: EngineChoice;
}

/** Is told what a user should know, in plain words. */
export type Notice = (text: string) => void;

const warn: Notice = (text) => console.warn(text);

/** What `auto` is where there is oneDNN, by who is told what it cannot run. */
const automatic = new WeakMap<Notice, Engine>();

/** Those that were told already that there is a faster engine. */
const told = new WeakSet<Notice>();

/**
 * The engine that a name stands for. `auto` tells `notice`, once, where a faster engine is missing and how to get it:
 * `console.warn` unless given. Give an engine of this function's where an engine is asked for, to have it told elsewhere.
 * @throws StriateError when an engine that was named cannot run here, with what to do about it
 *
 * @example
 * import { chooseEngine, linesData, evaluate, linesNetwork, Model } from "striate";
 *
 * const notes: string[] = [];
 * const engine = await chooseEngine("auto", (text) => notes.push(text));
 * console.assert(engine.name === "onednn" || (engine.name === "ort" && notes.length === 1));
 * const model = Model.build(linesNetwork(), { name: "lines", input: [1, 64, 64] });
 * const { ranOn } = await evaluate(model, linesData({ seed: 1, split: "test", count: 20 }), { engine }).result;
 * console.assert(ranOn.engine === engine.name);
 */
export async function chooseEngine(choice: EngineChoice = "auto", notice: Notice = warn): Promise<Engine> {
  if (typeof choice !== "string") return choice;
  if (choice === "auto") return fastest(notice);
  const engine = engines.find(({ name }) => name === choice);
  if (!engine)
    throw new StriateError({ subject: "engine", found: choice, expected: `one of ${engineNames.join(", ")}` });
  const { missing, title } = await engine.about();
  if (!missing) return engine;
  const mend = missing.mend === undefined ? 'Use the engine "auto"' : `${missing.mend}; or use the engine "auto"`;
  throw new StriateError({ subject: `engine "${choice}"`, found: missing.found, expected: title, mend });
}

/** Where nothing can be done about the missing one, as in a browser, nothing is said. */
async function fastest(notice: Notice): Promise<Engine> {
  const { missing } = await onednn.about();
  if (!missing) return withFallback(notice);
  if (missing.mend !== undefined && !told.has(notice)) {
    told.add(notice);
    notice(`Running on ONNX Runtime; oneDNN would be faster, and is not here (${missing.found}). ${missing.mend}.`);
  }
  return ort;
}

/** oneDNN, and ONNX Runtime for those graphs that it refuses: of each who is told, the same engine each time. */
function withFallback(notice: Notice): Engine {
  const known = automatic.get(notice);
  if (known) return known;
  let isTold = false;
  const engine: Engine = {
    name: onednn.name,
    about: () => onednn.about(),
    lower: (graph) => onednn.lower(graph),
    compile: async (graph, variables, options = {}) => {
      const refused = onednn.refusal?.(graph);
      if (!refused || options.precision === "bfloat16") return onednn.compile(graph, variables, options);
      if (!isTold) notice(`Running on ONNX Runtime: oneDNN cannot run this graph (${refused.found}).`);
      isTold = true;
      return ort.compile(graph, variables, options);
    },
    close: async () => {
      await onednn.close();
      await ort.close();
    },
  };
  automatic.set(notice, engine);
  return engine;
}

/**
 * Makes a program of a graph and its variables, on the engine and in the precision asked for.
 * @throws StriateError when a variable is missing or does not fit, and when the engine is missing or lacks the precision
 *
 * @example
 * import { compile, full, inputValue, makeGraph, mul } from "striate";
 *
 * const x = inputValue("x", { dtype: "float32", shape: ["length"] });
 * const program = await compile(makeGraph([x], { y: mul(x, 2) }), new Map(), { engine: "ort", precision: "float32" });
 * console.assert((await program.run({ x: full([3], 4) })).get("y")!.toArray().every((each) => each === 8));
 * console.assert((await program.report()).engine === "ort");
 * await program.dispose();
 */
export async function compile(
  graph: Graph,
  variables: Tensors,
  { engine, ...options }: CompileOptions & { readonly engine?: EngineChoice } = {},
): Promise<Program> {
  return (await chooseEngine(engine)).compile(graph, variables, options);
}
