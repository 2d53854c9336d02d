import { expect, test, vi } from "vitest";
import { compiled } from "./loops.ts";
import type { Cell, Memory } from "./memory.ts";

test("loops are compiled once, and no more than a thousand of them are kept: those last asked for", () => {
  const compiling = vi.spyOn(globalThis, "Function");
  const elements = new Float32Array(1);
  const memory = { view: () => () => elements } as unknown as Memory;
  const cell: Cell = { dtype: "float32", shape: [1], order: "plain", region: {} as Cell["region"] };
  const found = (number: number) => {
    compiled(memory, [cell], `v0[0] = ${number};`)();
    return elements[0];
  };
  expect([1, 2, 1].map(found)).toEqual([1, 2, 1]);
  expect(compiling).toHaveBeenCalledTimes(2);
  for (let number = 3; number <= 1001; number++) found(number);
  expect([found(1), compiling.mock.calls.length]).toEqual([1, 1001]);
  expect([found(2), compiling.mock.calls.length]).toEqual([2, 1002]);
  compiling.mockRestore();
});
