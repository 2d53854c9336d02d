/** Starts the engine in Node, in a thread of its own or in the calling one. The browser's twin is start.browser.ts. */
import { near, type Peer } from "../../platform/calls.ts";
import { startWorker } from "../../platform/worker.ts";

const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";

export const startEngine = (): Peer => startWorker(new URL(`./worker.${extension}`, import.meta.url));

export const startNear = async (): Promise<Peer> => near((await import("./service.ts")).makeService());
