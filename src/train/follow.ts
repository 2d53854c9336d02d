import type { Run } from "./run.ts";

/** Runs `run` as a part of other work: passes its events on, and stops it when that work is asked to stop. */
export async function follow<Event, Result>(
  run: Run<Event, Result>,
  signal: AbortSignal,
  each: (event: Event) => Promise<void>,
): Promise<Result> {
  const stop = () => run.stop();
  if (signal.aborted) stop();
  signal.addEventListener("abort", stop);
  try {
    for await (const event of run) await each(event);
    return await run.result;
  } finally {
    signal.removeEventListener("abort", stop);
  }
}
