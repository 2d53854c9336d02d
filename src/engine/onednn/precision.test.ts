import { afterAll, describe, expect, test } from "vitest";
import { makeGraph } from "../../graph/graph.ts";
import { inputValue } from "../../graph/value.ts";
import { relu } from "../../ops/core/elementwise.ts";
import { full } from "../../tensor/tensor.ts";
import type { Precision } from "../engine.ts";
import { ort } from "../ort/ort.ts";
import { reference } from "../reference.ts";
import { missing } from "./library.ts";
import { onednn } from "./onednn.ts";

const x = inputValue("x", { dtype: "float32", shape: [2, 3] });
const graph = makeGraph([x], { y: relu(x) });

describe.each([reference, ort])("$name", (engine) => {
  afterAll(() => engine.close());

  test("refuses bfloat16, and takes auto for float32", async () => {
    await expect(engine.compile(graph, new Map(), { precision: "bfloat16" })).rejects.toThrow(
      `engine "${engine.name}": found a precision of bfloat16; expected one of float32, auto. Use the engine "onednn", which has it.`,
    );
    const program = await engine.compile(graph, new Map(), { precision: "auto" });
    expect((await program.run({ x: full([2, 3], 0.1) })).get("y")!.toArray()[0]).toBeCloseTo(0.1, 7);
    await program.dispose();
  });
});

describe.skipIf(missing() !== undefined)("oneDNN", () => {
  afterAll(() => onednn.close());

  test("refuses a precision that there is not", async () => {
    await expect(onednn.compile(graph, new Map(), { precision: "float16" as Precision })).rejects.toThrow(
      'engine "onednn": found a precision of float16; expected one of float32, bfloat16, auto.',
    );
  });
});
