/** Starts the engine's thread in Node. The browser's twin is start.browser.ts. */
import type { Peer } from "../../platform/calls.ts";
import { startWorker } from "../../platform/worker.ts";

const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";

export const startEngine = (): Peer => startWorker(new URL(`./worker.${extension}`, import.meta.url));
