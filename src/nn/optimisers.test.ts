import { afterAll, describe, expect, test } from "vitest";
import type { Engine } from "../engine/engine.ts";
import { ort } from "../engine/ort/ort.ts";
import { reference } from "../engine/reference.ts";
import { makeGraph } from "../graph/graph.ts";
import { inputValue, parameterValue } from "../graph/value.ts";
import { add, mul } from "../ops/core/elementwise.ts";
import { reduceSum } from "../ops/core/reduce.ts";
import { scalar, type Tensor, tensor } from "../tensor/tensor.ts";
import { averagedVariables, averageWeights } from "./averaging.ts";
import { adagrad, adam, adamW, clipGradients, type Optimiser, rmsProp, sgd } from "./optimisers.ts";
import { step } from "./step.ts";

afterAll(() => ort.close());

const start = new Map([
  ["fc.weight", tensor([1, -2])],
  ["fc.bias", tensor([4])],
]);

/** Parameters after steps whose gradients are those given: of the weight, then of the bias. */
async function train(
  optimiser: Optimiser,
  gradients: readonly (readonly [number, number, number])[],
  { engine = reference, decay }: { engine?: Engine; decay?: number } = {},
): Promise<Map<string, Tensor>> {
  const [g, h] = [inputValue("g", { dtype: "float32", shape: [2] }), inputValue("h", { dtype: "float32", shape: [1] })];
  const [w, b] = [...start].map(([name, value]) => parameterValue(name, value));
  const loss = add(reduceSum(mul(w!, g)), reduceSum(mul(b!, h)));
  const stepped = step(makeGraph([g, h], { loss }), optimiser);
  const averaged = decay === undefined ? undefined : averageWeights(stepped.graph, start, { decay });
  const variables = new Map([...start, ...stepped.state, ...(averaged?.state ?? [])]);
  const program = await engine.compile(averaged?.graph ?? stepped.graph, variables, { threads: 1 });
  for (const [first, second, third] of gradients)
    await program.run({ g: tensor([first, second]), h: tensor([third]), learningRate: scalar(0.5) });
  const after = await program.read();
  await program.dispose();
  return after;
}

const values = (variables: ReadonlyMap<string, Tensor>) =>
  ["fc.weight", "fc.bias"].flatMap((name) => variables.get(name)!.toArray());
const close = (...numbers: readonly number[]) => numbers.map((number) => expect.closeTo(number, 5));
const decays = (name: string) => name.endsWith("weight");

describe("weight decay", () => {
  test("joins the gradient, of chosen parameters only", async () => {
    const chosen = await train(sgd({ weightDecay: 0.5, decays }), [[1, 1, 1]]);
    expect(values(chosen)).toEqual(close(1 - 0.5 * 1.5, -2 - 0.5 * 0, 4 - 0.5));
    const all = await train(sgd({ weightDecay: 0.5 }), [[1, 1, 1]]);
    expect(values(all)).toEqual(close(0.25, -2, 4 - 0.5 * 3));
  });

  test("decoupled, does not join the momentum", async () => {
    const after = await train(sgd({ weightDecay: 0.5, momentum: 0.5, decoupled: true, decays }), [
      [1, 1, 1],
      [0, 0, 0],
    ]);
    const twice = (value: number) => (value * 0.75 - 0.5) * 0.75 - 0.25;
    expect(values(after)).toEqual(close(twice(1), twice(-2), 4 - 0.5 - 0.25));
  });

  test.each([
    ["adamW", adamW({ weightDecay: 0.5, decays }), [0.75 - 0.5, -1.5 - 0.5, 3.5]],
    ["adam", adam({ weightDecay: 0.5, decays, epsilon: 1e-12 }), [0.5, -2.5, 3.5]],
    ["rmsProp", rmsProp({ weightDecay: 0.25, decays, smoothing: 0 }), [0.5, -2.5, 3.5]],
    ["adagrad", adagrad({ weightDecay: 0.25, decays }), [0.5, -2.5, 3.5]],
  ] as const)("%s takes it as the others do", async (_, optimiser, expected) => {
    expect(values(await train(optimiser, [[1, 2, 3]]))).toEqual(close(...expected));
  });
});

