/** Gradients by differences: what a derivative is, computed without any rule. */
import { Random } from "../../src/tensor/random.ts";
import { Tensor } from "../../src/tensor/tensor.ts";

type Tensors = ReadonlyMap<string, Tensor>;

/** A small enough step for errors of h^2, a large enough one for differences to keep ten digits. */
export const step = 1e-4;

/** Up to this many elements each partial derivative is computed; beyond, derivatives along random directions. */
const mostElements = 400;

export interface DifferenceCheck {
  /** The function, from named float64 tensors to one number. */
  readonly value: (at: Tensors) => number;
  /** Where. */
  readonly at: Tensors;
  /** The gradients to be checked, of the names to differentiate for. */
  readonly gradients: Tensors;
  /** Check along this many random directions instead of every element. */
  readonly directions?: number;
}

export interface DifferenceResult {
  /** The largest difference between a given derivative and the computed one. */
  readonly error: number;
  /** The largest magnitude of the given and of the computed derivatives. */
  readonly scale: number;
  /** Where the largest difference is. */
  readonly place: string;
}

/** Central differences of `value` in every element, or along directions whose elements are all 1 or -1. */
export function differences({ value, at, gradients, directions }: DifferenceCheck): DifferenceResult {
  const elements = [...gradients.values()].reduce((sum, gradient) => sum + gradient.size, 0);
  let [error, scale, place] = [0, 0, ""];
  const note = (given: number, computed: number, where: string, spread: number) => {
    const difference = Math.abs(given - computed) / spread;
    if (difference > error || Number.isNaN(difference)) {
      error = Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference;
      place = `${where}: ${given}, by differences ${computed}`;
    }
    scale = Math.max(scale, Math.abs(given) / spread, Math.abs(computed) / spread);
  };
  const alongMoves = (moves: Tensors): number => {
    const moved = (sign: number) =>
      new Map(
        [...at].map(([name, tensor]) => {
          const move = moves.get(name);
          if (!move) return [name, tensor];
          const data = Float64Array.from(
            tensor.numbers,
            (element, index) => element + sign * step * move.numbers[index]!,
          );
          return [name, new Tensor("float64", tensor.shape, data)];
        }),
      );
    return (value(moved(1)) - value(moved(-1))) / (2 * step);
  };
  if (directions === undefined && elements <= mostElements) {
    for (const [name, gradient] of gradients)
      for (let index = 0; index < gradient.size; index++) {
        const move = new Tensor("float64", gradient.shape, new Float64Array(gradient.size));
        move.numbers[index] = 1;
        note(gradient.numbers[index]!, alongMoves(new Map([[name, move]])), `${name}[${index}]`, 1);
      }
    return { error, scale, place };
  }
  for (const gradient of gradients.values())
    for (const element of gradient.numbers) scale = Math.max(scale, Math.abs(element));
  for (let direction = 0; direction < (directions ?? 24); direction++) {
    const random = new Random(direction, "direction");
    const moves = new Map<string, Tensor>();
    let given = 0;
    for (const [name, { shape, size, numbers }] of gradients) {
      const data = Float64Array.from({ length: size }, () => random.pick([-1, 1]));
      for (let index = 0; index < size; index++) given += data[index]! * numbers[index]!;
      moves.set(name, new Tensor("float64", shape, data));
    }
    note(given, alongMoves(moves), `direction ${direction}`, Math.sqrt(elements));
  }
  return { error, scale, place };
}
