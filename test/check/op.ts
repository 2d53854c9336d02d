/** The one meaning of "an operator works". */
import type { Engine } from "../../src/engine/engine.ts";
import { evaluateGraph } from "../../src/engine/reference.ts";
import { type Graph, nodesOf } from "../../src/graph/graph.ts";
import { notDifferentiable } from "../../src/graph/op.ts";
import { bind, rewrite } from "../../src/graph/rewrite.ts";
import { isFloat } from "../../src/tensor/dtype.ts";
import { formatShape, sameShape } from "../../src/tensor/shape.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { type BuiltCase, buildCase } from "./build.ts";
import type { OpCase } from "./case.ts";
import { expectClose, largestMagnitude } from "./compare.ts";
import { type DifferenceResult, differences } from "./differences.ts";
import { checkRoundTrip } from "./onnx.ts";

export interface CheckOptions {
  readonly engines?: readonly Engine[];
  /** Check gradients along this many random directions instead of in every element: for many cases, quickly. */
  readonly directions?: number;
}

/**
 * Holds an operator to everything it states about itself, in one case:
 *
 * 1. the types it infers are those of the tensors it gives, with named dimensions too, bound later or at run time;
 * 2. every engine gives what the reference engine gives, gradients included (float32: to 1e-5 of the largest magnitude);
 * 3. its gradient is that of central differences in float64, to 1e-6 of the case's largest gradient, and so is the
 *    gradient of its gradient;
 * 4. written as ONNX and read again it is the same graph and gives the same numbers;
 * 5. its composition of standard operators, if it has one, gives the same numbers.
 *
 * @throws Error that says which of these does not hold, and by how much
 */
export async function checkOp(opCase: OpCase, { engines = [], directions }: CheckOptions = {}): Promise<void> {
  const fixed = buildCase(opCase, "fixed");
  checkTypes(fixed);
  checkNamedDimensions(opCase, fixed);
  checkComposition(opCase, fixed);
  if (isDifferentiable(opCase)) {
    checkGradient(fixed, directions);
    if (opCase.secondOrder !== false) checkSecondOrder(fixed, directions);
  }
  if (!opCase.except?.includes("onnx")) checkRoundTrip(fixed);
  for (const engine of engines) if (!opCase.except?.includes(engine.name)) await checkEngine(opCase, fixed, engine);
}

/** Whether the case checks a gradient: its operator has one, and some operand may move. */
export const isDifferentiable = ({ op, inputs }: OpCase): boolean =>
  op.gradient !== notDifferentiable &&
  inputs.some(
    ({ dtype = "float32", differentiable = true, constant }) => differentiable && !constant && isFloat(dtype),
  );

/** Floats in float64, so that differences have digits to spare. */
export const wide = (feeds: ReadonlyMap<string, Tensor>): Map<string, Tensor> =>
  new Map([...feeds].map(([name, tensor]) => [name, isFloat(tensor.dtype) ? tensor.cast("float64") : tensor]));

/**
 * Evaluated in the types that the graph says, every node gives tensors of the types that it inferred; between float
 * types it may keep that of an operand.
 */
function checkTypes({ name, forward, feeds }: BuiltCase): void {
  const known = new Map<unknown, Tensor>();
  for (const node of nodesOf(forward)) {
    const operands = node.inputs.map((input) => {
      if (input === undefined || input.source.kind === "node") return input && known.get(input);
      return input.source.kind === "constant" ? input.source.tensor : feeds.get(input.source.name);
    });
    const results = node.op.evaluate(operands, node.attributes);
    node.outputs.forEach((output, index) => {
      const result = results[index];
      if (result === undefined) throw new Error(`${name}: ${node.op.name} gives no output ${index}`);
      known.set(output, result);
      const kept = isFloat(output.dtype) && operands.some((each) => each?.dtype === result.dtype);
      if ((result.dtype !== output.dtype && !kept) || !sameShape(result.shape, output.shape))
        throw new Error(
          `${name}: ${node.op.name} gives ${result.dtype} ${formatShape(result.shape)}; ` +
            `it inferred ${output.dtype} ${formatShape(output.shape)}`,
        );
    });
  }
}

/** With dimensions that have names, the same: once bound to numbers, and left open until the numbers come. */
function checkNamedDimensions(opCase: OpCase, fixed: BuiltCase): void {
  if (opCase.inputs.every(({ shape }) => shape.every((dimension) => typeof dimension === "number"))) return;
  const named = buildCase(opCase, "named");
  const expected = evaluateGraph(fixed.graph, fixed.feeds).outputs;
  const lengthOf = new Map<string, number>();
  for (const [output, { shape }] of named.graph.outputs)
    shape.forEach((dimension, axis) => {
      const length = fixed.graph.outputs.get(output)!.shape[axis] as number;
      const said = typeof dimension === "number" ? dimension : (lengthOf.get(dimension) ?? length);
      if (said !== length)
        throw new Error(`${fixed.name}: ${output} is ${formatShape(shape)} with names, but axis ${axis} is ${length}`);
      if (typeof dimension === "string") lengthOf.set(dimension, length);
    });
  const bound = bind(named.graph, named.dimensions);
  for (const [output, value] of bound.outputs) {
    const shape = fixed.graph.outputs.get(output)!.shape;
    if (!sameShape(value.shape, shape))
      throw new Error(
        `${fixed.name}: ${output} is ${formatShape(value.shape)} when bound; expected ${formatShape(shape)}`,
      );
  }
  for (const [way, graph] of Object.entries({ bound, open: named.graph })) {
    const found = evaluateGraph(graph, fixed.feeds).outputs;
    for (const [output, tensor] of expected)
      expectClose(`${fixed.name}: ${output}, dimensions ${way}`, found.get(output), tensor, { relative: 1e-12 });
  }
}

