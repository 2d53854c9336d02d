/**
 * A convolution of few filters, a function of each element and the mean of windows side by side: all places of a window are
 * computed at once, as filters of their own, since a vector of the processor has room for them. docs/engine.md says what it is worth.
 */
import { type Graph, usesOf } from "../../graph/graph.ts";
import { attributesOf } from "../../graph/op.ts";
import { rewrite, withInputs } from "../../graph/rewrite.ts";
import { constant, type Node, producerOf, type Value } from "../../graph/value.ts";
import { Conv, conv } from "../../ops/conv.ts";
import { concat, pad } from "../../ops/core/arrange.ts";
import { Relu, Sigmoid, Tanh } from "../../ops/core/elementwise.ts";
import { convAxes } from "../../ops/correlate.ts";
import { AveragePool, poolAxes } from "../../ops/pool.ts";
import { padsOf } from "../../ops/window.ts";
import { type Shape, sizeOf } from "../../tensor/shape.ts";
import { Tensor } from "../../tensor/tensor.ts";
import { blockLength } from "./memory.ts";

const functions = new Set<string>([Relu.name, Sigmoid.name, Tanh.name]);

/** The lengths of the windows that a node takes means of, if they lie side by side and cover its input. */
function windowsOf(node: Node): readonly number[] | undefined {
  const { shape } = node.inputs[0]!;
  if (node.op.name !== AveragePool.name || node.inputs[0]!.dtype !== "float32") return undefined;
  const axes = poolAxes(shape as Shape, attributesOf(node, AveragePool));
  const areTiles = axes.every(
    ({ kernel, stride, dilation, input, output, before }) =>
      kernel === stride && dilation === 1 && before === 0 && output * stride === input,
  );
  return areTiles ? axes.map(({ kernel }) => kernel) : undefined;
}

/** The places in a window, row-major. */
const placesIn = (window: readonly number[]): readonly (readonly number[])[] =>
  window.reduce<readonly (readonly number[])[]>(
    (places, length) => places.flatMap((place) => Array.from({ length }, (_, at) => [...place, at])),
    [[]],
  );

/** The convolution whose filters are those of another at each place of a window, if it has fewer vectors to compute. */
function convolutionOfTiles(node: Node, window: readonly number[]): Value | undefined {
  const [x, w, bias] = node.inputs as [Value, Value, Value | undefined];
  const attributes = attributesOf(node, Conv);
  if (attributes.group !== 1) return undefined;
  const axes = convAxes(x.shape, w.shape, attributes);
  if (axes.some(({ dilation }) => dilation !== 1)) return undefined;
  const places = placesIn(window);
  const filters = w.shape[0] as number;
  const kernel = axes.map(({ kernel, stride }, axis) => kernel + stride * (window[axis]! - 1));
  const vectors = (count: number): number => Math.ceil(count / blockLength);
  const apart = sizeOf(w.shape.slice(2) as Shape) * places.length * vectors(filters);
  if (sizeOf(kernel) * vectors(places.length * filters) >= apart) return undefined;
  const at = (place: readonly number[]): Value => {
    const around = place.map((each, axis) => {
      const { stride } = axes[axis]!;
      return [stride * each, stride * (window[axis]! - 1 - each)] as const;
    });
    return pad(w, [[0, 0], [0, 0], ...around]);
  };
  return conv(
    x,
    concat(places.map(at), 0),
    bias &&
      concat(
        places.map(() => bias),
        0,
      ),
    {
      strides: axes.map(({ stride }, axis) => stride * window[axis]!),
      pads: padsOf(axes),
    },
  );
}

/** Each filter's mean over the places of a window, where those are filters of their own. */
function meansOf(x: Value, filters: number): Value {
  const count = x.shape[1] as number;
  const ofPlace = (index: number): number =>
    Math.floor(index / count) === (index % count) % filters ? filters / count : 0;
  const weights = Float32Array.from({ length: filters * count }, (_, index) => ofPlace(index));
  const ones = new Array<number>(x.shape.length - 2).fill(1);
  return conv(x, constant(new Tensor("float32", [filters, count, ...ones], weights)), undefined, {});
}

/** A graph of fixed shapes with such means of windows computed so. */
export function tiled(graph: Graph): Graph {
  const uses = usesOf(graph);
  const before = (value: Value): Node | undefined => (uses.get(value) === 1 ? producerOf(value) : undefined);
  return rewrite(graph, (node) => {
    const window = windowsOf(node);
    const last = window && before(node.inputs[0]!);
    const between = last && functions.has(last.op.name) ? last : undefined;
    const convolution = between ? before(between.inputs[0]!) : last;
    if (!window || convolution?.op.name !== Conv.name) return undefined;
    const tiles = convolutionOfTiles(convolution, window);
    const [values] = tiles && between ? withInputs(between, [tiles]) : [tiles];
    return values && [meansOf(values, node.inputs[0]!.shape[1] as number)];
  }).graph;
}
