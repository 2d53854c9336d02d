/** PyTorch on the CPU: a Python process that does as it is told, line by line. */
import { fileURLToPath } from "node:url";
import { type Server, startServer } from "./server.ts";

interface Hello {
  readonly missing?: string;
  readonly version: string;
  readonly threads: number;
  readonly blas: readonly string[];
}

export interface Python extends Server<Hello> {
  readonly note: string;
}

export const pythonCommand = process.env.PYTHON ?? "/usr/bin/python3";

/** What every script of ours finds its imports by. */
export const pythonEnvironment = {
  PYTHONPATH: fileURLToPath(new URL(".", import.meta.url)),
  PYTHONDONTWRITEBYTECODE: "1",
};

/** Starts a script of ours with its setting. @returns the process, or why there is none */
export async function startPython(script: string, setting: object): Promise<Python | string> {
  const python = await startServer<Hello>(pythonCommand, [script], setting, pythonEnvironment);
  if (!python || python.hello.missing)
    return `PyTorch: left out, as ${pythonCommand} has none (${python?.hello.missing ?? "it did not start"}).`;
  const { version, threads, blas } = python.hello;
  return { ...python, note: `PyTorch ${version}, ${threads} threads, BLAS: ${blas.join(", ")}.` };
}
