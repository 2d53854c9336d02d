import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { describe, expect, test } from "vitest";
import { inLargePages } from "./native.ts";

const setting = "/sys/kernel/mm/transparent_hugepage/enabled";
const hasLargePages = existsSync(setting) && !readFileSync(setting, "utf8").includes("[never]");

/** What the system says of the memory that holds an address (/proc/self/smaps). */
function flagsAt(address: number): string {
  const maps = readFileSync("/proc/self/smaps", "utf8").split(/\n(?=[0-9a-f]+-[0-9a-f]+ )/);
  const found = maps.find((map) => {
    const [from, to] = map
      .split(" ", 1)[0]!
      .split("-")
      .map((each) => Number.parseInt(each, 16)) as [number, number];
    return from <= address && address < to;
  });
  return /VmFlags: (.*)/.exec(found!)![1]!;
}

describe.runIf(hasLargePages)("memory in pages of 2 MB", () => {
  test("a buffer's bytes are to be held in large pages, but for the ends that share theirs", () => {
    const koffi = createRequire(import.meta.url)("koffi") as typeof import("koffi");
    const page = 2 ** 21;
    const buffer = new ArrayBuffer(4 * page);
    const first = Math.ceil(Number(koffi.address(buffer)) / page) * page;
    expect(flagsAt(first)).not.toContain("hg");
    inLargePages(buffer);
    expect(flagsAt(first)).toContain("hg");
    expect(flagsAt(first + 2 * page)).toContain("hg");
    expect(flagsAt(Number(koffi.address(buffer)))).not.toContain("hg");
    expect(() => inLargePages(new ArrayBuffer(64))).not.toThrow();
  });
});
