import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { bar, counted, duration, grouped, lossText, percent, table, truncate, wrap } from "./text.ts";

describe("wrap", () => {
  test("breaks between words, later lines indented", () => {
    expect(wrap("one two three four", 10, "  ")).toBe("one two\n  three\n  four");
    expect(wrap("one\n\ntwo", 10)).toBe("one\n\ntwo");
    expect(wrap("  one  two", 10)).toBe("  one  two");
  });

  test("keeps long words whole and loses none", () => {
    expect(wrap("see /a/very/long/path now", 10)).toBe("see\n/a/very/long/path\nnow");
    const words = fc.array(fc.stringMatching(/^[a-z]{1,12}$/), { minLength: 1 });
    fc.assert(
      fc.property(words, fc.integer({ min: 14, max: 40 }), (list, width) => {
        const lines = wrap(list.join(" "), width, "  ").split("\n");
        expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(width);
        expect(lines.flatMap((line) => line.trim().split(" "))).toEqual(list);
      }),
    );
  });
});

test("numbers as people read them", () => {
  expect([grouped(61_706), grouped(0)]).toEqual(["61,706", "0"]);
  expect([percent(0.98765), percent(1, 0), percent(Number.NaN)]).toEqual(["98.77%", "100%", "NaN%"]);
  expect([lossText(0.03124), lossText(0), lossText(2e-7), lossText(3e8)]).toEqual([
    "0.0312",
    "0.0000",
    "2.00e-7",
    "3.00e+8",
  ]);
  expect([0, 59.6, 80, 7267, Number.POSITIVE_INFINITY].map(duration)).toEqual(["0:00", "1:00", "1:20", "2:01:07", "?"]);
  expect([counted(1, "image"), counted(2000, "image"), counted(0, "error")]).toEqual([
    "1 image",
    "2,000 images",
    "0 errors",
  ]);
});

test("bars and cut text keep their width", () => {
  expect([bar(0.5, 4), bar(-1, 2), bar(7, 2)]).toEqual(["██░░", "░░", "██"]);
  expect([truncate("short", 5), truncate("longer", 5)]).toEqual(["short", "long…"]);
});

describe("table", () => {
  const columns = [
    { title: "name", shrinks: "end" },
    { title: "count", align: "right" },
  ] as const;

  test("aligns numbers to the right, with a rule where a row is undefined", () => {
    expect(table(columns, [["a", "1,000"], ["bb", "1"], undefined, ["total", "1,001"]]).split("\n")).toEqual([
      "name   count",
      "────────────",
      "a      1,000",
      "bb         1",
      "────────────",
      "total  1,001",
    ]);
  });

  test("gives way where it would be wider than the terminal", () => {
    const rows = [[`conv1.${"a".repeat(90)}.conv2`, "1"]];
    const lines = table(columns, rows, 40).split("\n");
    expect(lines.map((line) => line.length)).toEqual([40, 40, 40]);
    expect(lines[2]).toMatch(/^conv1\.a+… {2} {4}1$/);
    const other = table([{ title: "name", shrinks: "start" }, columns[1]], rows, 40).split("\n");
    expect(other[2]).toMatch(/^…a+\.conv2 {2} {4}1$/);
  });
});
