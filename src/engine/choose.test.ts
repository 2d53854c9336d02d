import { afterAll, describe, expect, test, vi } from "vitest";
import { makeGraph } from "../graph/graph.ts";
import { inputValue, stateValue } from "../graph/value.ts";
import { concat } from "../ops/core/arrange.ts";
import { relu } from "../ops/core/elementwise.ts";
import { reduceMean } from "../ops/core/reduce.ts";
import { full, tensor } from "../tensor/tensor.ts";
import { chooseEngine, compile, type EngineName, engines } from "./choose.ts";
import type { EngineFacts, ProgramReport } from "./engine.ts";
import { reportTogether } from "./engine.ts";
import { missing } from "./onednn/library.ts";
import { onednn } from "./onednn/onednn.ts";
import { ort } from "./ort/ort.ts";
import { reference } from "./reference.ts";

const input = inputValue("x", { dtype: "float32", shape: [2] });

/** The mean of all rows that were ever given: each run has one more of them. */
function growing() {
  const x = inputValue("x", { dtype: "float32", shape: [1, 3] });
  const seen = stateValue("seen", { dtype: "float32", shape: ["n", 3] });
  const next = concat([seen, x], 0);
  const graph = makeGraph([x], { mean: reduceMean(next, { axes: [0] }) }, [{ variable: seen, next }]);
  return { graph, seen: new Map([["seen", full([2, 3], 1)]]) };
}

const lacking = { found: "no library named libdnnl.so.3", mend: "Install it: apt-get install libdnnl2" };

/** Makes oneDNN tell this of itself, once or more often. */
function telling(facts: Pick<EngineFacts, "missing">): void {
  vi.spyOn(onednn, "about").mockResolvedValue({ name: "onednn", title: "oneDNN", precisions: ["float32"], ...facts });
}

afterAll(async () => {
  vi.restoreAllMocks();
  for (const engine of engines) await engine.close();
});

describe("auto", () => {
  test("is oneDNN where that is, and says nothing", async () => {
    telling({});
    const notice = vi.fn();
    const engine = await chooseEngine("auto", notice);
    expect(engine.name).toBe("onednn");
    expect(await chooseEngine(undefined, notice)).toBe(engine);
    expect(notice).not.toHaveBeenCalled();
  });

  test.skipIf(missing() !== undefined)("runs a graph whose variable grows on ONNX Runtime, and says so", async () => {
    vi.restoreAllMocks();
    const { graph, seen } = growing();
    const notice = vi.fn();
    const engine = await chooseEngine("auto", notice);
    for (let count = 0; count < 2; count++) {
      const program = await compile(graph, seen, { engine });
      const x = tensor([4, 4, 4], [1, 3]);
      const means = [await program.run({ x }), await program.run({ x })].map((each) => each.get("mean")!.toArray()[0]);
      expect(means).toEqual([2, 2.5]);
      expect((await program.read()).get("seen")!.shape).toEqual([4, 3]);
      expect((await program.report()).engine).toBe("ort");
      await program.dispose();
    }
    expect(notice.mock.calls).toEqual([['Running on ONNX Runtime: oneDNN cannot run this graph ("seen" of nx3).']]);
    const fixed = await compile(makeGraph([input], { y: relu(input) }), new Map(), { engine });
    expect((await fixed.report()).engine).toBe("onednn");
    await fixed.dispose();
  });

  test("is ONNX Runtime elsewhere, and says once how to get the faster one", async () => {
    telling({ missing: lacking });
    const notice = vi.fn();
    for (let count = 0; count < 3; count++) expect(await chooseEngine("auto", notice)).toBe(ort);
    expect(notice.mock.calls).toEqual([
      [
        "Running on ONNX Runtime; oneDNN would be faster, and is not here (no library named libdnnl.so.3). " +
          "Install it: apt-get install libdnnl2.",
      ],
    ]);
  });

  test("tells those who do not say where by console.warn, once in a process", async () => {
    telling({ missing: lacking });
    const warn = vi.spyOn(console, "warn").mockImplementation(() => {});
    for (let count = 0; count < 2; count++) expect(await chooseEngine()).toBe(ort);
    expect(warn).toHaveBeenCalledTimes(1);
  });

  test("says nothing where nothing can be done, as in a browser", async () => {
    telling({ missing: { found: "a browser" } });
    const notice = vi.fn();
    expect(await chooseEngine("auto", notice)).toBe(ort);
    expect(notice).not.toHaveBeenCalled();
  });
});

describe("an engine chosen by hand", () => {
  test("is that engine, by name or itself", async () => {
    for (const name of ["ort", "reference"] as const) expect((await chooseEngine(name)).name).toBe(name);
    expect(await chooseEngine(reference)).toBe(reference);
  });

  test("that cannot load is an error with the way to mend it", async () => {
    telling({ missing: lacking });
    await expect(chooseEngine("onednn")).rejects.toThrow(
      'engine "onednn": found no library named libdnnl.so.3; expected oneDNN. ' +
        'Install it: apt-get install libdnnl2; or use the engine "auto".',
    );
  });

  test("that cannot run a graph which others can is an error that says why", async () => {
    const { graph, seen } = growing();
    await expect(onednn.compile(graph, seen)).rejects.toThrow(
      'engine "onednn": found "seen" of nx3; expected variables whose lengths are all known. Use the engine "auto" or "ort".',
    );
  });

  test("that there is not is an error with those there are", async () => {
    await expect(chooseEngine("typo" as EngineName)).rejects.toThrow(
      "engine: found typo; expected one of auto, onednn, ort, reference.",
    );
  });
});

describe("compile", () => {
  const graph = makeGraph([input], { y: relu(input) });

  test.each([
    ["reference", "float64"],
    ["ort", "float32"],
  ] as const)("runs on %s, whose program says so and that it computes in %s", async (engine, precision) => {
    const program = await compile(graph, new Map(), { engine, precision: "auto" });
    expect((await program.run({ x: tensor([-1, 2]) })).get("y")!.toArray()).toEqual([0, 2]);
    expect(await program.report()).toEqual({ engine, precision, elsewhere: {} });
    await program.dispose();
  });

  test("refuses a precision that the engine lacks", async () => {
    await expect(compile(graph, new Map(), { engine: "ort", precision: "bfloat16" })).rejects.toThrow(
      'engine "ort": found a precision of bfloat16; expected one of float32, auto. Use the engine "onednn", which has it.',
    );
  });
});

test("programs together ran elsewhere what the most of one did", () => {
  const report = (elsewhere: ProgramReport["elsewhere"]) => ({ engine: "e", precision: "float32" as const, elsewhere });
  expect(
    reportTogether([report({ ort: { Gather: 2, Erf: 1 } }), report({ ort: { Gather: 1 }, reference: { TopK: 3 } })]),
  ).toEqual(report({ ort: { Gather: 2, Erf: 1 }, reference: { TopK: 3 } }));
});
