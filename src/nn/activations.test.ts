import { describe, expect, test } from "vitest";
import { evaluateGraph } from "../engine/reference.ts";
import { makeGraph } from "../graph/graph.ts";
import { inputValue } from "../graph/value.ts";
import { tensor } from "../tensor/tensor.ts";
import * as activations from "./activations.ts";
import { type Layer, Scope } from "./scope.ts";

const inputs = [-4, -1, 0, 0.5, 7];
const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));

function run(layer: Layer, shape: readonly number[] = [1, inputs.length]) {
  const x = inputValue("x", { dtype: "float32", shape });
  const scope = new Scope();
  const graph = makeGraph([x], { y: layer(x, scope) });
  const variables = scope.initialise(1);
  const { outputs } = evaluateGraph(graph, new Map([...variables, ["x", tensor(inputs, shape)]]));
  return { y: outputs.get("y")!.toArray(), variables };
}

const rows: readonly (readonly [string, Layer, (x: number) => number])[] = [
  ["leakyRelu", activations.leakyRelu({ slope: 0.25 }), (x) => Math.max(x, 0.25 * x)],
  ["prelu", activations.prelu(), (x) => Math.max(x, 0.25 * x)],
  ["elu", activations.elu({ alpha: 0.5 }), (x) => (x > 0 ? x : 0.5 * (Math.exp(x) - 1))],
  ["selu", activations.selu(), (x) => 1.0507009873554805 * (x > 0 ? x : 1.6732632423543772 * (Math.exp(x) - 1))],
  ["celu", activations.celu({ alpha: 2 }), (x) => (x > 0 ? x : 2 * (Math.exp(x / 2) - 1))],
  [
    "gelu by tanh",
    activations.gelu({ approximate: "tanh" }),
    (x) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))),
  ],
  ["silu", activations.silu(), (x) => x * sigmoid(x)],
  ["hardSwish", activations.hardSwish(), (x) => (x * Math.min(Math.max(x + 3, 0), 6)) / 6],
  ["hardSigmoid", activations.hardSigmoid(), (x) => Math.min(Math.max(x + 3, 0), 6) / 6],
  ["softplus", activations.softplus({ beta: 2 }), (x) => Math.log(1 + Math.exp(2 * x)) / 2],
  ["softsign", activations.softsign(), (x) => x / (1 + Math.abs(x))],
  ["mish", activations.mish(), (x) => x * Math.tanh(Math.log(1 + Math.exp(x)))],
  ["relu6", activations.relu6(), (x) => Math.min(Math.max(x, 0), 6)],
];

describe("activations", () => {
  test.each(rows)("%s is its formula", (_, layer, formula) => {
    expect(run(layer).y).toEqual(inputs.map((x) => expect.closeTo(formula(x), 6)));
  });

  test("gelu is x times the normal distribution function", () => {
    const distribution = [3.167124183e-5, 0.1586552539, 0.5, 0.6914624613, 1];
    expect(run(activations.gelu()).y).toEqual(inputs.map((x, index) => expect.closeTo(x * distribution[index]!, 7)));
  });

  test("prelu has one slope, or one for each channel", () => {
    expect(run(activations.prelu()).variables.get("weight")!.shape).toEqual([1]);
    const { y, variables } = run(activations.prelu({ perChannel: true, initial: 0.5 }), [1, 5, 1, 1]);
    expect(variables.get("weight")!.shape).toEqual([5]);
    expect(y).toEqual([-2, -0.5, 0, 0.5, 7]);
  });

  test("bad options are refused", () => {
    expect(() => activations.softplus({ beta: 0 })).toThrow("softplus: found beta 0; expected a number above 0.");
    expect(() => activations.leakyRelu({ slope: Number.NaN })).toThrow("leakyRelu: found slope NaN; expected a finite");
    expect(() => run(activations.prelu({ perChannel: true }), [5])).toThrow("prelu: found no channels; expected");
  });
});
