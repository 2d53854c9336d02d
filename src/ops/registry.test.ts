import { readdirSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { tables } from "../../test/check/cases/all.ts";
import { isDifferentiable } from "../../test/check/op.ts";
import { notDifferentiable, type Op, striateDomain } from "../graph/op.ts";
import { operators } from "./registry.ts";

const isOp = (candidate: unknown): candidate is Op =>
  typeof candidate === "object" && candidate !== null && "infer" in candidate && "evaluate" in candidate;

const folder = new URL("./", import.meta.url);
const sources = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter(
  (path) => path.endsWith(".ts") && !path.endsWith(".test.ts"),
);
const modules: readonly object[] = await Promise.all(sources.map((path) => import(new URL(path, folder).href)));
const exported = new Set(modules.flatMap((module) => Object.values(module).filter(isOp)));
const cases = Object.values(tables).flat();
const names = (ops: Iterable<Op>): string[] => [...ops].map(({ name }) => name).sort();

describe("every operator", () => {
  test("is found where operators are stated", () => {
    expect(exported.size).toBeGreaterThan(40);
  });

  test("is one that files may name", () => {
    expect(names([...exported].filter((op) => operators.get(`${op.domain}:${op.name}`) !== op))).toEqual([]);
  });

  test("has a case", () => {
    const checked = new Set(cases.map(({ op }) => op));
    expect(names([...exported].filter((op) => !checked.has(op)))).toEqual([]);
  });

  test("has a case that checks its gradient, unless it has none", () => {
    const checked = new Set(cases.filter(isDifferentiable).map(({ op }) => op));
    expect(names([...exported].filter((op) => op.gradient !== notDifferentiable && !checked.has(op)))).toEqual([]);
  });

  test("of our own gives its composition of standard operators", () => {
    const own = [...exported].filter(({ domain }) => domain !== "");
    expect(new Set(own.map(({ domain }) => domain))).toEqual(new Set([striateDomain]));
    expect(names(own.filter(({ composition }) => !composition))).toEqual([]);
  });

  test("has cases of different names: each draws its own numbers", () => {
    const seen = cases.map(({ name }) => name);
    expect(seen.filter((name, index) => seen.indexOf(name) !== index)).toEqual([]);
  });
});