function checkComposition(opCase: OpCase, fixed: BuiltCase): void {
  if (opCase.op.composition === undefined) return;
  const composed = buildCase(opCase, "fixed", true).forward;
  const found = evaluateGraph(inStandardOperators(composed), fixed.feeds).outputs;
  const expected = evaluateGraph(fixed.forward, fixed.feeds).outputs;
  for (const [output, { dtype }] of composed.outputs) {
    if (dtype !== fixed.forward.outputs.get(output)!.dtype)
      throw new Error(`${fixed.name}: its composition gives ${dtype} as ${output}`);
    expectClose(`${fixed.name}: composition, ${output}`, found.get(output), expected.get(output)!, { relative: 1e-6 });
  }
}

/** Compositions put in place of operators of ours until there are none left. */
function inStandardOperators(graph: Graph): Graph {
  const own = nodesOf(graph).filter(({ op }) => op.domain !== "");
  if (own.length === 0) return graph;
  const missing = own.find(({ op }) => !op.composition);
  if (missing) throw new Error(`a composition uses ${missing.op.name}, which is not standard and has none itself`);
  return inStandardOperators(
    rewrite(graph, ({ op, attributes }, inputs) => op.composition?.(inputs, attributes)).graph,
  );
}

/** The sum of all outputs whose names begin so, each multiplied elementwise by the tensor of its seed. */
function functional(built: BuiltCase, graph: BuiltCase["graph"], prefix: string, feeds: ReadonlyMap<string, Tensor>) {
  const { outputs } = evaluateGraph(graph, feeds);
  let sum = 0;
  for (const [output, tensor] of outputs) {
    const seed = output.startsWith(prefix) ? feeds.get(built.seedOf.get(output)!) : undefined;
    if (!seed) continue;
    for (let index = 0; index < tensor.size; index++) sum += Number(tensor.data[index]!) * seed.numbers[index]!;
  }
  return sum;
}

/** How far a gradient may be from differences, as a part of the case's largest gradient. */
export const tolerance = 1e-6;

/**
 * How far the gradient of the seeded sum of a case's outputs is from central differences, in float64.
 * @throws Error where a gradient has another shape than what it is of
 */
export function gradientError(built: BuiltCase, directions: number | undefined): DifferenceResult {
  const at = wide(built.feeds);
  const { outputs } = evaluateGraph(built.graph, at);
  const gradients = new Map(built.targets.map((name) => [name, outputs.get(`d${name}`)!]));
  for (const [name, gradient] of gradients)
    if (!sameShape(gradient.shape, at.get(name)!.shape))
      throw new Error(
        `${built.name}: the gradient of ${name} is ${formatShape(gradient.shape)}; ` +
          `expected ${formatShape(at.get(name)!.shape)}`,
      );
  const value = (feeds: ReadonlyMap<string, Tensor>) => functional(built, built.forward, "y", feeds);
  return differences({ value, at, gradients, directions });
}

function checkGradient(built: BuiltCase, directions: number | undefined): void {
  const { error, scale, place } = gradientError(built, directions);
  if (scale === 0) throw new Error(`${built.name}: the gradient is zero everywhere, so that nothing is checked`);
  if (!(error <= tolerance * scale))
    throw new Error(
      `${built.name}: gradient off by ${(error / scale).toExponential(2)} of the largest (${scale}); at ${place}`,
    );
}

function checkSecondOrder(built: BuiltCase, directions: number | undefined): void {
  const at = wide(built.feeds);
  const { outputs } = evaluateGraph(built.second(), at);
  const gradients = new Map(built.targets.map((name) => [name, outputs.get(`dd${name}`)!]));
  const value = (feeds: ReadonlyMap<string, Tensor>) => functional(built, built.graph, "d", feeds);
  const { error, scale, place } = differences({ value, at, gradients, directions: directions ?? 8 });
  const first = largestMagnitude(evaluateGraph(built.graph, at).outputs.values());
  if (!(error <= tolerance * Math.max(scale, first)))
    throw new Error(`${built.name}: the gradient of the gradient is off by ${error} (largest ${scale}); at ${place}`);
}

const singlePrecision = 1e-5;

async function checkEngine(opCase: OpCase, built: BuiltCase, engine: Engine): Promise<void> {
  const expected = evaluateGraph(built.graph, built.feeds).outputs;
  const open = opCase.inputs.some(({ shape }) => shape.some((dimension) => typeof dimension === "string"));
  const graphs = [
    { way: "", ...built, dimensions: undefined },
    ...(open ? [{ way: ", bound", ...buildCase(opCase, "named") }] : []),
  ];
  for (const { way, graph, dimensions } of graphs) {
    const program = await engine.compile(graph, new Map(), { dimensions, threads: 1 });
    try {
      const found = await program.run(Object.fromEntries(built.feeds));
      for (const [output, tensor] of expected) {
        const { dtype } = built.graph.outputs.get(output)!;
        const subject = `${built.name}: ${output} on ${engine.name}${way}`;
        if (engine.name !== "reference" && found.get(output) && found.get(output)!.dtype !== dtype)
          throw new Error(`${subject} is ${found.get(output)!.dtype}; expected ${dtype}`);
        expectClose(subject, found.get(output), tensor, { relative: singlePrecision });
      }
    } finally {
      await program.dispose();
    }
  }
}
