/** Ctrl-C: the first asks the work to stop where that loses nothing, the second ends the process. */

/** The exit code of a process that a signal ended. */
const exitCodes = { SIGINT: 130, SIGTERM: 143 } as const;

type StopSignal = keyof typeof exitCodes;

/** One press can arrive twice, from the terminal and from npm: what follows this soon is the same one. */
const sameMilliseconds = 250;

/**
 * Awaits `work`; while it goes on, the first signal calls `stop` and a second one ends the process at once.
 * @returns what the work gives, and the exit code where a signal came
 */
export async function interruptible<Result>(
  stop: () => void,
  work: () => Promise<Result>,
): Promise<{ result: Result; exitCode?: number }> {
  let received: { exitCode: number; time: number } | undefined;
  const removals = (Object.keys(exitCodes) as StopSignal[]).map((signal) => {
    const handler = () => {
      if (received && performance.now() - received.time < sameMilliseconds) return;
      if (received) return end(signal);
      received = { exitCode: exitCodes[signal], time: performance.now() };
      stop();
    };
    process.on(signal, handler);
    return () => process.off(signal, handler);
  });
  // By the signal itself: an orderly exit would stop the engine's thread in the middle of a step, which it cannot bear.
  const end = (signal: StopSignal) => {
    for (const remove of removals) remove();
    process.kill(process.pid, signal);
  };
  try {
    const result = await work();
    return { result, exitCode: received?.exitCode };
  } finally {
    for (const remove of removals) remove();
  }
}