/** Ten gradients of three parameters, and where PyTorch 1.13 has brought them from 1, -2 and 0.5 by then. */
const tenGradients = Array.from({ length: 10 }, (_, step) =>
  [0, 3, 6].map((offset) => ((step * 7 + offset) % 11) / 5 - 1),
);
const recorded: readonly (readonly [string, Optimiser, number, readonly number[]])[] = [
  [
    "SGD: nesterov, weight_decay",
    sgd({ momentum: 0.9, nesterov: true, weightDecay: 0.05 }),
    0.1,
    [0.796527, -1.731353, 0.682192],
  ],
  ["SGD: momentum, weight_decay", sgd({ momentum: 0.8, weightDecay: 0.1 }), 0.1, [0.692199, -1.546539, 0.555349]],
  ["SGD: weight_decay", sgd({ weightDecay: 0.1 }), 0.1, [0.882151, -1.764112, 0.55098]],
  ["Adam: betas, eps", adam({ beta1: 0.8, beta2: 0.9, epsilon: 1e-3 }), 0.05, [1.048823, -2.018278, 0.501228]],
  ["Adam: weight_decay", adam({ weightDecay: 0.1 }), 0.05, [1.002337, -1.894898, 0.455293]],
  [
    "AdamW: weight_decay, betas",
    adamW({ weightDecay: 0.1, beta1: 0.7, beta2: 0.95 }),
    0.05,
    [0.982446, -1.908003, 0.490114],
  ],
  ["RMSprop: alpha, eps", rmsProp({ smoothing: 0.9, epsilon: 1e-6 }), 0.02, [1.01128, -1.956911, 0.510439]],
  ["RMSprop: centered", rmsProp({ smoothing: 0.9, centred: true }), 0.02, [1.01494, -1.95552, 0.509361]],
  [
    "RMSprop: centered, momentum, weight_decay",
    rmsProp({ smoothing: 0.9, centred: true, momentum: 0.6, weightDecay: 0.1 }),
    0.02,
    [0.962123, -1.78133, 0.450577],
  ],
  [
    "RMSprop: momentum, weight_decay",
    rmsProp({ smoothing: 0.95, momentum: 0.9, weightDecay: 0.1 }),
    0.02,
    [0.986719, -1.496558, 0.242545],
  ],
  ["Adagrad", adagrad(), 0.2, [1.046013, -1.886794, 0.512907]],
  [
    "Adagrad: lr_decay, weight_decay",
    adagrad({ rateDecay: 0.1, weightDecay: 0.1 }),
    0.2,
    [0.993582, -1.772907, 0.424827],
  ],
  [
    "SGD: momentum, with clip_grad_norm_",
    clipGradients(sgd({ momentum: 0.9 }), { norm: 0.8 }),
    0.1,
    [1.226202, -2.174851, 0.468432],
  ],
  ["Adam, with clip_grad_value_", clipGradients(adam(), { value: 0.3 }), 0.05, [1.036938, -1.971252, 0.461227]],
];

describe.each([reference, ort])("ten steps on $name", (engine) => {
  test.each(recorded)("of %s bring parameters where PyTorch brings them", async (_, optimiser, rate, expected) => {
    const variables = new Map([["p", tensor([1, -2, 0.5])]]);
    const g = inputValue("g", { dtype: "float32", shape: [3] });
    const p = parameterValue("p", variables.get("p")!);
    const { graph, state } = step(makeGraph([g], { loss: reduceSum(mul(p, g)) }), optimiser);
    const program = await engine.compile(graph, new Map([...variables, ...state]), { threads: 1 });
    for (const gradient of tenGradients) await program.run({ g: tensor(gradient), learningRate: scalar(rate) });
    const after = (await program.read(["p"])).get("p")!.toArray();
    await program.dispose();
    expect(after).toEqual(close(...expected));
  });
});

test("a running mean that is all of the gradient leaves no spread that is not a number", async () => {
  const steady = Array.from({ length: 200 }, () => [0.3, 0.1, 0.7] as const);
  const after = await train(rmsProp({ centred: true, smoothing: 0.5 }), steady, { engine: ort });
  expect(values(after).some(Number.isNaN)).toBe(false);
});

describe("gradient clipping", () => {
  test.each([reference, ort])("is by the common norm or by value on $name", async (engine) => {
    const clipped = await train(clipGradients(sgd(), { norm: 1 }), [[2, 3, 6]], { engine });
    expect(values(clipped)).toEqual(close(1 - 1 / 7, -2 - 1.5 / 7, 4 - 3 / 7));
    const small = await train(clipGradients(sgd(), { norm: 10 }), [[2, 3, 6]], { engine });
    expect(values(small)).toEqual(close(0, -3.5, 1));
    const each = await train(clipGradients(sgd(), { value: 2.5 }), [[2, 3, -6]], { engine });
    expect(values(each)).toEqual(close(0, -2 - 1.25, 4 + 1.25));
  });
});

describe("averaged weights", () => {
  test.each([reference, ort])("follow the weights slowly on $name", async (engine) => {
    const after = await train(
      sgd(),
      [
        [2, 0, 0],
        [2, 0, 0],
      ],
      { engine, decay: 0.75 },
    );
    expect(values(after)).toEqual(close(-1, -2, 4));
    const averages = averagedVariables(after);
    expect(values(averages)).toEqual(close(0.75 * (0.75 * 1 + 0.25 * 0) + 0.25 * -1, -2, 4));
    expect([...averages.keys()].some((name) => name.startsWith("average."))).toBe(false);
  });
});

test("bad options are refused", () => {
  expect(() => rmsProp({ smoothing: 1 })).toThrow("rmsProp: found smoothing 1; expected at least 0 and below 1.");
  expect(() => adamW({ weightDecay: -1 })).toThrow("adamW: found weightDecay -1; expected a number of at least 0.");
  expect(() => adagrad({ epsilon: -1 })).toThrow("adagrad: found epsilon -1");
  expect(() => adagrad({ rateDecay: -1 })).toThrow("adagrad: found rateDecay -1; expected a number of at least 0.");
  expect(() => clipGradients(sgd(), { value: Number.NaN })).toThrow(
    "clipGradients: found value NaN; expected a number above 0.",
  );
  expect(() => clipGradients(sgd(), { norm: 0 })).toThrow("clipGradients: found norm 0; expected a number above 0.");
  expect(() => averageWeights(makeGraph([], {}), new Map(), { decay: 1 })).toThrow("averageWeights: found decay 1");
});
