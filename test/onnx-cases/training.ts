/** The standard's training operators, by optimisers and differentiation of ours. */
import { gradientsOf } from "../../src/autodiff/gradient.ts";
import { StriateError } from "../../src/errors.ts";
import type { Value } from "../../src/graph/value.ts";
import { adagrad, adam, type Optimiser, sgd } from "../../src/nn/optimisers.ts";
import type { Composition, NodeForm } from "../../src/onnx/form.ts";
import { add, cast, div, equal, mul, where } from "../../src/ops/core/elementwise.ts";

const number = (form: NodeForm, name: string): number => Number(form.attributes[name] ?? 0);

/** The first step that changes nothing by how early it is. */
const lateStep = 1e9;

/**
 * A training operator: a rate, a step count, then for each parameter itself, its gradient and its moments, group by
 * group; each parameter's next value and its next moments come out in the same order.
 */
const byOptimiser =
  (
    make: (form: NodeForm) => {
      optimiser: Optimiser;
      moments: readonly string[];
      rate?: (rate: Value, step: Value) => Value;
    },
  ): Composition =>
  (form) => {
    const { optimiser, moments, rate } = make(form);
    const [learningRate, step, ...rest] = form.inputs as Value[];
    const count = rest.length / (2 + moments.length);
    const results: Value[][] = Array.from({ length: 1 + moments.length }, () => []);
    for (let index = 0; index < count; index++) {
      const [parameter, gradient, ...kept] = Array.from(
        { length: 2 + moments.length },
        (_, group) => rest[group * count + index]!,
      );
      const next = new Map<string, Value>();
      const numbered = cast(step!, parameter!.dtype);
      const updated = optimiser.update(parameter!, gradient!, {
        learningRate: rate ? rate(learningRate!, numbered) : learningRate!,
        step: where(equal(numbered, 0), lateStep, numbered, parameter!.dtype),
        moment: (name, advance) => {
          const at = moments.indexOf(name);
          if (at < 0)
            throw new StriateError({ subject: optimiser.name, found: `moment ${name}`, expected: moments.join(", ") });
          const value = advance(kept[at]!);
          next.set(name, value);
          return value;
        },
      });
      results[0]!.push(updated);
      for (const [at, name] of moments.entries()) results[at + 1]!.push(next.get(name)!);
    }
    return results.flat();
  };

const preview = "ai.onnx.preview.training";

export const trainingCompositions: ReadonlyMap<string, Composition> = new Map<string, Composition>([
  [
    `${preview}:Adam`,
    byOptimiser((form) => ({
      optimiser: adam({
        beta1: number(form, "alpha"),
        beta2: number(form, "beta"),
        epsilon: number(form, "epsilon"),
        weightDecay: number(form, "norm_coefficient"),
      }),
      moments: ["first", "second"],
    })),
  ],
  [
    `${preview}:Momentum`,
    byOptimiser((form) => ({
      optimiser: sgd({
        momentum: number(form, "alpha"),
        weightDecay: number(form, "norm_coefficient"),
        nesterov: form.attributes.mode === "nesterov",
      }),
      moments: ["velocity"],
    })),
  ],
  [
    `${preview}:Adagrad`,
    byOptimiser((form) => ({
      optimiser: adagrad({ epsilon: number(form, "epsilon"), weightDecay: number(form, "norm_coefficient") }),
      moments: ["sum"],
      rate: (rate, step) => div(rate, add(mul(step, number(form, "decay_factor")), 1)),
    })),
  ],
  [
    `${preview}:Gradient`,
    (form) => {
      const names = form.attributes.xs as readonly string[];
      const y = form.named?.(String(form.attributes.y));
      if (!y) throw new StriateError({ subject: "Gradient", found: `no value ${form.attributes.y}` });
      return gradientsOf(y, form.inputs.slice(0, names.length) as Value[]);
    },
  ],
]);
