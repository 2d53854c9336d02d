/** The one meaning of "a layer works". */
import { gradientsOf } from "../../src/autodiff/gradient.ts";
import type { Engine } from "../../src/engine/engine.ts";
import { evaluateGraph } from "../../src/engine/reference.ts";
import { type Graph, makeGraph, trainableOf } from "../../src/graph/graph.ts";
import { bind } from "../../src/graph/rewrite.ts";
import { inputValue, type Value, type Variable } from "../../src/graph/value.ts";
import { type Layer, Scope } from "../../src/nn/scope.ts";
import { decode } from "../../src/onnx/decode.ts";
import { encode } from "../../src/onnx/encode.ts";
import { Random } from "../../src/tensor/random.ts";
import { formatShape, type Shape, sameShape } from "../../src/tensor/shape.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { expectClose } from "./compare.ts";
import { differences } from "./differences.ts";
import { type Draw, drawTensor, normal } from "./draw.ts";

export interface LayerCase {
  readonly name: string;
  readonly layer: Layer;
  /** The shapes of one sample, before and after. */
  readonly input: Shape;
  readonly output: Shape;
  /** Its parameters' names and shapes, such as `weight 4x2x3`; none by default. */
  readonly parameters?: readonly string[];
  /** Normal by default; away from kinks, where the layer has them. */
  readonly draw?: Draw;
}

const batch = 2;

const wide = (tensors: ReadonlyMap<string, Tensor>) =>
  new Map([...tensors].map(([name, tensor]) => [name, tensor.cast("float64")]));

/** A layer on a batch whose size is open, with the value of every parameter drawn anew, biases too. */
export function buildLayer(layer: Layer, input: Shape, draw: Draw = normal) {
  const x = inputValue("x", { dtype: "float32", shape: ["batch", ...input] });
  const scope = new Scope();
  const y = layer(x, scope);
  const shapes = [...scope.initialise(1)].map(([name, { shape }]) => [name, shape] as const);
  const drawn = (name: string, shape: Shape, how: Draw) =>
    [name, drawTensor(how, new Random(1, "layer", name), shape, "float32")] as const;
  const variables = new Map(shapes.map(([name, shape]) => drawn(name, shape, normal)));
  const feeds = new Map([drawn("x", [batch, ...input], draw)]);
  return { x, y, graph: makeGraph([x], { y }), variables, feeds };
}

/** What a layer gives for its drawn input, with that input and the parameters. */
export function evaluateLayer(layer: Layer, input: Shape) {
  const { graph, variables, feeds } = buildLayer(layer, input);
  const y = evaluateGraph(graph, new Map([...variables, ...feeds])).outputs.get("y")!;
  return { x: feeds.get("x")!, y, variables };
}

/**
 * Holds a layer to what every layer promises, in one case:
 *
 * 1. its shape is the one expected, the batch open, and so are its parameters' names;
 * 2. its gradients for input and parameters are those of central differences in float64, to 1e-6 of the largest;
 * 3. every engine gives what the reference engine gives, gradients included (float32: to 1e-5 of the largest magnitude);
 * 4. written as ONNX and read again it gives the same numbers.
 *
 * @throws Error that says which of these does not hold, and by how much
 */
export async function checkLayer(layerCase: LayerCase, engines: readonly Engine[] = []): Promise<void> {
  const { name, output, parameters = [] } = layerCase;
  const { x, y, graph, variables, feeds } = buildLayer(layerCase.layer, layerCase.input, layerCase.draw);
  if (!sameShape(y.shape, ["batch", ...output]))
    throw new Error(`${name}: shape ${formatShape(y.shape)}; expected ${formatShape(["batch", ...output])}`);
  const found = [...variables].map(([label, { shape }]) => `${label} ${formatShape(shape)}`);
  if (found.join() !== parameters.join()) throw new Error(`${name}: parameters ${found}; expected ${parameters}`);

  const seed = inputValue("seed", y);
  const all = new Map([...feeds, ...variables]);
  all.set("seed", drawTensor(normal, new Random(1, "layer", "seed"), [batch, ...output], "float32"));
  const targets: readonly (Value & { source: { name: string } })[] = [x, ...(trainableOf(graph) as Variable[])];
  const gradients = gradientsOf(y, targets, { seed });
  const named = targets.map(({ source }, index) => [`d${source.name}`, gradients[index]!] as const);
  const full = makeGraph([x, seed], new Map([["y", y], ...named]));
  checkGradient(name, full, all);

  const expected = evaluateGraph(full, all).outputs;
  const fits = (how: string, outputs: ReadonlyMap<string, Tensor>, relative: number) => {
    for (const [label, tensor] of expected)
      if (outputs.has(label) || how !== "ONNX")
        expectClose(`${name}: ${label} by ${how}`, outputs.get(label), tensor, { relative });
  };
  const read = decode(encode(graph, { variables }), name);
  fits("ONNX", evaluateGraph(read.graph, new Map([...read.variables, ...feeds])).outputs, 0);
  for (const engine of engines) {
    const program = await engine.compile(full, variables, { dimensions: { batch }, threads: 1 });
    try {
      fits(engine.name, await program.run({ x: all.get("x")!, seed: all.get("seed")! }), 1e-5);
    } finally {
      await program.dispose();
    }
  }
}

/** The gradients dx, dweight ... of the seeded sum of y against differences of that sum. */
function checkGradient(name: string, graph: Graph, feeds: ReadonlyMap<string, Tensor>): void {
  const bound = bind(graph, { batch });
  const at = wide(feeds);
  const { outputs } = evaluateGraph(bound, at);
  const gradients = new Map([...outputs].flatMap(([label, each]) => (label === "y" ? [] : [[label.slice(1), each]])));
  const forward = makeGraph(bound.inputs, { y: bound.outputs.get("y")! });
  const seed = at.get("seed")!.toArray();
  const value = (moved: ReadonlyMap<string, Tensor>) => {
    const y = evaluateGraph(forward, moved).outputs.get("y")!.toArray();
    return y.reduce((sum, each, index) => sum + each * seed[index]!, 0);
  };
  const { error, scale, place } = differences({ value, at, gradients });
  if (scale === 0 || !(error <= 1e-6 * scale))
    throw new Error(`${name}: gradient off by ${error / scale} of the largest (${scale}); at ${place}`);
}
