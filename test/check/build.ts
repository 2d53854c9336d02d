/** The graphs of a case. */
import { gradientsOf } from "../../src/autodiff/gradient.ts";
import { type Graph, makeGraph } from "../../src/graph/graph.ts";
import { apply, notDifferentiable } from "../../src/graph/op.ts";
import { constant, type Dimension, type Input, inputValue, producerOf, type Value } from "../../src/graph/value.ts";
import { add } from "../../src/ops/core/elementwise.ts";
import { isFloat } from "../../src/tensor/dtype.ts";
import { Random } from "../../src/tensor/random.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import type { OpCase, OperandSpec } from "./case.ts";
import { drawTensor, normal } from "./draw.ts";

export interface BuiltCase {
  readonly name: string;
  /** The operator alone: outputs y0, y1 ... */
  readonly forward: Graph;
  /** The same with the gradient of the seeded sum of its outputs for each target: outputs dx0, dx1 ... */
  readonly graph: Graph;
  /** Gradients of the seeded sum of those gradients: outputs ddx0, ddx1 ... */
  readonly second: () => Graph;
  /** The names of the inputs that are differentiated for. */
  readonly targets: readonly string[];
  /** For each differentiable output, y or dx, the input that multiplies it in the sum. */
  readonly seedOf: ReadonlyMap<string, string>;
  readonly feeds: ReadonlyMap<string, Tensor>;
  /** The lengths of all named dimensions, those of the seeds (`3*height`) too. */
  readonly dimensions: Readonly<Record<string, number>>;
}

const sum = (values: readonly Value[]): Value => values.reduce(add);

/**
 * The graphs of a case, with its named dimensions as numbers or by name, and tensors to feed them with.
 * Composed, the operator is replaced by its composition and not differentiated.
 */
export function buildCase(opCase: OpCase, naming: "fixed" | "named", composed = false): BuiltCase {
  const { name, op, inputs, attributes = {} } = opCase;
  const lengths: Record<string, number> = { batch: 2, ...opCase.dimensions };
  const fixed = (shape: readonly Dimension[]): number[] =>
    shape.map((each) => (typeof each === "number" ? each : lengths[each]!));
  const shaped = (shape: readonly Dimension[]) => (naming === "fixed" ? fixed(shape) : shape);
  const feeds = new Map<string, Tensor>();
  const listed: Input[] = [];
  const addInput = (label: string, { shape, dtype = "float32", draw = normal, random }: OperandSpec): Input => {
    feeds.set(label, drawTensor(draw, new Random(1, name, label), fixed(shape), dtype));
    const input = inputValue(label, { dtype, shape: shaped(shape) });
    if (!random) listed.push(input);
    return input;
  };
  const values = inputs.map((spec, index): Value => {
    if (!spec.constant) return addInput(`x${index}`, spec);
    const { draw = normal, dtype = "float32" } = spec;
    return constant(drawTensor(draw, new Random(1, name, `x${index}`), fixed(spec.shape), dtype));
  });
  const operands = opCase.operands?.(values) ?? values;
  const applied = opCase.results?.(values) ?? apply(op, operands, attributes);
  const results = composed ? op.composition!(operands, producerOf(applied[0]!)!.attributes) : applied;
  const outputs = new Map(results.map((value, index) => [`y${index}`, value]));
  const forward = makeGraph([...listed], outputs);

  const targets = values.filter(
    (value, index) =>
      op.gradient !== notDifferentiable &&
      value.source.kind === "input" &&
      isFloat(value.dtype) &&
      inputs[index]!.differentiable !== false,
  ) as Input[];
  if (targets.length === 0 || composed || !results.some(({ dtype }) => isFloat(dtype)))
    return {
      name,
      forward,
      graph: forward,
      second: () => forward,
      targets: [],
      seedOf: new Map(),
      feeds,
      dimensions: lengths,
    };
  const seedOf = new Map<string, string>();
  const fixedResults = naming === "fixed" ? results : buildCase(opCase, "fixed").forward.outputs.values();
  const shapes = [...fixedResults].map(({ shape }) => shape as number[]);
  const seeds = results.map((value, index) => {
    if (!isFloat(value.dtype)) return undefined;
    seedOf.set(`y${index}`, `seed${index}`);
    feeds.set(`seed${index}`, drawTensor(normal, new Random(1, name, `seed${index}`), shapes[index]!, value.dtype));
    value.shape.forEach((each, axis) => {
      if (typeof each === "string") lengths[each] = shapes[index]![axis]!;
    });
    const seed = inputValue(`seed${index}`, value);
    listed.push(seed);
    return seed;
  });
  const seededGradients = (of: readonly Value[], withSeeds: readonly (Value | undefined)[]): Value[] => {
    const each = of.flatMap((value, index) =>
      withSeeds[index] ? [gradientsOf(value, targets, { seed: withSeeds[index] })] : [],
    );
    return targets.map((_, index) => sum(each.map((gradients) => gradients[index]!)));
  };
  const gradients = seededGradients(results, seeds);
  targets.forEach(({ source }, index) => {
    outputs.set(`d${source.name}`, gradients[index]!);
  });
  const graph = makeGraph([...listed], outputs);
  const secondSeeds = targets.map((target) => {
    const label = `seed.d${target.source.name}`;
    seedOf.set(`d${target.source.name}`, label);
    feeds.set(
      label,
      drawTensor(normal, new Random(1, name, label), feeds.get(target.source.name)!.shape, target.dtype),
    );
    return inputValue(label, target);
  });
  const second = () => {
    const again = seededGradients(gradients, secondSeeds);
    const named = targets.map(({ source }, index) => [`dd${source.name}`, again[index]!] as const);
    return makeGraph([...listed, ...secondSeeds], new Map(named));
  };
  return {
    name,
    forward,
    graph,
    second,
    targets: targets.map(({ source }) => source.name),
    seedOf,
    feeds,
    dimensions: lengths,
  };
}
