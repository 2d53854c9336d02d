import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { startProgress } from "./progress.ts";

/** A stream that remembers what is written. */
function memory(facts: { isTTY: boolean; columns?: number }) {
  const written: string[] = [];
  const stream = { ...facts, write: (text: string) => written.push(text) } as unknown as NodeJS.WriteStream;
  return { stream, text: () => written.join("") };
}

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubEnv("CI", undefined);
  vi.stubEnv("TERM", "xterm");
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllEnvs();
});

describe("without a terminal", () => {
  test("thousands of steps are a few lines", () => {
    const { stream, text } = memory({ isTTY: false });
    const progress = startProgress(stream);
    for (let step = 1; step <= 5000; step++) {
      vi.advanceTimersByTime(2);
      progress.step({ part: step / 5000, title: "epoch 1/1", facts: `loss ${step}` });
    }
    progress.end();
    expect(text()).toBe("epoch 1/1  25%  loss 1250\nepoch 1/1  50%  loss 2500\nepoch 1/1  75%  loss 3750\n");
  });

  test("quick work is only what it says at its ends", () => {
    const { stream, text } = memory({ isTTY: false });
    const progress = startProgress(stream);
    for (let step = 1; step <= 5000; step++) progress.step({ part: step / 5000, title: "a", facts: "" });
    progress.line("done");
    expect(text()).toBe("done\n");
  });
});

describe("on a terminal", () => {
  test("is one line that fits, and is gone at the end", () => {
    const { stream, text } = memory({ isTTY: true, columns: 80 });
    const progress = startProgress(stream);
    progress.step({ part: 0.5, title: "epoch 3/10", facts: "loss 0.0312  accuracy 98.4%  1,240 images/s  1:20 left" });
    vi.advanceTimersByTime(1000);
    progress.line("a line that stays");
    progress.end();
    const drawn = text().split("\r\u001b[K");
    expect(drawn.length).toBeGreaterThan(10);
    for (const line of drawn) expect(line.trimEnd().length).toBeLessThan(80);
    expect(drawn[1]).toMatch(
      /^. epoch 3\/10 [━#]+[─.]+ {2}loss 0\.0312 {2}accuracy 98\.4% {2}1,240 images\/s {2}1:20 left$/,
    );
    expect(drawn).toContain("a line that stays\n");
    expect(drawn.at(-1)).toBe("");
  });

  test("leaves the bar out where there is no room, and cuts the rest", () => {
    const { stream, text } = memory({ isTTY: true, columns: 40 });
    const progress = startProgress(stream);
    progress.step({ part: 0.5, title: "epoch 3/10", facts: "loss 0.0312  accuracy 98.4%  1,240 images/s  1:20 left" });
    progress.end();
    expect(text().split("\r\u001b[K")[1]).toHaveLength(39);
  });
});
