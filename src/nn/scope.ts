/** Where layers declare their parameters: a path of names, so that parameters are named by the keys of the network. */
import { StriateError } from "../errors.ts";
import { withinScope } from "../graph/scope.ts";
import { parameterValue, stateValue, type Value, type ValueType, type Variable } from "../graph/value.ts";
import { Random } from "../tensor/random.ts";
import type { Shape } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Initialiser } from "./initialisers.ts";

/** A function that adds to the graph: from a value to a value, declaring its parameters in the scope it is given. */
export type Layer = (x: Value, scope: Scope) => Value;

interface Declaration {
  readonly variable: Variable;
  readonly initialiser: Initialiser;
}

export class Scope {
  readonly path: string;
  /** Shared by all scopes of one network: what has been declared, by full name. */
  readonly declarations: Map<string, Declaration>;
  readonly #reuse: boolean;

  constructor(path = "", declarations = new Map<string, Declaration>(), reuse = false) {
    this.path = path;
    this.declarations = declarations;
    this.#reuse = reuse;
  }

  /** The full name of something in this scope: `layer1.0.conv1.weight`. */
  nameOf(name: string): string {
    return this.path === "" ? name : `${this.path}.${name}`;
  }

  /**
   * Declares a trainable parameter.
   * @throws StriateError when the name was declared before, by another layer
   */
  parameter(name: string, shape: Shape, initialiser: Initialiser): Value {
    return this.#declare(name, shape, initialiser, parameterValue);
  }

  /**
   * Declares a number that training gathers and gradients do not reach, such as a running mean.
   * @throws StriateError when the name was declared before, by another layer
   */
  state(name: string, shape: Shape, initialiser: Initialiser): Value {
    return this.#declare(name, shape, initialiser, stateValue);
  }

  #declare(name: string, shape: Shape, initialiser: Initialiser, make: (name: string, type: ValueType) => Variable) {
    const full = this.nameOf(name);
    const declared = this.declarations.get(full);
    if (declared && this.#reuse) return declared.variable;
    if (declared)
      throw new StriateError({
        subject: full,
        found: "a parameter of this name twice",
        expected: "every layer to have its own name",
        mend: "Name the layers differently, or wrap a layer that is used twice on purpose in `shared`",
      });
    const variable = make(full, { dtype: "float32", shape });
    this.declarations.set(full, { variable, initialiser });
    return variable;
  }

  /**
   * Applies a layer under a name.
   * @throws StriateError what the layer throws, with the layer's full name before what was at fault
   */
  apply(name: string, layer: Layer, x: Value): Value {
    const full = this.nameOf(name);
    try {
      return withinScope(name, () => layer(x, new Scope(full, this.declarations, this.#reuse)));
    } catch (error) {
      if (!(error instanceof StriateError)) throw error;
      const { subject } = error.complaint;
      if (subject === full || subject.startsWith(`${full}.`) || subject.startsWith(`${full},`)) throw error;
      throw new StriateError({ ...error.complaint, subject: `${full}, ${subject}`, cause: error });
    }
  }

  /** The same scope for a second use of its parameters. */
  again(): Scope {
    return new Scope(this.path, this.declarations, true);
  }

  /** First values for everything declared: each by its own stream of random numbers, so order does not matter. */
  initialise(seed: number): Map<string, Tensor> {
    return new Map(
      [...this.declarations].map(([name, { variable, initialiser }]) => [
        name,
        initialiser(variable.shape as Shape, new Random(seed, "initialise", name)),
      ]),
    );
  }
}

/**
 * Layers one after the other, named by their keys.
 *
 * @example
 * import { conv2d, flatten, linear, relu, sequential } from "striate";
 *
 * const network = sequential({ conv: conv2d({ channels: 4, kernel: 3 }), relu: relu(), flatten: flatten(), fc: linear({ features: 10 }) });
 */
export const sequential =
  (layers: Readonly<Record<string, Layer>>): Layer =>
  (x, scope) =>
    Object.entries(layers).reduce((value, [name, layer]) => scope.apply(name, layer, value), x);

/**
 * A layer whose parameters are used wherever it is applied, under the name of the first place.
 *
 * @example
 * import { linear, sequential, shared } from "striate";
 *
 * const twice = shared(linear({ features: 8 }));
 * const network = sequential({ first: twice, second: twice });
 */
export function shared(layer: Layer): Layer {
  const first = new WeakMap<Scope["declarations"], Scope>();
  return (x, scope) => {
    const home = first.get(scope.declarations);
    if (home) return layer(x, home.again());
    first.set(scope.declarations, scope);
    return layer(x, scope);
  };
}
