/** Recorded cases of a folder, each on an engine. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Engine } from "../../src/engine/engine.ts";
import { decodeSafetensors } from "../../src/tensor/safetensors.ts";
import { formatShape, sameShape } from "../../src/tensor/shape.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { largestDifference, largestMagnitude } from "../check/compare.ts";
import type { GoldenCase } from "../check/golden.ts";
import { goldenGraph } from "../check/golden-graph.ts";
import { optimiserError } from "./optimisers.ts";

/** The error that is forgiven, as a part of the largest magnitude. */
const allowedOf = (output: string): number => (output.startsWith("d") ? 1e-4 : 1e-5);

/** The recorded cases of a folder: `ops.json` and `ops.safetensors`. */
export function readRecorded(folder: string): { cases: readonly GoldenCase[]; tensors: ReadonlyMap<string, Tensor> } {
  const { cases } = JSON.parse(readFileSync(join(folder, "ops.json"), "utf8")) as { cases: GoldenCase[] };
  return { cases, tensors: decodeSafetensors(readFileSync(join(folder, "ops.safetensors")), "ops.safetensors") };
}

export const isRecorded = (folder: string): boolean => existsSync(join(folder, "ops.safetensors"));

/** Why a case fails on an engine, in one line; undefined where it passes. */
export async function goldenFailure(
  each: GoldenCase,
  tensors: ReadonlyMap<string, Tensor>,
  engine: Engine,
): Promise<string | undefined> {
  try {
    if (each.inputs === undefined) {
      const error = await optimiserError(each, tensors, engine);
      if (error === undefined) return `no optimiser ${each.op}`;
      return error <= allowedOf("p") ? undefined : `p off by ${error.toExponential(2)}`;
    }
    const graph = goldenGraph(each, tensors);
    if (!graph) return `nothing of ours does ${each.op} ${JSON.stringify(each.options)}`;
    const program = await engine.compile(graph, new Map(), { threads: 1 });
    try {
      const feeds = graph.inputs.map(({ source }) => [source.name, tensors.get(`${each.name}.${source.name}`)!]);
      const found = await program.run(Object.fromEntries(feeds));
      const recorded = [...tensors].filter(
        ([name]) => /^(y|d(?!y$).+)$/.test(name.slice(each.name.length + 1)) && name.startsWith(`${each.name}.`),
      );
      const wrong = recorded.flatMap(([name, expected]) => {
        const output = name.slice(each.name.length + 1);
        return differenceOf(output, found.get(output), expected) ?? [];
      });
      return wrong.length === 0 ? undefined : wrong.join("; ");
    } finally {
      await program.dispose();
    }
  } catch (error) {
    return (error instanceof Error ? error.message : String(error)).split("\n")[0]!;
  }
}

function differenceOf(output: string, found: Tensor | undefined, expected: Tensor): string | undefined {
  if (!found) return `no ${output}`;
  if (!sameShape(found.shape, expected.shape))
    return `${output} is ${formatShape(found.shape)}; expected ${formatShape(expected.shape)}`;
  const difference = largestDifference(found, expected);
  const error = difference === 0 ? 0 : difference / largestMagnitude([expected]);
  return error <= allowedOf(output) ? undefined : `${output} off by ${error.toExponential(2)} of its largest`;
}
