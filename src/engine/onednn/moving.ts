/** Elements moved in loops of our own, which find their places once. */
import { constantOf, type Node, type Value } from "../../graph/value.ts";
import { type Shape, sizeOf } from "../../tensor/shape.ts";
import { scalar, Tensor } from "../../tensor/tensor.ts";
import { bytesOf, type Cell, isCountable } from "./memory.ts";
import type { Plan } from "./plan.ts";
import type { Step } from "./step.ts";

/** The elements of a tensor as they are in this run. */
export type View = () => Float32Array;

/** A tensor that is between a node's first and last, in the order of another. */
export const between = (plan: Plan, { dtype, order }: Cell, shape: Shape): Cell => ({
  dtype,
  shape,
  order,
  region: plan.region(bytesOf(dtype, shape)),
});

/** How many blocks of neighbours along an axis there are as a tensor lies, and how many elements lie between neighbours. */
export function blocksAlong({ shape, order }: Cell, axis: number): { outer: number; inner: number } {
  const all = [...shape.keys()];
  const axes = order === "plain" ? all : [0, ...all.slice(2), 1];
  const at = axes.indexOf(axis);
  const size = (part: readonly number[]) => sizeOf(part.map((each) => shape[each]!));
  return { outer: size(axes.slice(0, at)), inner: size(axes.slice(at + 1)) };
}

/**
 * Moves elements of any type, each from a place that is found once: by moving their numbers, counted from 1, as the operator
 * does; of more than 32 bits count, not at all. Where no number comes to stand, `filler` does.
 */
export function byPlaces(node: Node, plan: Plan, filler?: Value): boolean {
  const [x, ...others] = node.inputs as [Value, ...(Value | undefined)[]];
  const settings = others.map((other) => (other === filler ? other && scalar(0, "int32") : constantOf(other)));
  if (x.shape.includes(0) || !isCountable(x.shape) || others.some((other, index) => other && !settings[index]))
    return false;
  const source = plan.ordered(x, "plain");
  const numbers = new Int32Array(sizeOf(source.shape)).map((_, index) => index + 1);
  const [moved] = node.op.evaluate([new Tensor("int32", source.shape, numbers), ...settings], node.attributes);
  const places = moved!.data as Int32Array;
  const fill = filler && plan.ordered(filler, "plain");
  const result = plan.output(node, 0, "plain");
  const run: Step["make"] = (memory) => {
    const [from, to, none] = [source, result, fill ?? source].map(memory.view.bind(memory)) as [View, View, View];
    return () => {
      const [data, into, other] = [from(), to(), fill ? none()[0]! : 0];
      for (let index = 0; index < places.length; index++)
        into[index] = places[index] === 0 ? other : data[places[index]! - 1]!;
    };
  };
  plan.step([source, result, ...(fill ? [fill] : [])], run, { writes: [result] });
  return true;
}

/** result[outer, r, inner] = source[outer, places[r], inner] along an axis, in whichever order the two lie. */
export function take(plan: Plan, source: Cell, result: Cell, axis: number, places: ArrayLike<number>): void {
  const { outer, inner } = blocksAlong(source, axis);
  const columns = source.shape[axis]!;
  const run: Step["make"] = (memory) => {
    const [from, to] = [source, result].map(memory.view.bind(memory)) as [View, View];
    return () => {
      const [data, into] = [from(), to()];
      let at = 0;
      for (let block = 0; block < outer; block++)
        for (let row = 0; row < places.length; row++) {
          const start = (block * columns + places[row]!) * inner;
          for (let index = start; index < start + inner; index++) into[at++] = data[index]!;
        }
    };
  };
  plan.step([source, result], run, { writes: [result] });
}
