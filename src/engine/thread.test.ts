/** The near end of an engine in a thread, with stand-ins for what is at the far one. */
import { describe, expect, test, vi } from "vitest";
import { makeGraph } from "../graph/graph.ts";
import { inputValue } from "../graph/value.ts";
import { relu } from "../ops/core/elementwise.ts";
import { type Handlers, near } from "../platform/calls.ts";
import { type FarEnd, ThreadEngine } from "./thread.ts";

const x = inputValue("x", { dtype: "float32", shape: [2] });
const graph = makeGraph([x], { y: relu(x) });

/** What answers every call with nothing. */
const idle: Handlers = { open: () => {}, dispose: () => {}, close: () => {} };

const engineOf = (parts: Partial<FarEnd>) =>
  new ThreadEngine({
    name: "stand-in",
    title: "Stand-in",
    start: () => near(idle),
    lower: (given) => given,
    takesConstants: true,
    precisions: ["float32"],
    ...parts,
  });

describe("an engine in a thread", () => {
  test("disposes of a program that it could not open", async () => {
    const dispose = vi.fn();
    const open = () => {
      throw new Error("refused");
    };
    const engine = engineOf({ start: () => near({ ...idle, open, dispose }) });
    await expect(engine.compile(graph, new Map())).rejects.toThrow("a graph that it refuses (refused)");
    expect(dispose.mock.calls).toEqual([[{ program: 0 }]]);
  });
});
