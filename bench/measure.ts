/** Timing side by side: contenders take turns, so that a disturbance of the machine meets them all alike. */

/** Something whose speed is measured. */
export interface Contender {
  readonly name: string;
  /** Does this many steps. @returns the seconds each of them took */
  run(steps: number): Promise<readonly number[]>;
  close(): Promise<void>;
}

/** A contender's runs: seconds a step, one number a run, the median of its steps: a stall of the machine is left out. */
export interface Timing {
  readonly name: string;
  readonly stepsPerRun: number;
  readonly secondsPerStep: readonly number[];
}

/** How fast ours is beside another: the median over the runs of their time / our time. Higher is better. */
export interface Ratio {
  readonly against: string;
  readonly speed: number;
  readonly target?: number;
  readonly met?: boolean;
}

export interface PartResult {
  readonly title: string;
  readonly unit: string;
  readonly timings: readonly Timing[];
  /** What else was measured: tables with a heading each, cells as text. */
  readonly tables?: readonly (readonly (readonly string[])[])[];
  readonly ratios: readonly Ratio[];
  readonly notes: readonly string[];
}

export const runs = 5;

export const median = (values: readonly number[]): number => {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
};

export const geometricMean = (values: readonly number[]): number =>
  Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length);

/** Makes steps one after the other. @returns the seconds from the end of one to the end of the next */
export async function timed(steps: number, step: () => Promise<unknown>): Promise<number[]> {
  const seconds = [];
  let last = performance.now();
  for (let made = 0; made < steps; made++) {
    await step();
    const now = performance.now();
    seconds.push((now - last) / 1000);
    last = now;
  }
  return seconds;
}

/** Sends a step while the one before it is computed. @returns the seconds from one answer to the next */
export async function timedAhead<Answer>(
  steps: number,
  send: () => Promise<Answer>,
  receive: (answer: Answer) => void = () => {},
): Promise<number[]> {
  let waiting: Promise<Answer> | undefined = send();
  let left = steps - 1;
  return timed(steps, async () => {
    const next = left-- > 0 ? send() : undefined;
    receive(await waiting!);
    waiting = next;
  });
}

/** Warms a contender up and finds how many of its steps fill a run. */
async function stepsThatFill(contender: Contender, target: number): Promise<number> {
  let steps = 1;
  for (;;) {
    const took = (await contender.run(steps)).reduce((sum, each) => sum + each, 0);
    if (took > target / 4) return Math.max(1, Math.round((steps * target) / took));
    steps = Math.ceil(steps * Math.min(10, Math.max(2, target / (3 * took))));
  }
}

/**
 * Times contenders in turns: A B C, A B C, … Each run takes about `target` seconds, one step at the least; another run
 * of the same length comes before the first, uncounted.
 */
export async function interleaved(contenders: readonly Contender[], target = 1): Promise<Timing[]> {
  const timings = [];
  for (const contender of contenders) {
    const stepsPerRun = await stepsThatFill(contender, target);
    timings.push({ name: contender.name, stepsPerRun, secondsPerStep: [] as number[] });
  }
  for (let run = 0; run < runs; run++)
    for (const [index, contender] of contenders.entries()) {
      const timing = timings[index]!;
      timing.secondsPerStep.push(median(await contender.run(timing.stepsPerRun)));
    }
  return timings;
}

/** Our speed beside another's, run by run, so that what disturbs both cancels. */
export function ratioOf(ours: Timing, theirs: Timing, target?: number): Ratio {
  const speed = median(ours.secondsPerStep.map((each, run) => theirs.secondsPerStep[run]! / each));
  return { against: theirs.name, speed, target, met: target === undefined ? undefined : speed >= target };
}

export const fastest = (timings: readonly Timing[]): Timing =>
  timings.reduce((best, timing) => (median(timing.secondsPerStep) < median(best.secondsPerStep) ? timing : best));
