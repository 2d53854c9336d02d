import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { interruptible } from "./interrupt.ts";

const kill = vi.spyOn(process, "kill").mockImplementation(() => true);

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
  kill.mockClear();
});

/** Work that lasts until it is told to end. */
function begin() {
  let end = () => {};
  const stop = vi.fn();
  const finished = new Promise<string>((resolve) => {
    end = () => resolve("what was done");
  });
  return { stop, end, outcome: interruptible(stop, () => finished) };
}

test("work that nobody interrupts has no exit code, and leaves no handlers", async () => {
  const before = process.listenerCount("SIGINT");
  const { stop, end, outcome } = begin();
  expect(process.listenerCount("SIGINT")).toBe(before + 1);
  end();
  expect(await outcome).toEqual({ result: "what was done", exitCode: undefined });
  expect(process.listenerCount("SIGINT")).toBe(before);
  expect(stop).not.toHaveBeenCalled();
});

test.each([
  ["SIGINT", 130],
  ["SIGTERM", 143],
] as const)(
  "the first %s asks to stop, once though it may arrive twice; the second ends the process",
  async (signal, code) => {
    const { stop, end, outcome } = begin();
    process.emit(signal);
    process.emit(signal);
    expect(stop).toHaveBeenCalledTimes(1);
    expect(kill).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1000);
    process.emit(signal);
    expect(kill).toHaveBeenCalledWith(process.pid, signal);
    expect(process.listenerCount(signal)).toBe(0);
    end();
    expect((await outcome).exitCode).toBe(code);
  },
);
