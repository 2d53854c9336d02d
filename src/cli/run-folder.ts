/** A run folder: the trained model, what it was trained with, and how it went. */
import { rm } from "node:fs/promises";
import { StriateError } from "../errors.ts";
import type { Model } from "../models/model.ts";
import { exists, isFolder, joinPath, writeFileAtomic } from "../platform/files.ts";
import type { EpochEvent } from "../train/fit.ts";
import { versions } from "./version.ts";

/** The files of a run folder. */
export const runFiles = { model: "model.onnx", record: "run.json", history: "history.jsonl" } as const;

/** How a run ended, or that it has not. */
export type RunStatus = "running" | "finished" | "stopped" | "failed";

/** A run folder that is written as training goes: every file is there whole or not at all. */
export class RunFolder {
  readonly path: string;
  readonly #record: Record<string, unknown>;
  readonly #history: string[] = [];

  #begun: Promise<void> | undefined;

  /** @param facts what the run was made with, for its record */
  constructor(path: string, facts: Readonly<Record<string, unknown>>) {
    this.path = path;
    this.#record = { ...facts, versions: versions(), started: new Date().toISOString() };
  }

  /** Makes the folder, once; an older run in it goes. */
  begin(): Promise<void> {
    this.#begun ??= this.#make();
    return this.#begun;
  }

  async #make(): Promise<void> {
    await this.#writeRecord("running");
    for (const name of [runFiles.model, runFiles.history]) await rm(joinPath(this.path, name), { force: true });
  }

  /** @throws StriateError when a run would overwrite another one */
  static async check(path: string, force: boolean): Promise<void> {
    if ((await exists(path)) && !(await isFolder(path)))
      throw new StriateError({ subject: path, found: "a file", expected: "a folder, or nothing there yet" });
    if (force) return;
    for (const name of Object.values(runFiles))
      if (await exists(joinPath(path, name)))
        throw new StriateError({
          subject: path,
          found: `a run already (${name})`,
          expected: "a new folder",
          mend: "Choose another --out, or overwrite it with --force",
        });
  }

  /** The trained model's file. */
  get modelPath(): string {
    return joinPath(this.path, runFiles.model);
  }

  /** Adds an epoch to the history. */
  async epoch({ kind: _, ...event }: EpochEvent): Promise<void> {
    this.#history.push(`${JSON.stringify(event)}\n`);
    await writeFileAtomic(joinPath(this.path, runFiles.history), this.#history.join(""));
  }

  /** Keeps the model and says how the run ended. */
  async end(model: Model, status: RunStatus, result: Readonly<Record<string, unknown>>): Promise<void> {
    await model.save(this.modelPath);
    await this.#writeRecord(status, { ended: new Date().toISOString(), result });
  }

  async #writeRecord(status: RunStatus, more: Readonly<Record<string, unknown>> = {}): Promise<void> {
    const record = { status, ...this.#record, ...more };
    await writeFileAtomic(joinPath(this.path, runFiles.record), `${JSON.stringify(record, undefined, 2)}\n`);
  }
}
