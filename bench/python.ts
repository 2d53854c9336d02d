/** PyTorch on the CPU: a Python process that does as it is told, line by line. */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

interface Hello {
  readonly missing?: string;
  readonly version: string;
  readonly threads: number;
  readonly blas: readonly string[];
}

export interface Python {
  readonly note: string;
  /** Sends a line and waits for the answer to it. */
  ask<Answer>(line: string): Promise<Answer>;
  close(): void;
}

/** Starts a script of ours with its setting. @returns the process, or why there is none */
export async function startPython(script: string, setting: object): Promise<Python | string> {
  const python = process.env.PYTHON ?? "/usr/bin/python3";
  const child = spawn(python, [script], { stdio: ["pipe", "pipe", "inherit"] });
  const failed = new Promise<undefined>((resolve) => child.once("error", () => resolve(undefined)));
  child.stdin.on("error", () => {});
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const read = async <T>(): Promise<T | undefined> => {
    const line = await Promise.race([lines.next(), failed]);
    return line && !line.done ? (JSON.parse(line.value) as T) : undefined;
  };
  child.stdin.write(`${JSON.stringify(setting)}\n`);
  const hello = await read<Hello>();
  if (!hello || hello.missing)
    return `PyTorch: left out, as ${python} has none (${hello?.missing ?? "it did not start"}).`;
  return {
    note: `PyTorch ${hello.version}, ${hello.threads} threads, BLAS: ${hello.blas.join(", ")}.`,
    ask: async <Answer>(line: string) => {
      child.stdin.write(`${line}\n`);
      const answer = await read<Answer>();
      if (!answer) throw new Error("PyTorch's process ended");
      return answer;
    },
    close: () => child.stdin.end(),
  };
}
