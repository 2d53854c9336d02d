/** The whole Jacobian of a small case: every output's derivative for every input, by our gradient and by differences. */
import { evaluateGraph } from "../../src/engine/reference.ts";
import { Tensor } from "../../src/tensor/tensor.ts";
import type { BuiltCase } from "./build.ts";
import { step } from "./differences.ts";
import { wide } from "./op.ts";

type Tensors = ReadonlyMap<string, Tensor>;

/** How many numbers go in and come out where the gradient is concerned. */
export const sizesOf = ({ feeds, targets, seedOf }: BuiltCase): { readonly from: number; readonly to: number } => {
  const total = (names: Iterable<string>) => [...names].reduce((sum, name) => sum + feeds.get(name)!.size, 0);
  return { from: total(targets), to: total(outputsOf(seedOf).map((output) => seedOf.get(output)!)) };
};

const outputsOf = (seedOf: ReadonlyMap<string, string>): string[] =>
  [...seedOf.keys()].filter((name) => name.startsWith("y"));

/** The tensor with one element another. */
function changed(tensor: Tensor, index: number, value: number): Tensor {
  const data = Float64Array.from(tensor.numbers);
  data[index] = value;
  return new Tensor("float64", tensor.shape, data);
}

/** The elements of several tensors, one after another. */
const joined = (tensors: Tensors, names: readonly string[]): number[] =>
  names.flatMap((name) => Array.from(tensors.get(name)!.numbers));

/** Each element of the tensors of some names, once. */
const places = (tensors: Tensors, names: readonly string[]) =>
  names.flatMap((name) => Array.from({ length: tensors.get(name)!.size }, (_, index) => ({ name, index })));

/** The largest difference between the two Jacobians, as a part of the largest element of either. */
export function jacobianError(built: BuiltCase): number {
  const { graph, forward, targets, seedOf } = built;
  const at = wide(built.feeds);
  const outputs = outputsOf(seedOf);
  const seeds = outputs.map((output) => seedOf.get(output)!);
  const still = new Map(
    seeds.map((seed) => [seed, new Tensor("float64", at.get(seed)!.shape, new Float64Array(at.get(seed)!.size))]),
  );
  const rows = places(at, seeds).map(({ name, index }) => {
    const unit = new Map([...at, ...still, [name, changed(still.get(name)!, index, 1)] as const]);
    return joined(
      evaluateGraph(graph, unit).outputs,
      targets.map((target) => `d${target}`),
    );
  });
  const columns = places(at, targets).map(({ name, index }) => {
    const moved = (by: number) => {
      const tensor = at.get(name)!;
      const feeds = new Map([...at, [name, changed(tensor, index, tensor.numbers[index]! + by)] as const]);
      return joined(evaluateGraph(forward, feeds).outputs, outputs);
    };
    const [after, before] = [moved(step), moved(-step)];
    return after.map((value, row) => (value - before[row]!) / (2 * step));
  });
  let [error, scale] = [0, 0];
  rows.forEach((row, output) => {
    row.forEach((given, input) => {
      const computed = columns[input]![output]!;
      const difference = Math.abs(given - computed);
      error = Math.max(error, Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference);
      scale = Math.max(scale, Math.abs(given), Math.abs(computed));
    });
  });
  return error / scale;
}
