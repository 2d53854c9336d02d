import { expect, test } from "vitest";
import { tables } from "../../../test/check/cases/all.ts";
import { testOps } from "../../../test/check/table.ts";
import { ort } from "../../engine/ort/ort.ts";
import { makeGraph } from "../../graph/graph.ts";
import { apply } from "../../graph/op.ts";
import { inputValue } from "../../graph/value.ts";
import { tensor } from "../../tensor/tensor.ts";
import { TopK } from "./order.ts";
import { vector } from "./shape.ts";

testOps(tables["core/order"]!);

test("the largest run without where they stood", async () => {
  const x = inputValue("x", { dtype: "float32", shape: [4] });
  const graph = makeGraph([x], { y: apply(TopK, [x, vector([2])])[0]! });
  const program = await ort.compile(graph, new Map(), { threads: 1 });
  const found = await program.run({ x: tensor([3, 1, 4, 2], [4]) });
  expect(found.get("y")!.toArray()).toEqual([4, 3]);
  await program.dispose();
  await ort.close();
});
