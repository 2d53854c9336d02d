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

describe("gradient clipping", () => {
  test.each([reference, ort])("scales all gradients by their common norm on $name", async (engine) => {
    const clipped = await train(clipGradients(sgd(), { norm: 1 }), [[2, 3, 6]], { engine });
    expect(values(clipped)).toEqual(close(1 - 1 / 7, -2 - 1.5 / 7, 4 - 3 / 7));
    const small = await train(clipGradients(sgd(), { norm: 10 }), [[2, 3, 6]], { engine });
    expect(values(small)).toEqual(close(0, -3.5, 1));
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
  expect(() => clipGradients(sgd(), { norm: 0 })).toThrow("clipGradients: found norm 0; expected a number above 0.");
  expect(() => averageWeights(makeGraph([], {}), new Map(), { decay: 1 })).toThrow("averageWeights: found decay 1");
});
