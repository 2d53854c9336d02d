import { afterAll, describe, expect, test } from "vitest";
import { gradientsOf } from "../autodiff/gradient.ts";
import { ort } from "../engine/ort/ort.ts";
import { evaluateGraph, reference } from "../engine/reference.ts";
import { makeGraph } from "../graph/graph.ts";
import { constant, inputValue } from "../graph/value.ts";
import { type Tensor, tensor } from "../tensor/tensor.ts";
import * as activations from "./activations.ts";
import { type Layer, Scope, sequential } from "./scope.ts";

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

/** f(-10^4) and f(10^4), and the slopes there. */
const [selu, far] = [1.0507009873554805, 1e4];
const extremes: readonly (readonly [string, Layer, readonly [number, number], readonly [number, number]])[] = [
  ["relu", activations.relu(), [0, far], [0, 1]],
  ["leakyRelu", activations.leakyRelu(), [-0.01 * far, far], [0.01, 1]],
  ["prelu", activations.prelu(), [-0.25 * far, far], [0.25, 1]],
  ["elu", activations.elu({ alpha: 0.5 }), [-0.5, far], [0, 1]],
  ["selu", activations.selu(), [-selu * 1.6732632423543772, selu * far], [0, selu]],
  ["celu", activations.celu({ alpha: 2 }), [-2, far], [0, 1]],
  ["gelu", activations.gelu(), [0, far], [0, 1]],
  ["gelu by tanh", activations.gelu({ approximate: "tanh" }), [0, far], [0, 1]],
  ["silu", activations.silu(), [0, far], [0, 1]],
  ["hardSwish", activations.hardSwish(), [0, far], [0, 1]],
  ["hardSigmoid", activations.hardSigmoid(), [0, 1], [0, 0]],
  ["tanh", activations.tanh(), [-1, 1], [0, 0]],
  ["sigmoid", activations.sigmoid(), [0, 1], [0, 0]],
  ["softplus", activations.softplus(), [0, far], [0, 1]],
  ["softplus, beta 4", activations.softplus({ beta: 4 }), [0, far], [0, 1]],
  ["softsign", activations.softsign(), [-far / (far + 1), far / (far + 1)], [(far + 1) ** -2, (far + 1) ** -2]],
  ["mish", activations.mish(), [0, far], [0, 1]],
  ["relu6", activations.relu6(), [0, 6], [0, 0]],
];

describe.each([reference, ort])("at extreme inputs on $name", (engine) => {
  afterAll(() => engine.close());

  /** The values of a layer and the gradient of their seeded sum. */
  async function slopes(layer: Layer, at: Tensor, seeds: Tensor) {
    const x = inputValue("x", { dtype: "float32", shape: at.shape });
    const scope = new Scope();
    const y = layer(x, scope);
    const [dx] = gradientsOf(y, [x], { seed: constant(seeds) });
    const program = await engine.compile(makeGraph([x], { y, dx: dx! }), scope.initialise(1), { threads: 1 });
    const found = await program.run({ x: at });
    await program.dispose();
    return { y: found.get("y")!.toArray(), dx: found.get("dx")!.toArray() };
  }

  test.each(extremes)("%s and its slope are what they tend to", async (_, layer, [low, high], [down, up]) => {
    const at = tensor([-far, -100, 100, far], [4, 1]);
    const { y, dx } = await slopes(layer, at, tensor([1, 1, 1, 1], [4, 1]));
    expect([...y, ...dx].every(Number.isFinite)).toBe(true);
    expect([y[0]! / far, y[3]! / far]).toEqual([expect.closeTo(low / far, 6), expect.closeTo(high / far, 6)]);
    expect([dx[0], dx[3]]).toEqual([expect.closeTo(down, 6), expect.closeTo(up, 6)]);
  });

  test("softmax with a temperature is certain, and does not change with its largest logit", async () => {
    const seeds = tensor([1, 0, 0, 1, 0, 0], [2, 3]);
    const certain = await slopes(activations.softmax({ tau: 2 }), tensor([far, -far, 0, 0, 0, far], [2, 3]), seeds);
    expect([...certain.y, ...certain.dx.map(Math.abs)]).toEqual([1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    const equal = await slopes(
      activations.softmax({ tau: -3 }),
      tensor([far, far, far, -far, -far, -far], [2, 3]),
      seeds,
    );
    expect(equal.y).toEqual(new Array(6).fill(expect.closeTo(1 / 3, 6)));
    const slope = [-2 / 3, 1 / 3, 1 / 3].map((each) => expect.closeTo(each, 5));
    expect(equal.dx).toEqual([...slope, ...slope]);
  });
});

test("softmax with a temperature is of the logits times tau, along any axis", () => {
  const z = tensor([0, 1, 2, 0.5, -1, 0], [1, 3, 1, 2]);
  const x = inputValue("x", { dtype: "float32", shape: z.shape });
  const run = (layer: Layer) =>
    evaluateGraph(makeGraph([x], { y: layer(x, new Scope()) }), new Map([["x", z]]))
      .outputs.get("y")!
      .toArray();
  const share = (values: readonly number[], index: number) =>
    Math.exp(2 * values[index]!) / values.reduce((sum, value) => sum + Math.exp(2 * value), 0);
  const [left, right] = [
    [0, 2, -1],
    [1, 0.5, 0],
  ] as const;
  expect(run(activations.softmax({ axis: 1, tau: 2 }))).toEqual(
    [0, 1, 2].flatMap((index) => [expect.closeTo(share(left, index), 6), expect.closeTo(share(right, index), 6)]),
  );
  const byLayers = sequential({
    temperature: activations.temperature({ tau: 2 }),
    softmax: activations.softmax(),
  });
  expect(run(byLayers)).toEqual(run(activations.softmax({ tau: 2 })));
  expect(() => activations.softmax({ tau: 0 })).toThrow("temperature: found tau 0; expected a number other than 0.");
});
