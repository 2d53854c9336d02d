/** Which versions take part. */
import { readFileSync } from "node:fs";

/** Striate's version, from the package it was installed with. */
export function striateVersion(): string {
  const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}

/** What a run's record names, so that it can be made again. */
export function versions(): Record<string, string> {
  return { striate: striateVersion(), node: process.version, system: `${process.platform} ${process.arch}` };
}
