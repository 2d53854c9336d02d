/** Recorded cases of a folder, each on an engine. */
import type { Engine } from "../../src/engine/engine.ts";
import { formatShape, sameShape } from "../../src/tensor/shape.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { largestDifference, largestMagnitude } from "../check/compare.ts";
import { isOperator, type RecordedCase } from "../check/golden.ts";
import { goldenGraph } from "../check/golden-graph.ts";
import { optimiserError } from "./optimisers.ts";

/** The error that is forgiven, as a part of the largest magnitude. */
const allowedOf = (output: string): number => (output.startsWith("d") ? 1e-4 : 1e-5);

/** Why a case fails on an engine, in one line; undefined where it passes. */
export async function goldenFailure(
  each: RecordedCase,
  tensors: ReadonlyMap<string, Tensor>,
  engine: Engine,
): Promise<string | undefined> {
  try {
    if (!isOperator(each)) {
      const error = await optimiserError(each, tensors, engine);
      return error <= allowedOf("p") ? undefined : `p off by ${error.toExponential(2)} of its largest`;
    }
    const graph = goldenGraph(each, tensors);
    const program = await engine.compile(graph, new Map(), { threads: 1 });
    try {
      const feeds = graph.inputs.map(({ source }) => [source.name, tensors.get(`${each.name}.${source.name}`)!]);
      const found = await program.run(Object.fromEntries(feeds));
      const wrong = [...found].flatMap(
        ([output, tensor]) => differenceOf(output, tensor, tensors.get(`${each.name}.${output}`)) ?? [],
      );
      return wrong.length === 0 ? undefined : wrong.join("; ");
    } finally {
      await program.dispose();
    }
  } catch (error) {
    return (error instanceof Error ? error.message : String(error)).split("\n")[0]!;
  }
}

function differenceOf(output: string, found: Tensor, expected: Tensor | undefined): string | undefined {
  if (!expected) return `there is no tensor ${output} to compare with`;
  if (!sameShape(found.shape, expected.shape))
    return `${output} is ${formatShape(found.shape)}; expected ${formatShape(expected.shape)}`;
  const difference = largestDifference(found, expected);
  const error = difference === 0 ? 0 : difference / largestMagnitude([expected]);
  return error <= allowedOf(output) ? undefined : `${output} off by ${error.toExponential(2)} of its largest`;
}
