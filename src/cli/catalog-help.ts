/** The catalog as help shows it. */
import { catalog } from "../models/catalog.ts";

/** Every network by name, with a line about it. */
export function catalogHelp(): string {
  const width = Math.max(...[...catalog.keys()].map((name) => name.length));
  const lines = [...catalog.values()].map(({ name, about }) => `  ${name.padEnd(width)}  ${about}`);
  return `Networks of the catalog:\n${lines.join("\n")}`;
}
