/** Layers of ours with a case's operands in place of their parameters. */
import type { Value, Variable } from "../../src/graph/value.ts";
import { fill } from "../../src/nn/initialisers.ts";
import { type Layer, Scope } from "../../src/nn/scope.ts";

/** The operands that a layer has as parameters and statistics, by its names for them. */
type Own = Readonly<Record<string, Value | undefined>>;

/** @throws Error when the layer has a parameter that is not given */
export function through(layer: Layer, x: Value, own: Own = {}): Value {
  const given = Object.entries(own).flatMap(([name, value]) =>
    value ? [[name, { variable: value as Variable, initialiser: fill(0) }] as const] : [],
  );
  const scope = new Scope("", new Map(given), true);
  const y = layer(x, scope);
  const missing = [...scope.declarations.keys()].slice(given.length);
  if (missing.length > 0) throw new Error(`the case has nothing for ${missing.join(", ")}`);
  return y;
}
