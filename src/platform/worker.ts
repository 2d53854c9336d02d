/** Threads in Node: calls to a worker, and serving them inside one. The browser's twin is worker.browser.ts. */
import { availableParallelism, totalmem } from "node:os";
import { parentPort, Worker } from "node:worker_threads";
import { answering, type Handlers, Peer } from "./calls.ts";

/** Starts the module at `url` in a thread of its own. An idle worker does not keep the process alive. */
export function startWorker(url: URL): Peer {
  const worker = url.pathname.endsWith(".ts") ? new Worker(fromSource(url), { eval: true }) : new Worker(url);
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
