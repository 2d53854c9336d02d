/** A recorded case as a graph: the function, and its gradients for the inputs that have recorded ones. */
import { gradientsOf } from "../../src/autodiff/gradient.ts";
import { type Graph, makeGraph } from "../../src/graph/graph.ts";
import { type Input, inputValue, type Value } from "../../src/graph/value.ts";
import { isFloat } from "../../src/tensor/dtype.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { builders, type GoldenCase } from "./golden.ts";

/** The outputs y, and dx for every input x with a recorded gradient, seeded with the recorded `dy`; undefined where operators of ours lack the case. */
export function goldenGraph(
  { name, op, inputs, options }: GoldenCase,
  tensors: ReadonlyMap<string, Tensor>,
): Graph | undefined {
  const given = (label: string) => inputValue(label, tensors.get(`${name}.${label}`)!);
  const operands = Object.fromEntries(Object.keys(inputs).map((label) => [label, given(label)]));
  const y = builders[op]?.(operands, options as unknown as Parameters<(typeof builders)[string]>[1]);
  if (!y) return undefined;
  const targets = Object.values(operands).filter(
    ({ dtype, source }) => isFloat(dtype) && tensors.has(`${name}.d${source.name}`),
  );
  const dy = given("dy");
  const gradients = gradientsOf(y, targets, { seed: dy });
  const outputs: [string, Value][] = [
    ["y", y],
    ...targets.map(({ source }, index): [string, Value] => [`d${source.name}`, gradients[index]!]),
  ];
  return makeGraph([...(Object.values(operands) as Input[]), dy], new Map(outputs));
}
