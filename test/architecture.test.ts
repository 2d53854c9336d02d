import { existsSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { describe, expect, test } from "vitest";
import { filesBelow, type Import, importsOf, read, root } from "./sources.ts";

/** The rooms in dependency order: a file imports only from its own room and those before it. */
const rooms = [
  "errors.ts",
  "platform",
  "tensor",
  "graph",
  "ops",
  "autodiff",
  "onnx",
  "engine",
  "nn",
  "models",
  "data",
  "train",
  "analyse",
  "explain",
  "stress",
  "report",
  "index.ts",
  "cli",
];

const sources = filesBelow("src", ".ts").filter((path) => !path.endsWith(".d.ts"));
const code = sources.filter((path) => !path.endsWith(".test.ts"));
const imports = code.flatMap(importsOf);
const inside = imports.filter(({ to }) => to.startsWith("."));
const target = ({ from, to }: Import): string => normalize(join(dirname(from), to)).replaceAll("\\", "/");
const roomOf = (path: string): string => path.split("/")[1]!;

describe("architecture", () => {
  test("there is something to check", () => {
    expect(code.length).toBeGreaterThan(40);
    expect(inside.length).toBeGreaterThan(100);
    expect(importsOf("src/engine/ort/ort.ts")).toContainEqual({
      from: "src/engine/ort/ort.ts",
      to: "../../platform/calls.ts",
      typeOnly: true,
    });
  });

  test("every file is in a room", () => {
    expect(code.filter((path) => !rooms.includes(roomOf(path)))).toEqual([]);
  });

  test("files import only from their own room and those before it", () => {
    const upwards = inside.filter((each) => rooms.indexOf(roomOf(target(each))) > rooms.indexOf(roomOf(each.from)));
    expect(upwards.map(({ from, to }) => `${from} imports ${to}`)).toEqual([]);
  });

  test("imports lead to files that exist", () => {
    expect(inside.filter((each) => !each.to.endsWith(".js") && !existsSync(join(root, target(each))))).toEqual([]);
  });

  test("only platform and cli import node: modules and native packages", () => {
    const native = /^(node:|sharp$|koffi$|better-sqlite3$)/;
    const outside = imports.filter(({ from, to }) => native.test(to) && !["platform", "cli"].includes(roomOf(from)));
    expect(outside.map(({ from, to }) => `${from} imports ${to}`)).toEqual([]);
  });

  test("only the engines import their runtimes, each in a file with a browser twin", () => {
    const runtimes = imports.filter(({ to, typeOnly }) => to.startsWith("onnxruntime-") && !typeOnly);
    expect(runtimes.map(({ from }) => from).sort()).toEqual([
      "src/engine/ort/runtime.browser.ts",
      "src/engine/ort/runtime.ts",
    ]);
  });

  test("every browser twin stands in package.json and exports what its sibling does", () => {
    const exported = (path: string) =>
      [...read(path).matchAll(/^export (?:async )?(?:const|function\*?|class|\{) ?(\w+)/gm)].map(([, name]) => name!);
    const twins = sources.filter((path) => path.endsWith(".browser.ts"));
    const built = (path: string) => `./${path.replace(/^src/, "dist").replace(/\.ts$/, ".js")}`;
    const expected = Object.fromEntries(twins.map((twin) => [built(twin.replace(".browser.ts", ".ts")), built(twin)]));
    expect(JSON.parse(read("package.json")).browser).toEqual(expected);
    for (const twin of twins) {
      const sibling = exported(twin.replace(".browser.ts", ".ts"));
      expect(exported(twin), twin).toEqual(expect.arrayContaining(sibling));
    }
  });

  test("there are no import cycles between files, except within ops/core", () => {
    const next = new Map<string, string[]>();
    for (const each of inside) if (!each.typeOnly) next.set(each.from, [...(next.get(each.from) ?? []), target(each)]);
    const cycles: string[] = [];
    const state = new Map<string, "open" | "done">();
    const visit = (path: string, trail: readonly string[]): void => {
      if (state.get(path) === "done") return;
      if (state.get(path) === "open") {
        const cycle = [...trail.slice(trail.indexOf(path)), path];
        if (!cycle.every((each) => each.startsWith("src/ops/core/"))) cycles.push(cycle.join(" > "));
        return;
      }
      state.set(path, "open");
      for (const to of next.get(path) ?? []) visit(to, [...trail, path]);
      state.set(path, "done");
    };
    for (const path of code) visit(path, []);
    expect(cycles).toEqual([]);
  });

  test("no file has more than 400 lines", () => {
    const all = ["src", "test", "bench", "examples", "scripts"].filter((folder) => existsSync(join(root, folder)));
    const long = all
      .flatMap((folder) => [".ts", ".mjs"].flatMap((ending) => filesBelow(folder, ending)))
      .filter((path) => !path.includes("/generated/"))
      .filter((path) => read(path).split("\n").length - 1 > 400);
    expect(long).toEqual([]);
  });

  test("nothing is called utils, and nothing names a machine's path", () => {
    const text = [...sources, ...filesBelow("docs", ".md"), "README.md"].filter((path) => existsSync(join(root, path)));
    expect(text.filter((path) => /utils?\.ts$|helpers?\.ts$/.test(path))).toEqual([]);
    expect(text.filter((path) => /\/(work|home|root|Users)\//.test(read(path)))).toEqual([]);
  });
});
