/** Long work: events as it goes, a result at its end, and a way to stop it. */

import { StriateError } from "../errors.ts";

/** How many events wait for a listener before the work waits for it. */
const patience = 64;

/**
 * Work in progress. Iterate it for its events, await `result` for its end; with no one listening events are dropped.
 *
 * @example
 * import { Run } from "striate";
 *
 * const run = new Run<number, string>(async (emit) => {
 *   for (let percent = 0; percent <= 100; percent += 50) await emit(percent);
 *   return "done";
 * });
 * for await (const percent of run) console.assert(percent <= 100);
 * console.assert((await run.result) === "done");
 */
export class Run<Event, Result> implements AsyncIterable<Event> {
  readonly result: Promise<Result>;
  readonly #stopping = new AbortController();
  #queue: Event[] = [];
  #listening = false;
  #ended = false;
  /** Wakes whoever waits for the queue to change: the listener for an event, or the work for room. */
  #wake: () => void = () => {};

  /** @param body does the work; it looks at `signal` between steps and ends early when that is aborted */
  constructor(body: (emit: (event: Event) => Promise<void>, signal: AbortSignal) => Promise<Result>) {
    this.result = Promise.resolve()
      .then(() => body((event) => this.#emit(event), this.#stopping.signal))
      .finally(() => {
        this.#ended = true;
        this.#wake();
      });
    // A failure reaches those who await the result; one that nobody awaits must not end the process.
    this.result.catch(() => {});
  }

  /** Asks the work to end after the steps already under way; its result is what was done until then. */
  stop(): void {
    this.#stopping.abort();
  }

  async #emit(event: Event): Promise<void> {
    if (!this.#listening) return;
    this.#queue.push(event);
    this.#wake();
    while (this.#listening && this.#queue.length > patience) await this.#change();
  }

  #change(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  async *[Symbol.asyncIterator](): AsyncIterator<Event> {
    if (this.#listening)
      throw new StriateError({ subject: "Run", found: "a second listener", expected: "one at a time" });
    this.#listening = true;
    try {
      while (true) {
        const event = this.#queue.shift();
        if (event !== undefined) {
          this.#wake();
          yield event;
        } else if (this.#ended) break;
        else await this.#change();
      }
    } finally {
      this.#listening = false;
      this.#queue = [];
      this.#wake();
    }
    await this.result;
  }
}
