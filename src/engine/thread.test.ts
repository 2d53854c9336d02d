/** The near end of an engine in a thread, with stand-ins for what is at the far one. */
import { describe, expect, test, vi } from "vitest";
import { StriateError } from "../errors.ts";
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

  test("asks again what it is where its thread failed, and once where something is missing", async () => {
    const failures = [new Error("the thread stopped"), new StriateError({ subject: "stand-in", found: "no library" })];
    const start = vi.fn(() => {
      const failure = failures.shift();
      const about = () => {
        if (failure) throw failure;
        return { version: "1" };
      };
      return near({ ...idle, about });
    });
    const engine = engineOf({ start });
    expect((await engine.about()).missing).toEqual({ found: "the thread stopped" });
    expect((await engine.about()).missing).toEqual({ found: "no library" });
    expect((await engine.about()).missing).toEqual({ found: "no library" });
    expect(start).toHaveBeenCalledTimes(2);
  });

  test("tries again to start in the calling thread where it could not", async () => {
    const start = vi.fn(async () => near(idle)).mockRejectedValueOnce(new Error("no such module"));
    const engine = engineOf({ near: { sizeOf: () => "tiny", start } });
    await expect(engine.compile(graph, new Map())).rejects.toThrow("no such module");
    await engine.compile(graph, new Map());
    await engine.compile(graph, new Map());
    expect(start).toHaveBeenCalledTimes(2);
    await engine.close();
  });

  test("small programs run in the calling thread until there is one in the engine's own, tiny ones always, with one thread", async () => {
    const [calling, own, share] = [vi.fn(), vi.fn(), vi.fn()];
    const sizes = ["tiny", "small", "large"] as const;
    const engine = engineOf({
      start: () => near({ ...idle, open: own }),
      near: {
        sizeOf: ({ outputs }) => sizes.find((size) => outputs.has(size))!,
        start: async () => near({ ...idle, open: calling, share }),
      },
    });
    for (let round = 0; round < 2; round++)
      for (const size of sizes) await engine.compile(makeGraph([x], { [size]: relu(x) }), new Map(), { threads: 2 });
    const threads = [calling, own].map(({ mock }) => mock.calls.map(([request]) => request.threads));
    expect(threads).toEqual([
      [1, 2, 1],
      [2, 2, 2],
    ]);
    expect(share).toHaveBeenCalledTimes(1);
    await engine.close();
  });

  test("starts anew while it is still closing", async () => {
    let release = () => {};
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    const start = vi.fn(() => near({ ...idle, close: () => released }));
    const ask = vi.fn(async () => {});
    const engine = engineOf({ start, ask });
    await engine.compile(graph, new Map());
    const closing = engine.close();
    const program = await engine.compile(graph, new Map());
    release();
    await closing;
    await program.dispose();
    expect([start.mock.calls.length, ask.mock.calls.length]).toEqual([2, 2]);
  });
});
