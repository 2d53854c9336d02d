/** Variables that have one place only: what they become is written over what they are, once nothing needs that. */
import { afterAll, describe, expect, test } from "vitest";
import { makeGraph } from "../../graph/graph.ts";
import { bind } from "../../graph/rewrite.ts";
import { training } from "../../graph/training.ts";
import { inputValue, stateValue } from "../../graph/value.ts";
import { lenet5 } from "../../models/lenet.ts";
import { Model } from "../../models/model.ts";
import { crossEntropy } from "../../nn/losses.ts";
import { adam, clipGradients, type Optimiser, rmsProp, sgd } from "../../nn/optimisers.ts";
import { step, withLoss } from "../../nn/step.ts";
import { add, mul } from "../../ops/core/elementwise.ts";
import { Random } from "../../tensor/random.ts";
import { scalar, Tensor, tensor } from "../../tensor/tensor.ts";
import { dnnl, missing } from "./library.ts";
import { lower } from "./lower.ts";
import { onednn } from "./onednn.ts";
import { NativeProgram } from "./program.ts";

const batch = 4;

/** The variables after three steps of LeNet-5 with moments in one place or in two, and the bytes of it all. */
function trained(optimiser: Optimiser, isIrreversible: boolean) {
  const model = Model.build(lenet5({ classes: 10 }), { name: "lenet5", input: [1, 32, 32], seed: 1 });
  const { graph, state } = step(withLoss(training(model.graph), crossEntropy), optimiser);
  const random = new Random(1, "updates");
  const feeds = new Map<string, Tensor>([
    [
      "image",
      new Tensor(
        "float32",
        [batch, 1, 32, 32],
        Float32Array.from({ length: 4096 }, () => random.normal()),
      ),
    ],
    ["target", tensor([3, 1, 4, 1], [batch], "int64")],
    ["learningRate", scalar(0.01)],
  ]);
  const program = new NativeProgram(
    dnnl(),
    lower(bind(graph, { batch })),
    new Map([...model.variables, ...state]),
    isIrreversible ? { irreversible: [...state.keys()] } : {},
  );
  for (let count = 0; count < 3; count++) program.run(feeds);
  const variables = [...program.read()].map(([name, { data }]) => [name, [...data]] as const);
  const { bytes, plan } = program;
  const copies = plan.steps.filter(({ kind }) => kind.operator === "update").length;
  program.dispose();
  return { variables, bytes, copies };
}

describe.skipIf(missing() !== undefined)("oneDNN", () => {
  afterAll(() => onednn.close());

  test.each<[string, Optimiser]>([
    ["SGD with momentum", sgd({ momentum: 0.9, weightDecay: 0.01 })],
    ["SGD with Nesterov's", sgd({ momentum: 0.9, nesterov: true })],
    ["Adam", adam()],
    ["centred RMSprop", rmsProp({ centred: true, momentum: 0.9 })],
    ["clipped SGD", clipGradients(sgd({ momentum: 0.9 }), { norm: 1 })],
  ])("%s trains the same to the bit with its moments in one place, in less memory", (_, optimiser) => {
    const [once, twice] = [trained(optimiser, true), trained(optimiser, false)];
    expect(once.variables).toEqual(twice.variables);
    expect(once.bytes).toBeLessThan(twice.bytes);
    expect(once.copies).toBeLessThanOrEqual(twice.copies);
  });

  test("irreversible variables that become one another, or stay what they are, are not overwritten too early", async () => {
    const by = inputValue("by", { dtype: "float32", shape: [2] });
    const names = ["a", "b", "c", "d"];
    const [a, b, c, d] = names.map((name) => stateValue(name, { dtype: "float32", shape: [2] })) as [
      ReturnType<typeof stateValue>,
      ...ReturnType<typeof stateValue>[],
    ];
    const grown = add(mul(a, 2), by);
    const graph = makeGraph([by], { y: add(by, 1) }, [
      { variable: a, next: grown },
      { variable: b!, next: a },
      { variable: c!, next: b! },
      { variable: d!, next: add(mul(d!, grown), a) },
    ]);
    const first = new Map(names.map((name, index) => [name, tensor([index + 1, 10 * (index + 1)])]));
    const read = async (irreversible: readonly string[]) => {
      const program = await onednn.compile(graph, first, { irreversible });
      for (let count = 0; count < 3; count++) await program.run({ by: tensor([1, 2]) });
      const values = [...(await program.read(names)).values()].map((each) => each.toArray());
      await program.dispose();
      return values;
    };
    const twice = await read([]);
    expect(twice[0]).toEqual([15, 94]);
    for (const irreversible of [names, ["a"], ["b", "c"], ["a", "d"]]) expect(await read(irreversible)).toEqual(twice);
  });
});
