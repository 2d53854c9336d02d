/** The native engine: oneDNN, where the library is installed, in a thread of its own or, for little work, in the calling one. */
import { type Graph, variablesOf } from "../../graph/graph.ts";
import { fixedShape } from "../../graph/value.ts";
import { formatShape } from "../../tensor/shape.ts";
import type { Engine } from "../engine.ts";
import { ThreadEngine } from "../thread.ts";
import { lower } from "./lower.ts";
import { sizeOfWork } from "./small.ts";
import { startEngine, startNear } from "./start.ts";

/**
 * Lengths that inputs have are known when a run begins, and then all others; not those of a variable that each run may give
 * another: its place has to be large enough.
 */
function refusal(graph: Graph): ReturnType<NonNullable<Engine["refusal"]>> {
  const open = variablesOf(graph).find((variable) => !fixedShape(variable));
  if (!open) return undefined;
  const found = `"${open.source.name}" of ${formatShape(open.shape)}`;
  return { found, expected: "variables whose lengths are all known" };
}

/** oneDNN, of version 2 or 3. Its thread starts with the first program and does not keep a process alive. */
export const onednn: Engine = new ThreadEngine({
  name: "onednn",
  title: "oneDNN",
  start: startEngine,
  lower,
  refusal,
  takesConstants: false,
  precisions: ["float32", "bfloat16", "auto"],
  near: { sizeOf: sizeOfWork, start: startNear },
});
