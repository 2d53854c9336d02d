/** Starts the engine's thread in a browser, in the form of words by which bundlers find a worker: start.ts's twin. */
import type { Peer } from "../../platform/calls.ts";
import { peerOf } from "../../platform/worker.browser.ts";

export const startEngine = (): Peer => peerOf(new Worker(new URL("./worker.js", import.meta.url), { type: "module" }));
