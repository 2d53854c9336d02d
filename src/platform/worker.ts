/** Threads in Node: calls to a worker, and serving them inside one. The browser's twin is worker.browser.ts. */
import { availableParallelism, totalmem } from "node:os";
import { parentPort, Worker, workerData } from "node:worker_threads";
import { answering, type Handlers, Peer } from "./calls.ts";

/** What a worker does: nothing that has to be finished, something that has, or nothing any more as the process ends. */
const [free, busy, ending] = [0, 1, 2];

/** Of each worker, what it does. */
const states = new Set<Int32Array>();

/** The longest that the end of a process waits for a worker, in milliseconds. */
const longestWait = 10_000;

process.on("exit", () => {
  for (const state of states)
    while (Atomics.compareExchange(state, 0, free, ending) === busy)
      if (Atomics.wait(state, 0, busy, longestWait) === "timed-out") break;
});

/** Inside a worker that was started here: what it does. */
let own: Int32Array | undefined;

/** Work that aborts the process where its thread is ended halfway: one piece at a time, which the process's end waits for. */
export async function unbroken<Result>(work: () => Promise<Result>): Promise<Result> {
  if (!own) return work();
  if (Atomics.compareExchange(own, 0, free, busy) === ending) await new Promise(() => {});
  try {
    return await work();
  } finally {
    Atomics.store(own, 0, free);
    Atomics.notify(own, 0);
  }
}

/** Starts the module at `url` in a thread of its own. An idle worker does not keep the process alive. */
export function startWorker(url: URL): Peer {
  const state = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  const options = { workerData: state };
  const worker = url.pathname.endsWith(".ts")
    ? new Worker(fromSource(url), { ...options, eval: true })
    : new Worker(url, options);
  states.add(state);
  worker.once("exit", () => states.delete(state));
  worker.unref();
  const peer = new Peer({
    post: (message, transfer) => worker.postMessage(message, transfer),
    busy: (isBusy) => (isBusy ? worker.ref() : worker.unref()),
    stop: async () => {
      await worker.terminate();
    },
  });
  worker.on("message", (message) => peer.receive(message));
  worker.on("error", (error) => peer.fail(error));
  worker.on("exit", (code) => peer.fail(new Error(`the worker stopped with exit code ${code}`)));
  return peer;
}

/** In a checkout that was not built, workers too run from TypeScript: tsx does not reach them by itself. */
const fromSource = (url: URL): string =>
  `import(${JSON.stringify(import.meta.resolve("tsx/esm/api"))}).then(({ register }) => {
     register();
     return import(${JSON.stringify(url.href)});
   });`;

/** Inside a worker: answers the calls that come from the thread that started it. */
export function serve(handlers: Handlers): void {
  const port = parentPort!;
  own = workerData as Int32Array;
  port.on(
    "message",
    answering(handlers, (message, transfer) => port.postMessage(message, transfer)),
  );
}

/** How many threads can run at once. */
export const coreCount = (): number => availableParallelism();

/** The bytes of memory that this process may use: the machine's, or its container's. */
export function machineMemory(): number {
  const constrained = process.constrainedMemory();
  return constrained > 0 ? Math.min(constrained, totalmem()) : totalmem();
}
