/** The examples of docstrings, of the README and of docs/ are programs: each is type-checked and run. */
import { execFileSync } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { filesBelow, read, root } from "./sources.ts";

interface Example {
  readonly name: string;
  readonly code: string;
}

const folder = join(root, ".cache", "examples");

/** What stands after `@example` in doc comments. */
function fromComments(path: string): Example[] {
  const comments = [...read(path).matchAll(/\/\*\*[\s\S]*?\*\//g)].map(([comment]) => comment);
  return comments
    .flatMap((comment) => comment.split("@example").slice(1))
    .map(
      (text) =>
        text
          .replace(/\*\/$/, "")
          .replace(/^ *\* ?/gm, "")
          .split(/^@\w/m)[0]!,
    )
    .map((code, index) => ({ name: `${path} ${index + 1}`, code }));
}

/** The TypeScript blocks of a page. */
const fromPage = (path: string): Example[] =>
  [...read(path).matchAll(/^```ts\n([\s\S]*?)^```/gm)].map(([, code], index) => ({
    name: `${path} ${index + 1}`,
    code: code!,
  }));

const fromFile = (path: string): Example => ({ name: path, code: read(path) });

const examples = [
  ...filesBelow("examples", ".ts").map(fromFile),
  ...filesBelow("src", ".ts").flatMap(fromComments),
  ...fromPage("README.md"),
  ...filesBelow("docs", ".md").flatMap(fromPage),
];

const fileOf = ({ name }: Example): string => join(folder, `${name.replace(/[^\w]+/g, "-")}.ts`);

rmSync(folder, { recursive: true, force: true });
mkdirSync(folder, { recursive: true });
for (const example of examples) writeFileSync(fileOf(example), `${example.code}\nexport {};\n`);
writeFileSync(
  join(folder, "tsconfig.json"),
  JSON.stringify({
    extends: "../../tsconfig.json",
    compilerOptions: { noUnusedLocals: false },
    include: ["*.ts"],
  }),
);

describe("examples", () => {
  beforeEach(() => {
    vi.spyOn(console, "assert").mockImplementation((condition) => {
      if (!condition) throw new Error("console.assert: the example says what is not so");
    });
    vi.spyOn(console, "log").mockImplementation(() => {});
  });
  afterEach(() => vi.restoreAllMocks());

  test("there are some, in the README too", () => {
    expect(examples.length).toBeGreaterThan(10);
    expect(examples.some(({ name }) => name.startsWith("README.md"))).toBe(true);
  });

  test("they type-check", () => {
    const compiler = join(root, "node_modules", "typescript", "bin", "tsc");
    execFileSync(process.execPath, [compiler, "-p", join(folder, "tsconfig.json")], {
      stdio: "pipe",
      encoding: "utf8",
    });
  }, 60_000);

  for (const example of examples)
    test(`${example.name} runs`, async () => {
      await import(fileOf(example));
    }, 60_000);
});
