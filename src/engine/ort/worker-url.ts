/** Where the worker's module is, for Node; the browser's twin names it in the form that bundlers look for. */
const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
export const workerUrl = (): URL => new URL(`./worker.${extension}`, import.meta.url);
