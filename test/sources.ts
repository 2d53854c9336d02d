/** The project's own sources, for tests about them. */
import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";

export const root = join(import.meta.dirname, "..");

/** Files below a folder of the project, as paths from the root with forward slashes. */
export const filesBelow = (folder: string, ending: string): string[] =>
  readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(ending))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)).replaceAll("\\", "/"))
    .filter((path) => !path.includes("node_modules/"))
    .sort();

export const read = (path: string): string => readFileSync(join(root, path), "utf8");

export interface Import {
  readonly from: string;
  readonly to: string;
  readonly typeOnly: boolean;
}

/** What a TypeScript file imports, by the text of its import and export declarations and dynamic imports. */
export function importsOf(path: string): Import[] {
  const text = read(path);
  const declarations = /^(?:import|export)\s+(type\s)?(?:[^"';]*?\sfrom\s+)?"([^"]+)";/gm;
  const dynamic = /\bimport\("([^"]+)"\)/g;
  return [
    ...[...text.matchAll(declarations)].map(([, type, to]) => ({ from: path, to: to!, typeOnly: type !== undefined })),
    ...[...text.matchAll(dynamic)].map(([, to]) => ({ from: path, to: to!, typeOnly: false })),
  ];
}
