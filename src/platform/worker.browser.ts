/** Threads in a browser: the twin of worker.ts. */
import { answering, type Handlers, Peer, type Post } from "./calls.ts";

/** The near end of a worker that was just started. */
export function peerOf(worker: Worker): Peer {
  const peer = new Peer({
    post: (message, transfer) => worker.postMessage(message, transfer),
    busy: () => {},
    stop: async () => worker.terminate(),
  });
  worker.onmessage = ({ data }) => peer.receive(data);
  worker.onerror = (event) => peer.fail(new Error(event.message || "the worker could not be started"));
  return peer;
}

export const startWorker = (url: URL): Peer => peerOf(new Worker(url, { type: "module" }));

export function serve(handlers: Handlers): void {
  const scope = globalThis as unknown as { postMessage: Post; onmessage: (event: MessageEvent) => void };
  const receive = answering(handlers, (message, transfer) => scope.postMessage(message, transfer));
  scope.onmessage = ({ data }) => receive(data);
}

/** A page does not wait for its threads as it ends, nor do they take it down. */
export const unbroken = <Result>(work: () => Promise<Result>): Promise<Result> => work();
export const unbrokenCall = <Result>(work: () => Result): Result => work();

/** Threads of WebAssembly need shared memory, which a page has only when it is cross-origin isolated. */
export const coreCount = (): number => (globalThis.crossOriginIsolated ? navigator.hardwareConcurrency : 1);

/** The bytes of memory that a page may count on: what the browser tells of the machine's, and WebAssembly's 4 GiB at most. */
export function machineMemory(): number {
  const { deviceMemory = 4 } = navigator as Navigator & { readonly deviceMemory?: number };
  return Math.min(deviceMemory, 4) * 2 ** 30;
}
