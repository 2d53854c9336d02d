import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { filesBelow, read, root } from "./sources.ts";

interface Row {
  readonly promise: string;
  /** `file.test.ts: name of the test`, or a command in backquotes. */
  readonly shownBy: string;
  readonly figure: string;
}

const rows: Row[] = read("docs/promises.md")
  .split("\n")
  .filter((line) => line.startsWith("|"))
  .map((line) =>
    line
      .split(/(?<!\\)\|/)
      .slice(1, -1)
      .map((cell) => cell.trim().replaceAll("\\|", "|")),
  )
  .filter((cells) => cells[0] !== "Promise" && !/^:?-+:?$/.test(cells[0]!))
  .map(([promise, shownBy, figure]) => ({ promise: promise!, shownBy: shownBy ?? "", figure: figure ?? "" }));

/** Why a row does not show its promise, or undefined when it does. */
function flaw({ promise, shownBy, figure }: Row): string | undefined {
  if (promise === "") return "no promise";
  if (figure === "" || /^[A-Z]+$/.test(figure)) return `${promise}: no figure`;
  const commands = [...shownBy.matchAll(/`([^`]+)`/g)].map(([, command]) => command!);
  for (const proof of commands) {
    const named = /^(\S+\.test\.ts): (.+)$/.exec(proof);
    if (named) {
      const [, file, name] = named as unknown as [string, string, string];
      if (!existsSync(join(root, file))) return `${promise}: no file ${file}`;
      const at = testAt(read(file), name);
      if (at === undefined) return `${promise}: no test "${name}" in ${file}`;
      if (/\.(skip|todo|fails|skipIf|runIf)\b/.test(at)) return `${promise}: the test "${name}" is skipped`;
    } else if (!knownCommand(proof)) return `${promise}: unknown command ${proof}`;
  }
  return commands.length === 0 ? `${promise}: nothing shows it` : undefined;
}

/** How the test of this name is declared: `test`, `test.skip` and so on. */
function testAt(text: string, name: string): string | undefined {
  const quoted = ['"', "'", "`"].map((quote) => text.indexOf(`(${quote}${name}${quote}`)).find((at) => at >= 0);
  if (quoted === undefined) return undefined;
  return /[\w.]*$/.exec(text.slice(0, quoted).replace(/\([^()]*\)$/, ""))?.[0];
}

const scripts = Object.keys(JSON.parse(read("package.json")).scripts as Record<string, string>);

function knownCommand(command: string): boolean {
  const script = /^npm (?:run )?(?:-s )?(\w[\w-]*)/.exec(command)?.[1];
  if (script !== undefined) return scripts.includes(script);
  const subcommand = /^striate (\w+)/.exec(command)?.[1];
  if (subcommand !== undefined) return existsSync(join(root, "src/cli/commands", `${subcommand}.ts`));
  return command.startsWith(".ci/run");
}

describe("docs/promises.md", () => {
  test("has rows", () => {
    expect(rows.length).toBeGreaterThan(50);
  });

  test("every row has a figure and a test or command that exists and is not skipped", () => {
    expect(rows.map(flaw).filter((each) => each !== undefined)).toEqual([]);
  });

  test("a row whose test is missing or skipped is found out", () => {
    const row = (shownBy: string): Row => ({ promise: "p", shownBy, figure: "1" });
    expect(flaw(row("`test/promises.test.ts: has rows`"))).toBeUndefined();
    expect(flaw(row("`test/promises.test.ts: has no rows`"))).toContain("no test");
    expect(flaw(row("`test/absent.test.ts: has rows`"))).toContain("no file");
    expect(flaw(row("`npm run nothing-of-this-name`"))).toContain("unknown command");
    expect(flaw(row(""))).toContain("nothing shows it");
    expect(flaw({ ...row("`npm test`"), figure: "" })).toContain("no figure");
    expect(testAt('test.skip("gone", () => {});', "gone")).toBe("test.skip");
    expect(flaw(row("`test/promises.test.ts: gone`"))).toContain("skipped");
  });

  test("no test of the project is skipped or left out, but to say that recorded numbers are missing", () => {
    const tests = [...filesBelow("src", ".test.ts"), ...filesBelow("test", ".test.ts")];
    const left = tests
      .filter((path) => path !== "test/promises.test.ts")
      .flatMap((path) => [...read(path).matchAll(/\b(?:test|it|describe)\.(?:skip|todo|only|fails)\([^)]{0,120}/g)])
      .map(([found]) => found.replace(/\s+/g, " "))
      .filter((found) => !/(are|is) not here/.test(found));
    expect(left).toEqual([]);
  });
});
