import { expect, test } from "vitest";
import { near } from "./calls.ts";

/** Takes a tenth of a millisecond. */
function work(): void {
  const start = performance.now();
  while (performance.now() - start < 0.1);
}

test("calls in the calling thread, one awaited after the other, let timers fire", async () => {
  const peer = near({ work });
  let fired = 0;
  const timer = setInterval(() => fired++, 1);
  const start = performance.now();
  while (performance.now() - start < 200) await peer.call("work", undefined);
  clearInterval(timer);
  expect(fired).toBeGreaterThan(5);
});

test("calls in the calling thread, all at once, let timers fire and are answered in their order", async () => {
  const answered: unknown[] = [];
  const peer = near({
    work: (index: number) => {
      work();
      return index;
    },
  });
  let fired = 0;
  const timer = setInterval(() => fired++, 1);
  const given = Array.from({ length: 500 }, (_, index) => index);
  await Promise.all(given.map(async (index) => answered.push(await peer.call("work", index))));
  clearInterval(timer);
  expect(answered).toEqual(given);
  expect(fired).toBeGreaterThan(1);
});
