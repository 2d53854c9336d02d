/** A recorded case as a graph: the function, and its gradients for the inputs that have recorded ones. */
import { gradientsOf } from "../../src/autodiff/gradient.ts";
import { type Graph, makeGraph } from "../../src/graph/graph.ts";
import { type Input, inputValue, type Value } from "../../src/graph/value.ts";
import { formatShape, sameShape } from "../../src/tensor/shape.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { builders, type GoldenCase } from "./golden.ts";

/** Options that only tell a reader something. */
const remarks: readonly string[] = ["note"];

/** @throws Error when the options hold one that `use` does not ask for: it would have no effect */
export function usingAll<T>(options: Readonly<Record<string, unknown>>, use: (options: object) => T): T {
  const used = new Set<string | symbol>(remarks);
  const result = use(
    new Proxy(options, {
      get: (target, name) => {
        used.add(name);
        return Reflect.get(target, name);
      },
    }),
  );
  const unused = Object.keys(options).filter((name) => !used.has(name));
  if (unused.length > 0) throw new Error(`nothing of ours takes the option ${unused.join(", ")}`);
  return result;
}

/** The outputs y, and dx for every input x that the case has a gradient of, seeded with the recorded `dy`. */
export function goldenGraph(
  { name, op, inputs, gradients: recorded, options }: GoldenCase,
  tensors: ReadonlyMap<string, Tensor>,
): Graph {
  const builder = Object.hasOwn(builders, op) ? builders[op]! : undefined;
  if (!builder) throw new Error(`nothing of ours does ${op}`);
  const given = (label: string, shape?: readonly number[]) => {
    const tensor = tensors.get(`${name}.${label}`);
    if (!tensor) throw new Error(`there is no tensor ${name}.${label}`);
    if (shape && !sameShape(tensor.shape, shape))
      throw new Error(`${label} is ${formatShape(tensor.shape)}; the case says ${formatShape(shape)}`);
    return inputValue(label, tensor);
  };
  const operands = Object.fromEntries(Object.entries(inputs).map(([label, shape]) => [label, given(label, shape)]));
  const y = usingAll(options, (all) => builder(operands, all as Parameters<typeof builder>[1]));
  const targets = Object.keys(recorded).map((label) => {
    if (!operands[label]) throw new Error(`there is a gradient of ${label}, which is no input`);
    return operands[label];
  });
  const dy = given("dy");
  const gradients = gradientsOf(y, targets, { seed: dy });
  const outputs: [string, Value][] = [
    ["y", y],
    ...targets.map(({ source }, index): [string, Value] => [`d${source.name}`, gradients[index]!]),
  ];
  return makeGraph([...(Object.values(operands) as Input[]), dy], new Map(outputs));
}
