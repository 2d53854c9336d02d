import fc from "fast-check";
import { expect, test } from "vitest";
import { settle } from "./lifetimes.ts";
import type { Cell, Region } from "./memory.ts";
import { freeingEarly } from "./order.ts";
import { arrange, mostAtOnce } from "./places.ts";
import type { Step } from "./step.ts";

const region = (bytes: number): Region => ({ home: "arena", bytes, first: 0, last: 0, offset: 0 });
const cell = (of: Region): Cell => ({ dtype: "uint8", shape: [of.bytes], order: "plain", region: of });
const step = (
  name: string,
  reads: readonly Region[],
  writes: readonly Region[],
  over: readonly Region[] = [],
): Step => ({
  kind: { operator: name, scope: "", macs: 0 },
  touches: [...reads, ...writes],
  writes,
  over,
  make: () => () => {},
});

/** What steps leave in a region, when each writes a text of what it reads. */
function computed(steps: readonly Step[], given: ReadonlyMap<Region, string>, place: (region: Region) => string[]) {
  for (const [each, text] of given) place(each).fill(text);
  for (const { kind, touches, writes } of steps) {
    const read = touches.filter((each) => !writes.includes(each)).map((each) => [...place(each)]);
    for (const written of writes)
      place(written).splice(
        0,
        written.bytes,
        ...Array.from({ length: written.bytes }, (_, at) => text(kind.operator, read, at)),
      );
  }
}
const text = (name: string, read: readonly string[][], at: number) =>
  `${name}(${read.map((each) => each[at % each.length])})`;

/** Programs: an input, steps that each make something of what was made before, and an output. */
const programs = fc
  .array(
    fc.record({ bytes: fc.integer({ min: 1, max: 3 }), reads: fc.array(fc.nat(1000), { minLength: 1, maxLength: 3 }) }),
    {
      minLength: 1,
      maxLength: 25,
    },
  )
  .chain((rows) => fc.record({ rows: fc.constant(rows), untilOutputs: fc.integer({ min: 1, max: rows.length }) }))
  .map(({ rows, untilOutputs }) => {
    const input = region(64);
    const made = [input];
    const steps = rows.map(({ bytes, reads }, index) => {
      const from = [...new Set(reads.map((each) => made[each % made.length]!))];
      const target = region(64 * bytes);
      made.push(target);
      return step(`s${index}`, from, [target], from);
    });
    return { input, steps, made, untilOutputs, output: made[Math.ceil(untilOutputs / 2)]! };
  });

test("what is freed early, overlaid and arranged computes the same as what has places of its own", () => {
  fc.assert(
    fc.property(programs, ({ input, steps, made, untilOutputs, output }) => {
      const apart = new Map(made.map((each) => [each, new Array<string>(each.bytes).fill("")]));
      const given = new Map([[input, "x"]]);
      const last = made.at(-1)!;
      computed(steps, given, (each) => apart.get(each)!);
      const inputs = new Map([["x", cell(input)]]);
      const outputs = new Map([["y", cell(output)]]);
      const ordered = [...steps];
      settle(
        {
          regions: made,
          prepared: [],
          steps: ordered,
          untilOutputs,
          inputs,
          outputs,
          variables: new Map(),
          constants: [],
        },
        true,
      );
      const roots = made.filter(({ over }) => !over);
      const end = arrange(roots);
      expect(end).toBeGreaterThanOrEqual(mostAtOnce(roots));
      const memory = new Array<string>(end).fill("");
      /** A region's bytes, written through. */
      const view = ({ over, offset, bytes }: Region): string[] => {
        const from = over ? over.offset : offset;
        return new Proxy([] as string[], {
          get: (_, key) => {
            if (key === "fill") return (text: string) => memory.fill(text, from, from + bytes);
            if (key === "splice")
              return (_at: number, count: number, ...items: string[]) => memory.splice(from, count, ...items);
            if (key === Symbol.iterator) return () => memory.slice(from, from + bytes)[Symbol.iterator]();
            return undefined;
          },
        });
      };
      computed(ordered.slice(0, untilOutputs), given, view);
      expect([...view(output)]).toEqual(apart.get(output));
      computed(ordered.slice(untilOutputs), new Map(), view);
      if (last.last === steps.length - 1) expect([...view(last)]).toEqual(apart.get(last));
    }),
    { seed: 1, numRuns: 300 },
  );
});

test("a gradient of weights and their update come as soon as the layer's output gradient is there", () => {
  const [x1, x2, g2, g1, d2, d1] = [4096, 4096, 4096, 4096, 64, 64].map(region) as [
    Region,
    Region,
    Region,
    Region,
    Region,
    Region,
  ];
  const w: Region[] = [1, 2].map(() => ({ ...region(64), home: "next" }));
  const forward = [step("layer1", [], [x1]), step("layer2", [x1], [x2])];
  const steps = [
    step("loss gradient", [x2], [g2]),
    step("input gradient", [g2], [g1]),
    step("gradient1", [g1], [d1]),
    step("update1", [d1], [w[0]!]),
    step("gradient2", [x1, g2], [d2]),
    step("update2", [d2], [w[1]!]),
  ];
  expect(freeingEarly(forward, steps).map(({ kind }) => kind.operator)).toEqual([
    "loss gradient",
    "input gradient",
    "gradient1",
    "update1",
    "gradient2",
    "update2",
  ]);
});

test("an elementwise step writes over an operand that nothing needs any more, and over no output", () => {
  const [x, y, z] = [64, 64, 64].map(region) as [Region, Region, Region];
  const steps = [step("one", [], [x]), step("two", [x], [y], [x]), step("three", [y], [z], [y])];
  const outputs = new Map([["y", cell(y)]]);
  const none = new Map<string, Cell>();
  settle(
    {
      regions: [x, y, z],
      prepared: [],
      steps,
      untilOutputs: 3,
      inputs: none,
      outputs,
      variables: none,
      constants: [],
    },
    true,
  );
  expect([x.over, y.over, z.over]).toEqual([undefined, x, undefined]);
});

test("what becomes of variables has its place ahead of the others, which is free before it is written", () => {
  const next: Region = { home: "next", bytes: 640, first: 8, last: 10, offset: 0 };
  const lives = (first: number, last: number): Region => ({ home: "arena", bytes: 640, first, last, offset: 0 });
  const [early, between, late] = [lives(1, 3), lives(5, 7), lives(7, 9)];
  expect(arrange([early, between, late], { bytes: 640, regions: [next], from: 5 })).toBe(1280);
  expect([early, between, late].map(({ offset }) => offset)).toEqual([640, 0, 640]);
});
