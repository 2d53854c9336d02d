/** Threads in Node: calls to a worker, and serving them inside one. The browser's twin is worker.browser.ts. */
import { availableParallelism, totalmem } from "node:os";
import { parentPort, Worker, workerData } from "node:worker_threads";
import { answering, type Handlers, Peer } from "./calls.ts";

/** What a worker's state is as the process ends; before, how many works it has in hand that have to be finished. */
const ending = -1;

/** Of each worker, its state. */
const states = new Set<Int32Array>();

/** The longest that the end of a process waits for a worker, in milliseconds. */
const longestWait = 10_000;

process.on("exit", () => {
  for (const state of states)
    for (let works = 1; works > 0; ) {
      works = Atomics.compareExchange(state, 0, 0, ending);
      if (works > 0 && Atomics.wait(state, 0, works, longestWait) === "timed-out") break;
    }
});

/** Inside a worker that was started here: its state. */
const own: Int32Array | undefined = workerData?.striateState;

/** Has the process's end wait, or where it has begun, waits for it. */
function begin(state: Int32Array): void {
  for (let works = Atomics.load(state, 0); ; works = Atomics.load(state, 0))
    if (works === ending) Atomics.wait(state, 0, ending);
    else if (Atomics.compareExchange(state, 0, works, works + 1) === works) return;
}

function finish(state: Int32Array): void {
  Atomics.sub(state, 0, 1);
  Atomics.notify(state, 0);
}

/** Work that aborts the process where its thread is ended halfway: the process's end waits for it. */
export async function unbroken<Result>(work: () => Promise<Result>): Promise<Result> {
  if (!own) return work();
  begin(own);
  try {
    return await work();
  } finally {
    finish(own);
  }
}

/** The same of work that is done when it returns. */
export function unbrokenCall<Result>(work: () => Result): Result {
  if (!own) return work();
  begin(own);
  try {
    return work();
  } finally {
    finish(own);
  }
}

/** Starts the module at `url` in a thread of its own. An idle worker does not keep the process alive. */
export function startWorker(url: URL): Peer {
  const state = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  const options = { workerData: { striateState: state } };
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
