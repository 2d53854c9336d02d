/** A process that does as it is told: a line of JSON goes there, a line comes back. Only one computes at a time. */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

export interface Server<Hello> {
  /** What it said when it was ready. */
  readonly hello: Hello;
  /** Sends a line and waits for the answer to it. */
  ask<Answer>(line: string): Promise<Answer>;
  /** Ends the process, and waits until it has ended. */
  close(): Promise<void>;
}

/** Starts a process with its setting. @returns the process once it is ready, or nothing where it cannot be */
export async function startServer<Hello>(
  command: string,
  args: readonly string[],
  setting: object,
  environment: Readonly<Record<string, string>> = {},
): Promise<Server<Hello> | undefined> {
  const env = { ...process.env, ...environment };
  const child = spawn(command, args, { stdio: ["pipe", "pipe", "inherit"], env });
  const failed = new Promise<undefined>((resolve) => child.once("error", () => resolve(undefined)));
  const closed = new Promise((resolve) => child.once("close", resolve));
  child.stdin.on("error", () => {});
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const read = async <T>(): Promise<T | undefined> => {
    const line = await Promise.race([lines.next(), failed]);
    return line && !line.done ? (JSON.parse(line.value) as T) : undefined;
  };
  child.stdin.write(`${JSON.stringify(setting)}\n`);
  const hello = await read<Hello>();
  if (hello === undefined) return undefined;
  return {
    hello,
    ask: async <Answer>(line: string) => {
      child.stdin.write(`${line}\n`);
      const answer = await read<Answer>();
      if (answer === undefined) throw new Error(`the process of ${args.at(-1)} ended`);
      return answer;
    },
    close: async () => {
      child.stdin.end();
      await closed;
    },
  };
}
