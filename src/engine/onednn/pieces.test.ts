import { afterAll, describe, expect, test } from "vitest";
import { expectClose } from "../../../test/check/compare.ts";
import { gradientsOf } from "../../autodiff/gradient.ts";
import { makeGraph } from "../../graph/graph.ts";
import { apply } from "../../graph/op.ts";
import { inputValue, parameterValue, type Value } from "../../graph/value.ts";
import { conv } from "../../ops/conv.ts";
import { cast, mul, sub } from "../../ops/core/elementwise.ts";
import { reduceMean } from "../../ops/core/reduce.ts";
import { transpose } from "../../ops/core/shape.ts";
import { LRN } from "../../ops/local-normalisation.ts";
import { matmul } from "../../ops/matmul.ts";
import { maxPool } from "../../ops/pool.ts";
import type { DType } from "../../tensor/dtype.ts";
import { Random } from "../../tensor/random.ts";
import { sizeOf } from "../../tensor/shape.ts";
import { Tensor } from "../../tensor/tensor.ts";
import { evaluateGraph } from "../reference.ts";
import { missing } from "./library.ts";
import { onednn } from "./onednn.ts";

const uniform = (name: string, shape: readonly number[], most = 1): Tensor => {
  const random = new Random(1, name);
  const numbers = Float32Array.from({ length: sizeOf(shape) }, () => most * random.uniform());
  return new Tensor("float32", shape, numbers);
};

/** On the way in a type that the library does not have. */
const within = (dtype: DType, x: Value, f: (x: Value) => Value): Value => cast(f(cast(x, dtype)), "float32");

/** Products of maps with themselves. */
const products = (x: Value): Value => within("float64", x, (wide) => matmul(wide, transpose(wide, [0, 1, 3, 2])));

/** A training step with products in float64 after a convolution: three, with those of their gradient. */
function trained() {
  const x = inputValue("x", { dtype: "float32", shape: ["batch", 3, 34, 34] });
  const w = parameterValue("w", { dtype: "float32", shape: [8, 3, 3, 3] });
  const y = products(conv(x, w, undefined, { kernel_shape: [3, 3] }));
  const loss = reduceMean(mul(y, y));
  const next = sub(w, mul(gradientsOf(loss, [w])[0]!, 1e-9));
  return {
    graph: makeGraph([x], { loss }, [{ variable: w, next }]),
    variables: new Map([["w", uniform("w", [8, 3, 3, 3])]]),
    images: uniform("x", [2, 3, 34, 34]),
  };
}

describe.skipIf(missing() !== undefined)("what neither oneDNN nor a loop of ours has", () => {
  afterAll(() => onednn.close());

  test("runs in ONNX Runtime, or by its own evaluate where that lacks it or there is little to do, and is named", async () => {
    const x = inputValue("x", { dtype: "float32", shape: [2, 8, 64, 64] });
    const graph = makeGraph([x], {
      pooled: within("uint8", x, (bytes) => maxPool(bytes, { kernel_shape: [3, 3], strides: [2, 2] })),
      products: products(x),
      normalised: within("float64", x, (wide) => apply(LRN, [wide], { size: 5 })[0]!),
      few: products(maxPool(x, { kernel_shape: [16, 16], strides: [16, 16] })),
    });
    const given = uniform("x", [2, 8, 64, 64], 200);
    const program = await onednn.compile(graph, new Map());
    const found = await program.run({ x: given });
    for (const [name, expected] of evaluateGraph(graph, new Map([["x", given]])).outputs)
      expectClose(name, found.get(name), expected, { relative: 1e-6 });
    expect(await program.report()).toEqual({
      engine: "onednn",
      precision: "float32",
      elsewhere: { ort: { MatMul: 1, MaxPool: 1 }, reference: { LRN: 1, MatMul: 1 } },
    });
    await program.dispose();
  });

  test("is trained through, in the same bits each time, whatever the batch", async () => {
    const { graph, variables, images } = trained();
    const losses = async () => {
      const program = await onednn.compile(graph, variables);
      const found: number[] = [];
      for (const batch of [2, 2, 1, 2, 2])
        found.push((await program.run({ x: images.slice(0, batch) })).get("loss")!.item());
      expect((await program.report()).elsewhere).toEqual({ ort: { MatMul: 3 } });
      await program.dispose();
      return found;
    };
    const found = await losses();
    const { outputs } = evaluateGraph(graph, new Map([...variables, ["x", images]]));
    expect(found[0]! / outputs.get("loss")!.item()).toBeCloseTo(1, 5);
    expect(found[4]).toBeLessThan(found[0]! * 0.999);
    expect(await losses()).toEqual(found);
  });
});
